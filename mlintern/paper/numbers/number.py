"""One number of a paper, with everything that is written beside it."""

from dataclasses import dataclass, replace
from typing import Literal, Self

SpreadKind = Literal["", "pm", "subscript", "superscript", "parenthesis", "asymmetric", "interval", "range"]
"""How the spread is written. `parenthesis` and `subscript` say the form only: that it is a standard deviation is for
the caption to say. `interval` is `81.2 [80.1, 82.3]`, `range` is `36--60` and has no central value."""


@dataclass(frozen=True)
class Number:
    """One number of a paper."""

    raw: str
    """The text it was read from, whole."""
    value: float | None
    """With powers of ten and K, M, B multiplied in; a percentage stays as written (94.1 % is 94.1, unit `%`).

    None for a range, a bare spread (`±0.3`) and a bare change (`↑1.2`)."""
    unit: str = ""
    """`%`, `$`, `ms`, `GB`, `×` (a factor), …; empty if the number says none itself."""
    spread: float | None = None
    """Half-width of a symmetric spread, in the units of `value`."""
    low: float | None = None
    """Lower end of the spread, interval or range."""
    high: float | None = None
    spread_kind: SpreadKind = ""
    change: float | None = None
    """A difference written beside it: `76.1 (+1.2)`, `76.1 ↓0.4` (negative)."""
    bound: str = ""
    """`>`, `<`, `>=`, `<=` or `~` (about)."""
    resolution: float | None = None
    """Place value of the last digit written: 0.1 for 28.4, 1000 for 100K. The paper's rounding is half of it."""
    notes: tuple[str, ...] = ()
    """Marks attached to it: `*`, `†`, `a`."""
    doubtful: bool = False
    why: str = ""

    def doubted(self, why: str) -> Self:
        """The same number, marked doubtful for one more reason."""
        return replace(self, doubtful=True, why=f"{self.why}; {why}" if self.why else why)
