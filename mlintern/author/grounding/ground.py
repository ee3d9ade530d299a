"""Grounding: nothing counts as said by the paper unless the paper's own text says it.

A quote must stand in the Document and hold the value; a table's cell is read from the parsed grid, whatever the
language model copied. What is kept is a locator (section, span or cell) and the sha256 of the Document's own words
there; the words themselves are not. `reground` checks every locator of a spec against a Document again.
"""

import dataclasses
import hashlib
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from mlintern.author.grounding import supports
from mlintern.paper.document.document import Cell, Document, Found, Table
from mlintern.spec.paper_spec import PaperSpec, Printed
from mlintern.spec.sourced import PaperCount, PaperLocator, PaperSetting, Value

Spread = Literal["std", "standard_error", "ci95", "unknown"]
LONGEST_QUOTE = 1200  # characters; a longer one proves too little about any one value


@dataclasses.dataclass(frozen=True)
class Ungrounded:
    """Why something is not in the paper; the author stage asks once more, then makes it an assumption."""

    reason: str


@dataclasses.dataclass(frozen=True)
class Broken:
    """A locator of a spec that does not hold in a Document."""

    path: str
    """Field of the spec: `settings[3].locator`."""
    reason: str


def quote_hash(text: str) -> str:
    """sha256 (hex) of `text` with every run of white space as one space."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def text_hash(document: Document) -> str:
    """sha256 (hex) of the Document's plain text, which spans point into."""
    return hashlib.sha256(document.text.encode()).hexdigest()


def ground_quote(document: Document, quote: str) -> PaperLocator | Ungrounded:
    """The place of `quote`, for a claim or a caption."""
    problem = _unfit(quote)
    if problem:
        return Ungrounded(problem)
    found = document.find_quote(quote)
    return _locator(document, found) if found else Ungrounded("the quote does not stand in the paper")


def ground_value(document: Document, quote: str, value: Value | None, key: str = "") -> PaperLocator | Ungrounded:
    """The place of `quote`, if the Document's words there say `value` (and speak of `key`, for well-known keys)."""
    problem = _unfit(quote)
    if problem:
        return Ungrounded(problem)
    reason = "the quote does not stand in the paper"
    for found in document.find_quotes(quote):
        reason = supports.why_not(found.text, value, key, _around(document.text, found.start, found.end))
        if not reason:
            return _locator(document, found)
    return Ungrounded(reason)


def ground_table_value(
    document: Document, table: str, row: int, column: int, value: Value | None, key: str = ""
) -> PaperLocator | Ungrounded:
    """The place of a setting that a table gives; the cell must say `value`, its headers may name the key."""
    found = find_cell(document, table, row, column)
    if isinstance(found, Ungrounded):
        return found
    grid, cell = found
    reason = _why_not_in_cell(grid, cell, row, column, value, key)
    return Ungrounded(reason) if reason else _cell_locator(document, grid, cell)


def _why_not_in_cell(grid: Table, cell: Cell, row: int, column: int, value: Value | None, key: str) -> str:
    """Why the cell does not give `value`: its headers may name the key, and put a power of ten on its numbers."""
    headers = " ".join([*grid.row_name(row), *grid.header_of(column)])
    context = f"{headers} {grid.caption}"
    reason = supports.why_not(cell.text, value, key, context)
    scale = supports.header_scale(headers)
    if reason and scale and isinstance(value, int | float) and not isinstance(value, bool):
        scaled = float(Decimal(repr(value)).scaleb(-scale))
        return reason if supports.why_not(cell.text, scaled, key, context) else ""
    return reason


def ground_cell(
    document: Document, table: str, row: int, column: int, n: int | None = None, spread: Spread = "unknown"
) -> tuple[PaperLocator, Printed] | Ungrounded:
    """The place of a result and the number as the grid has it.

    `n` is the number of runs that the paper states, `spread` what it says the plus-minus is. A blank cell, a cell of
    text and a doubtful number come back Ungrounded.
    """
    found = find_cell(document, table, row, column)
    if isinstance(found, Ungrounded):
        return found
    grid, cell = found
    number = cell.number
    if number is None:
        what = "blank" if cell.blank else f"{len(cell.numbers)} numbers" if cell.numbers else "no number"
        return Ungrounded(f"row {row}, column {column} of table {table} holds {what}")
    if number.doubtful or cell.doubtful:
        return Ungrounded(f"row {row}, column {column} of table {table} is doubtful: {number.why or cell.why}")
    decimals = max(0, -math.floor(math.log10(number.resolution))) if number.resolution else 0
    printed = Printed(
        raw=" ".join(cell.text.split()),
        mean=number.value,
        std=number.spread,
        n=n,
        spread=spread if number.spread is not None else "unknown",
        bound=number.bound or None,  # type: ignore[arg-type]  # the five bounds of Number are those of Printed
        decimals=decimals,
    )
    return _cell_locator(document, grid, cell), printed


def cell_place(document: Document, table: str, row: int, column: int) -> PaperLocator | Ungrounded:
    """The place of a cell that holds something, whatever it says."""
    found = find_cell(document, table, row, column)
    if isinstance(found, Ungrounded):
        return found
    grid, cell = found
    if cell.blank:
        return Ungrounded(f"row {row}, column {column} of table {table} is blank")
    return _cell_locator(document, grid, cell)


