"""Ground truth of tables, written by hand beside the source that typesets them, and how a cell is held against it.

A file of truth (or LaTeX's comments) has a line `%%T label` for each table and below it one line `%%| cell | cell` for
each row. A cell says what a reader of the paper sees:

    94.1  94.1±0.3  1.2+0.3-0.6  93.0(+1.6)  0.5[0.4,0.6]  3..5  71.2/88.3  >99  ~30  87.3%   numbers, by value
    *94.1  _94.1                  bold, underlined         <  ^          covered by the cell to the left, above
    words  ~words                 the text is, holds       ?  ?91.2      anything; a number or text among others
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from mlintern.paper.document.document import Cell, Table

_F = r"[-+]?\d*\.?\d+(?:e[-+]?\d+)?"
_CUT = re.compile(r"(?:^|\s)\|(?=\s|$)")


def truths(folder: Path) -> dict[str, list[list[str]]]:
    """Label -> rows of wanted cells, of all the files of a paper."""
    found: dict[str, list[list[str]]] = {}
    for path in sorted(folder.rglob("*.tex")):
        data = path.read_bytes()
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            text = data.decode("utf-16")
        else:
            try:
                text = data.decode()
            except UnicodeDecodeError:
                text = data.decode("latin-1")
        rows: list[list[str]] = []
        for line in text.splitlines():
            if line.startswith("%%T "):
                rows = found.setdefault(line[4:].strip(), [])
            elif line.startswith("%%|"):
                rows.append([cell.strip() for cell in _CUT.split(line[2:])[1:]])
    return found


def judged(table: Table, rows: list[list[str]]) -> Iterator[tuple[int, int, str, bool]]:
    """Row, column, what is wrong ('' if nothing) and whether the reader doubts the cell, for every wanted cell."""
    for r, row in enumerate(rows):
        for c, want in enumerate(row):
            cell = table.cell(r, c)
            if want in ("<", "^"):
                beside = table.cell(r, c - 1) if want == "<" else table.cell(r - 1, c)
                wrong = "" if cell is not None and cell is beside else f"no span here: {cell and cell.text!r}"
            else:
                wrong = _wrong(want, cell)
            doubt = cell is not None and (cell.doubtful or any(n.doubtful for n in cell.numbers))
            yield r, c, wrong, doubt


def _close(a: float | None, b: float | str) -> bool:
    return a is not None and math.isclose(a, float(b), rel_tol=1e-9, abs_tol=1e-15)


def _wrong(want: str, cell: Cell | None) -> str:
    """What is wrong about a cell, '' if nothing."""
    if want == "?":
        return ""
    text = " ".join(cell.text.split()) if cell else ""
    if not want or cell is None:
        return "" if not want and not text else f"{text!r}, wanted {want!r}"
    mark, want = (want[0], want[1:]) if want[0] in "*_" else ("", want)
    if (mark == "*") != cell.bold and (mark or want[0] in "-+<>~.0123456789"):
        return f"bold is {cell.bold}: {text!r}"
    if mark == "_" and not cell.underline:
        return f"not underlined: {text!r}"
    if want == "?":
        return ""
    if want[0] == "?":
        return "" if want[1:] in text else f"{want[1:]} not in {text!r}"
    if want[0] == "~" and not want[1:2].isdigit():
        return "" if want[1:] in text else f"{want[1:]!r} not in {text!r}"
    return _value(want, cell, text)


def _value(want: str, cell: Cell, text: str) -> str:
    numbers = cell.numbers
    first = numbers[0] if numbers else None
    bare = want[:-1] if want.endswith("%") and want[0] in "-+<>~.0123456789" else want

    def are(*wanted: str) -> bool:
        return len(numbers) == len(wanted) and all(_close(n.value, w) for n, w in zip(numbers, wanted, strict=True))

    if m := re.fullmatch(rf"({_F})±({_F})", bare):
        good = are(m[1]) and _close(first.spread, m[2])
    elif m := re.fullmatch(rf"({_F})\+({_F})-({_F})", bare):
        middle, up, down = map(float, m.groups())
        good = are(m[1]) and _close(first.low, middle - down) and _close(first.high, middle + up)
    elif m := re.fullmatch(rf"({_F})\(([-+][\d.]+)\)", bare):
        good = are(m[1]) and _close(first.change, m[2])
    elif m := re.fullmatch(rf"({_F})\[({_F}),({_F})\]", bare):
        good = are(m[1]) and _close(first.low, m[2]) and _close(first.high, m[3])
    elif m := re.fullmatch(rf"({_F})\.\.({_F})", bare):
        good = len(numbers) == 1 and _close(first.low, m[1]) and _close(first.high, m[2])
    elif m := re.fullmatch(rf"([<>~]=?)({_F})", bare):
        good = are(m[2]) and first.bound == m[1]
    elif re.fullmatch(rf"{_F}(?:/{_F})*", bare):
        good = are(*bare.split("/"))
    else:
        return "" if text == want else f"{text!r}, wanted {want!r}"
    if good and bare != want and first.unit != "%":
        return f"unit {first.unit!r}: {text!r}"
    return "" if good else f"{text!r} read as {[(n.value, n.spread, n.low, n.high, n.change) for n in numbers]}, {want}"
