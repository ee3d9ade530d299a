"""Numbers in running text."""

import re
from collections.abc import Iterator
from decimal import Decimal

from mlintern.paper.numbers.number import Number
from mlintern.paper.numbers.reading import NumberReader
from mlintern.paper.numbers.spelling import plain

_CARDINALS = {
    w: i
    for i, w in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen "
        "eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}
_WORD = re.compile(r"(?<![A-Za-z-])(" + "|".join(_CARDINALS) + r")(?![A-Za-z-])", re.I)
_START = re.compile(r"(?<![\w.^_{])(?:[>≥<≤~∼≈±][ ]?)?[$€£¥]?[+\-]?\.?\d|(?<=[A-Za-z])-\d|(?<=[\w)}])[-–]\d")


def find_numbers(text: str, words: bool = False) -> Iterator[tuple[int, int, Number]]:
    """Numbers in running plain text, with their range in it; digits inside a word (`VGG16`, `x_1`) are not numbers.

    With `words`, spelled-out cardinals up to twenty, tens and `hundred` count too (`six identical layers`).
    """
    found: list[tuple[int, int, Number]] = []
    at = 0
    while m := _START.search(text, at):
        start = m.start()
        if text[start] in "-–" and start and (text[start - 1].isalnum() or text[start - 1] in ")}"):
            start += 1  # top-1, 36-60: a hyphen, no sign
        reading = NumberReader(text, start, cell=False)
        number = reading.read()
        if number is None or reading.at <= start:
            at = m.end()
            continue
        at = reading.at
        after = text[at : at + 1]
        if after.isalpha() and not number.unit:
            continue  # 1D, 2nd, 3x3conv: part of a name
        found.append((start, at, number))
    if words:
        found += [(m.start(), m.end(), Number(m[0], float(_CARDINALS[m[0].lower()]))) for m in _WORD.finditer(text)]
        found.sort(key=lambda item: item[0])
    yield from found


def says(text: str, value: float, words: bool = True) -> bool:
    """Whether a number in `text` is exactly `value`: as its value, an end of its range, or its spread.

    Doubtful numbers do not count. Percentages count as written only: 94.1 % says 94.1, not 0.941.
    """
    target = Decimal(repr(float(value)))
    for _, _, n in find_numbers(plain(text), words):
        if n.doubtful:
            continue
        if any(x is not None and Decimal(repr(x)) == target for x in (n.value, n.low, n.high, n.spread)):
            return True
    return False
