"""Numbers as papers write them: `94.1 ± 0.3`, `$94.1_{\\pm 0.3}$`, `1{,}024`, `2.3·10^{19}`, `>99`, `36--60`, `100K`.

A number keeps its raw text beside what it was read as. Where two readings are possible (`32^{2}`, `0,5`, `5 . 9 5`,
`×1019` whose exponent lost its superscript) the literal one is given and marked doubtful, with the reason: never
guessed in silence.

Input is the Document's plain text (superscripts `^{..}`, subscripts `_{..}`, Unicode operators) or LaTeX; both spell
the same numbers. Arithmetic is decimal, so 94 - 0.5 is exactly 93.5 and no digit of the paper is lost.
"""

from mlintern.paper.numbers.cells import parse_cell
from mlintern.paper.numbers.number import Number, SpreadKind
from mlintern.paper.numbers.prose import find_numbers, says
from mlintern.paper.numbers.spelling import plain

__all__ = ["Number", "SpreadKind", "find_numbers", "parse_cell", "plain", "says"]
