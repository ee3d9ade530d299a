"""The numbers of a table cell."""

from __future__ import annotations

import re
from dataclasses import replace

from mlintern.paper.numbers.magnitude import LOST, SP
from mlintern.paper.numbers.number import Number
from mlintern.paper.numbers.reading import NumberReader
from mlintern.paper.numbers.spelling import plain

_MAX_CHARS = 400
"""A cell longer than this is prose, and reading it as one number is not tried."""

_SEPARATOR = re.compile(rf"(?:{SP}|[/|;,→&:()\[\]]|->|vs\.?|[×xX](?={SP}*\d)|and(?![A-Za-z]))+")
_SPACED = re.compile(r"[+\-]?\s*\d(?:\s*[\d.eE+\-])*")


def parse_cell(raw: str) -> tuple[Number, ...]:
    """The numbers of a cell that consists of numbers only: one, several (`24.6/25.1`, `3×3`), or none (text, blank,
    dash).

    A cell with any word in it that is not a unit is text and gives (); use `find_numbers` for numbers inside text.
    """
    text = plain(raw).strip()
    if not text or len(text) > _MAX_CHARS or not any(c.isdigit() for c in text):
        return ()
    if spaced := _spaced(raw, text):
        return (spaced,)
    numbers: list[Number] = []
    at, hyphens = 0, False
    while at < len(text):
        reading = NumberReader(text, at, cell=True)
        number = reading.read()
        if number is None:
            m = _SEPARATOR.match(text, at)
            if not m:
                return ()
            at = m.end()
            continue
        numbers.append(number)
        at = reading.at
        if at < len(text) and not _SEPARATOR.match(text, at):
            if text[at] not in "+-–":
                return ()
            hyphens = True
    if hyphens:
        numbers = [n.doubted("a hyphen between numbers may be a minus sign, a range or a separator") for n in numbers]
    if any(LOST in n.why for n in numbers) and len(numbers) > 1:
        numbers = [n if n.doubtful else n.doubted(LOST) for n in numbers]
    if len(numbers) == 1:
        return (replace(numbers[0], raw=raw.strip()),)
    return tuple(numbers)


def _spaced(raw: str, text: str) -> Number | None:
    """`5 . 9 5 e - 6`: digits that a layout tore apart; the joined reading, marked doubtful."""
    if not re.search(r"\d[ \t\n]+[\d.]|\.[ \t\n]+\d|[eE][ \t\n]*[+\-][ \t\n]+\d", text) or not _SPACED.fullmatch(text):
        return None
    if re.fullmatch(r"[+\-]?\d+(?:\.\d+)?[eE][ ]?[+\-]?[ ]?\d+", text):
        return None
    words = text.split()
    if len(words) > 1 and all("." in w and re.fullmatch(r"[+\-]?\d*\.\d+|[+\-]?\d+\.\d*", w) for w in words):
        return None  # two decimal numbers side by side are two numbers
    joined = re.sub(r"\s+", "", text)
    reading = NumberReader(joined, 0, cell=True)
    number = reading.read()
    if number is None or reading.at != len(joined) or number.value is None:
        return None
    return replace(number, raw=raw.strip()).doubted("its digits stand apart; it may be several numbers")
