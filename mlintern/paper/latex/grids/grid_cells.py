"""Setting the cells of a grid into the text, with columns joined by `@{±}` and siunitx's number columns."""

from __future__ import annotations

from itertools import islice

from mlintern.paper.latex.floats import Floats
from mlintern.paper.latex.grids.columns import Column, blank
from mlintern.paper.latex.grids.grid_rows import Row
from mlintern.paper.latex.grids.spans import settle
from mlintern.paper.latex.source.commands import FULL_RULES
from mlintern.paper.latex.source.drafts import CellDraft, GridDraft
from mlintern.paper.latex.source.ink import PLAIN
from mlintern.paper.latex.source.tokens import BEGIN, CS, END, VERB, Token, trimmed
from mlintern.paper.latex.typesetting.units import siunitx_cell, unit

_WITH_COVERED = ("spancolumns", "Block")
"""Spans whose covered cells stand in the source, blank."""


def set_cells(
    reader: Floats,
    rows: list[Row],
    last_rules: list[str],
    cols: list[Column],
    token: Token,
    stop: Token,
) -> None:
    """Sets the cells of a grid into the text and keeps where each of them stands."""
    draft_block = None
    if reader.depth == 0:
        draft_block = reader.open_block("table")
    grid = GridDraft(token, draft_block.start if draft_block else reader.ink.size, scope=reader.scope_path[-1])
    if draft_block is not None:
        draft_block.owner = grid
    joins = _joins(cols)
    width = 0
    for r, row in enumerate(rows):
        if any(rule in FULL_RULES for rule in row.rules):
            grid.rules.append(r)
        elif row.rules:
            grid.partial.append(r)
        width = max(width, _set_row(reader, grid, r, row, cols, joins))
        reader.ink.cut("")
        reader.ink.parts.append("\n")
        reader.ink.size += 1
    if any(rule in FULL_RULES for rule in last_rules):
        grid.rules.append(len(rows))
    grid.rows, grid.columns, grid.end, grid.stop = len(rows), width, reader.ink.size, stop
    grid.alignment = "".join(c.align for i, c in enumerate(cols) if i not in joins)[:width]
    settle(grid)
    if grid.cells and width:
        reader.grids.append(grid)
        if reader.float is not None:
            grid.order = reader.float.order
            reader.float.order += 1
            reader.float.grids.append(grid)
    if draft_block is not None:
        reader.close_block()


def _joins(cols: list[Column]) -> set[int]:
    """Columns that print as one with the column before them (`r@{±}l`)."""
    return {i + 1 for i, c in enumerate(cols) if c.glue is not None and i + 1 < len(cols)}


def _set_row(reader: Floats, grid: GridDraft, r: int, row: Row, cols: list[Column], joins: set[int]) -> int:
    """Sets one row; the number of columns it fills."""
    column = shown = skip = 0
    cell: CellDraft | None = None
    for tokens in row.cells:
        merged = column in joins and cell is not None and cell.colspan == 1 and not cell.fixed and not _spans(tokens)
        here = cols[column] if column < len(cols) else Column()
        if here.hidden and not _spans(tokens):
            column += 1
            continue
        if skip:  # tabularray and nicematrix write the covered cells, too
            skip -= 1
            continue
        if merged and cell is not None:
            glue = cols[column - 1].glue or []
            if not blank(tokens):
                if cell.end > cell.start:
                    _put(reader, grid, cell, [*glue, *here.before, *trimmed(tokens), *here.after], here)
                else:
                    _put(reader, grid, cell, [*here.before, *trimmed(tokens), *here.after], here)
            column += 1
            continue
        if cell is not None:
            reader.ink.cut("")
            reader.ink.parts.append("\t")
            reader.ink.size += 1
        cell = CellDraft(r, shown, tokens=tokens, start=reader.ink.size, end=reader.ink.size)
        plain = not _spans(tokens)
        content = trimmed(tokens)
        _put(reader, grid, cell, [*here.before, *content, *here.after] if plain else content, here)
        if column >= len(cols) and cols and content:
            cell.doubts.append("the row has more cells than the table has columns")
        taken = max(cell.colspan, 1)
        covered = sum(k == 0 or not _unseen(column + k, cols, joins) for k in range(taken))
        skip = taken - 1 if any(t.kind == CS and t.text in _WITH_COVERED for t in tokens) else 0
        cell.colspan = covered
        grid.cells.append(cell)
        shown += covered
        column += taken
        if taken > 1:
            cell.fixed = True
    return shown


def _unseen(column: int, cols: list[Column], joins: set[int]) -> bool:
    """Whether a column takes no place of its own."""
    return column in joins or (column < len(cols) and cols[column].hidden)


def _spans(tokens: list[Token]) -> bool:
    return any(t.kind == CS and t.text in ("multicolumn", *_WITH_COVERED) for t in tokens[:40])


def _put(reader: Floats, grid: GridDraft, cell: CellDraft, tokens: list[Token], column: Column) -> None:
    """Sets a cell's content and notes where it ended up."""
    before, reader.cell = reader.cell, cell
    known = len(reader.unknown)
    outer = reader.scopes[-1].style
    reader.scopes[-1].style = PLAIN
    try:
        if column.number is not None:
            style = reader.scopes[-1].numbers.changed(column.number)
            tokens = siunitx_cell(tokens, style) or tokens
        elif column.unit and tokens:
            tokens = [tokens[0]._replace(kind=VERB, text=unit(tokens), exact=False)]
        reader.render(_collected(tokens))
    finally:
        reader.cell = before
        reader.scopes[-1].style = outer
    fresh = [*islice(reader.unknown, known, None)]
    fresh += [t.text for t in tokens if t.kind == CS and t.text in reader.unknown]
    if fresh:
        cell.doubts.append("it uses \\" + ", \\".join(dict.fromkeys(fresh)) + ", which the source does not define")
    cell.end = reader.ink.size


def _collected(tokens: list[Token]) -> list[Token]:
    """collcell's `>{\\collectcell\\macro}c<{\\endcollectcell}`: the macro before the cell takes it as its argument."""
    if not tokens or tokens[0].kind != CS or tokens[0].text != "collectcell":
        return tokens
    inside = [t for t in tokens[1:] if not (t.kind == CS and t.text == "endcollectcell")]
    at = next((i for i, t in enumerate(inside) if t.kind != CS), len(inside))
    like = tokens[0]._replace(exact=False)
    return [*inside[:at], like._replace(kind=BEGIN, text="{"), *inside[at:], like._replace(kind=END, text="}")]