def find_table(document: Document, name: str) -> Table | Ungrounded:
    """The grid with this id, this label, or this number in the paper; a label that several grids share finds none."""
    by_id = [table for table in document.tables if table.id == name]
    by_label = [table for table in document.tables if table.label and table.label == name]
    grids = by_id or by_label or list(document.tables_called(name))
    if len(grids) == 1:
        return grids[0]
    if not grids:
        return Ungrounded(
            f"the paper has no table {name!r}; it has {', '.join(t.id for t in document.tables) or 'none'}"
        )
    return Ungrounded(f"{name!r} names {len(grids)} grids; say which: {', '.join(t.id for t in grids)}")


def find_cell(document: Document, table: str, row: int, column: int) -> tuple[Table, Cell] | Ungrounded:
    """The grid and its cell at (row, column), both from 0 and header rows included."""
    grid = find_table(document, table)
    if isinstance(grid, Ungrounded):
        return grid
    cell = grid.cell(row, column)
    if cell is None:
        return Ungrounded(
            f"table {table} has no cell at row {row}, column {column}; it is {grid.rows} x {grid.columns}"
        )
    return grid, cell


def reground(spec: PaperSpec, document: Document) -> list[Broken]:
    """Every locator of `spec` that does not hold in `document`; none means that the spec still rests on the paper.

    Hashes are checked for all; beyond them, that a setting's text says its value, and that a result's printed number is
    what the grid holds.
    """
    return list(_reground(spec, document))


def _reground(spec: PaperSpec, document: Document) -> Iterator[Broken]:
    texts: dict[str, str] = {}
    for path, locator in spec.locators():
        text = _text_at(document, locator)
        if isinstance(text, Ungrounded):
            yield Broken(path, text.reason)
        elif quote_hash(text) != locator.sha256:
            yield Broken(path, "the text there is not the one that was quoted")
        else:
            texts[path] = text
    for i, setting in enumerate(spec.settings):
        text = texts.get(f"settings[{i}].locator")
        if isinstance(setting, PaperSetting) and text is not None:
            if reason := _why_not_at(document, setting.locator, text, setting.value, setting.key):
                yield Broken(f"settings[{i}]", reason)
    for i, variant in enumerate(spec.variants):
        text = texts.get(f"variants[{i}].parameters.locator")
        count = variant.parameters
        if text is not None and isinstance(count, PaperCount):
            if reason := _why_not_at(document, count.locator, text, count.value, "parameters"):
                yield Broken(f"variants[{i}].parameters", reason)
    for i, table in enumerate(spec.tables):
        for j, cell in enumerate(table.cells):
            where = cell.locator
            if where.table is None or where.row is None or where.column is None:
                yield Broken(f"tables[{i}].cells[{j}].locator", "a result needs a table, row and column")
            elif f"tables[{i}].cells[{j}].locator" in texts:
                grounded = ground_cell(
                    document, where.table, where.row, where.column, cell.printed.n, cell.printed.spread
                )
                if isinstance(grounded, Ungrounded):
                    yield Broken(f"tables[{i}].cells[{j}]", grounded.reason)
                elif grounded[1] != cell.printed:
                    yield Broken(f"tables[{i}].cells[{j}].printed", f"the grid has {grounded[1].raw!r}")


def _text_at(document: Document, locator: PaperLocator) -> str | Ungrounded:
    if locator.table is not None and locator.row is not None and locator.column is not None:
        found = find_cell(document, locator.table, locator.row, locator.column)
        return found if isinstance(found, Ungrounded) else found[1].text
    assert locator.span is not None  # the schema asks for one or the other
    start, end = locator.span
    if end > len(document.text):
        return Ungrounded(f"the span ends at {end}, the text at {len(document.text)}")
    return document.text[start:end]


def _why_not_at(document: Document, locator: PaperLocator, text: str, value: Value | None, key: str) -> str:
    """Why the place does not give `value`, as it was asked when the place was found."""
    if locator.table is not None and locator.row is not None and locator.column is not None:
        found = find_cell(document, locator.table, locator.row, locator.column)
        if isinstance(found, Ungrounded):
            return found.reason
        return _why_not_in_cell(*found, locator.row, locator.column, value, key)
    assert locator.span is not None
    return supports.why_not(text, value, key, _around(document.text, *locator.span))


def _unfit(quote: str) -> str:
    if len(quote) > LONGEST_QUOTE:
        return f"the quote has {len(quote)} characters; at most {LONGEST_QUOTE} may prove one value"
    if not re.search(r"[^\W\d_]{2}|[^\W\d_]\s*=", quote):
        return "the quote holds no word; quote the words around the value"
    return ""


def _locator(document: Document, found: Found) -> PaperLocator:
    return PaperLocator(
        section=_section(document, found.start), span=[found.start, found.end], sha256=quote_hash(found.text)
    )


def _cell_locator(document: Document, grid: Table, cell: Cell) -> PaperLocator:
    labels = [table.label for table in document.tables]
    name = grid.label if grid.label and labels.count(grid.label) == 1 else grid.id
    return PaperLocator(
        section=_section(document, grid.start),
        table=name,
        row=cell.row,
        column=cell.column,
        sha256=quote_hash(cell.text),
    )


def _section(document: Document, offset: int) -> str | None:
    section = document.section_at(offset)
    return (section.number or section.title or None) if section else None


def _around(text: str, start: int, end: int) -> str:
    """The sentences that `text[start:end]` stands in."""
    before = max((m.end() for m in re.finditer(r"[.!?]\s|\n\s*\n", text[max(0, start - 600) : start])), default=0)
    after = re.search(r"[.!?](?=\s)|\n\s*\n", text[end : end + 600])
    return text[max(0, start - 600) + before : end + (after.start() if after else 0)]
