"""Where the cells of a table end up: spans made to fit, empty rows removed, headers told from data."""

from __future__ import annotations

from bisect import bisect_left

from mlintern.paper.latex.source.drafts import CellDraft, GridDraft


def _empty(cell: CellDraft) -> bool:
    return cell.end <= cell.start


def settle(grid: GridDraft) -> None:
    """Makes rowspans real: the blank cells they cover go, spans that meet text stop before it; blank rows go."""
    rows = _rows(grid.cells)
    gone: set[int] = set()
    for cell in [c for c in grid.cells if c.rowspan != 1]:
        if cell.rowspan < 0:
            gone |= _upwards(cell, rows)
            continue
        reach = 1
        while reach < cell.rowspan and cell.row + reach < grid.rows:
            if not all(map(_empty, _covered(cell, cell.row + reach, rows))):
                break
            reach += 1
        asked = min(cell.rowspan, grid.rows - cell.row)
        if reach < asked and (cell.row + reach) not in (*grid.rules, *grid.partial):
            cell.doubts.append("it should span rows that hold text")
        cell.rowspan = reach
    cells = sorted((c for c in grid.cells if id(c) not in gone), key=lambda c: (c.row, c.column))
    rows = _rows(cells)
    for cell in cells:
        if not _empty(cell):
            for row in range(cell.row, cell.row + cell.rowspan):
                gone |= {id(c) for c in _covered(cell, row, rows) if c is not cell and _empty(c)}
    grid.cells = [c for c in cells if id(c) not in gone]
    _drop_blank_rows(grid)


def _rows(cells: list[CellDraft]) -> dict[int, list[CellDraft]]:
    """Cells that are in order by row."""
    found: dict[int, list[CellDraft]] = {}
    for cell in cells:
        found.setdefault(cell.row, []).append(cell)
    return found


def _covered(cell: CellDraft, row: int, rows: dict[int, list[CellDraft]]) -> list[CellDraft]:
    """The cells that were set in a row below or above, where a cell's columns are."""
    cells = rows.get(row, [])
    first = bisect_left(cells, cell.column, key=_column)
    return cells[first : bisect_left(cells, cell.column + cell.colspan, key=_column)]


def _column(cell: CellDraft) -> int:
    return cell.column


def _upwards(cell: CellDraft, rows: dict[int, list[CellDraft]]) -> set[int]:
    """A negative count: the cell stands in the last of the rows it spans. Gives the blank cells in its way."""
    reach = 1
    while reach < -cell.rowspan and cell.row >= reach and all(map(_empty, _covered(cell, cell.row - reach, rows))):
        reach += 1
    last = cell.row
    cell.row, cell.rowspan = last - reach + 1, reach
    return {id(c) for row in range(cell.row, last) for c in _covered(cell, row, rows)}


def _drop_blank_rows(grid: GridDraft) -> None:
    """Rows that hold nothing and lie under no span are vertical space, not data."""
    kept: list[int] = []
    filled: set[int] = set()
    for cell in grid.cells:
        if not _empty(cell):
            filled.update(range(cell.row, cell.row + cell.rowspan))
    kept = [r for r in range(grid.rows) if r in filled]
    if len(kept) == grid.rows:
        return
    new = {old: i for i, old in enumerate(kept)}

    def moved(rule: int) -> int:
        return sum(r < rule for r in kept)

    grid.cells = [c for c in grid.cells if c.row in new]
    for cell in grid.cells:
        cell.row = new[cell.row]
    grid.rules = sorted({moved(r) for r in grid.rules})
    grid.partial = sorted({moved(r) for r in grid.partial})
    grid.rows = len(kept)


def header_rows(grid: GridDraft, numeric: dict[tuple[int, int], bool], head: int = 0) -> int:
    """How many rows at the top are headers: those above the first full rule inside the table, spans completed.

    Without such a rule the first row is a header unless it holds as many numbers as the rows below it.
    """
    if grid.rows < 2:
        return 0
    inside = [r for r in grid.rules if 0 < r < grid.rows]
    count = head or (inside[0] if inside else 0)
    if count and (count > 6 or (count > grid.rows / 2 and grid.rows > 3)):
        count = 0
    if not count:
        return 0 if _share(grid, numeric, 0) > 0.5 else 1
    for cell in grid.cells:  # from the top down
        if cell.row < count < cell.row + cell.rowspan and cell.column > 0:
            count = min(cell.row + cell.rowspan, grid.rows - 1)
    return min(count, grid.rows - 1)


def _share(grid: GridDraft, numeric: dict[tuple[int, int], bool], row: int) -> float:
    """Part of a row's filled cells, the first column left out, that are numbers."""
    found = [
        numeric.get((c.row, c.column), False) for c in grid.cells if c.row == row and c.column > 0 and not _empty(c)
    ]
    return sum(found) / len(found) if found else 0.0


def header_columns(
    grid: GridDraft, numeric: dict[tuple[int, int], bool], texts: dict[tuple[int, int], str], header: int
) -> int:
    """How many columns at the left name the rows: those whose filled body cells are mostly words."""
    columns: dict[int, list[CellDraft]] = {}
    for cell in grid.cells:
        if cell.row >= header and cell.colspan == 1 and not _empty(cell):
            columns.setdefault(cell.column, []).append(cell)
    count = 0
    for column in range(grid.columns - 1):
        body = columns.get(column, [])
        words = [c for c in body if not numeric.get((c.row, c.column), False) and _wordy(texts[(c.row, c.column)])]
        if column and (not body or len(words) * 2 <= len(body)):
            break
        count += 1
    if count == grid.columns - 1 and count > 1 and not any(numeric.values()):
        return 1
    return max(count, 1) if grid.columns > 1 else 0


def _wordy(text: str) -> bool:
    return sum(c.isalpha() for c in text) >= 2
