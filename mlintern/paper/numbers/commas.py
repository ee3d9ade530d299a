"""Decimal commas: what one cell cannot tell, the table it stands in often can.

`0,71` alone may be a list or a decimal; in a table that writes 0,71 and 12,35 and never a decimal point it is a
decimal, and then `1,234` beside it is no longer surely one thousand.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from mlintern.paper.numbers.magnitude import COMMA
from mlintern.paper.numbers.number import Number

_DECIMALS = re.compile(r"(?<![\d.,])(?:0,\d|\d+,\d{2}(?!\d)|\d+,\d{4,})")
_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2},\d{3}(?![\d,.])")
_DOTTED = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:\.\d{3})+(?![\d.])")
_POINT = re.compile(r"\d\.\d")
_ELSEWHERE = "a comma is the decimal point elsewhere in the table"


def settle_commas(
    numbers: Mapping[tuple[int, int], tuple[Number, ...]],
) -> dict[tuple[int, int], tuple[Number, ...]]:
    """The numbers of a table's cells, surer or less sure of their commas than each cell could be alone."""
    read = [n for found in numbers.values() for n in found]
    commas = [n for n in read if COMMA in n.why]
    if not commas or any(_POINT.search(_DOTTED.sub("", n.raw)) for n in read):
        return dict(numbers)
    clear = [n for n in commas if _DECIMALS.search(n.raw)]
    sure = len(clear) >= 2 and len(clear) * 2 >= len(commas)

    def settled(n: Number) -> Number:
        if n.why == COMMA and sure:
            return replace(n, doubtful=False, why="")
        if not n.doubtful and (_THOUSANDS.search(n.raw) or _DOTTED.search(n.raw)):
            return n.doubted(_ELSEWHERE)
        return n

    return {key: tuple(settled(n) for n in found) for key, found in numbers.items()}
