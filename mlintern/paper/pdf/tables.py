"""Tables of a PDF page: the ruled (booktabs) ones by their horizontal rules, columns by the gaps between words.

pdfplumber's own finder needs lines on all sides, which tables of papers do not have. What cannot be decided from the
layout (a value across two columns, two values close together) is marked doubtful.
"""

from dataclasses import dataclass, replace
from typing import Any

from mlintern.paper.document import Cell
from mlintern.paper.numbers import parse_cell
from mlintern.paper.pdf.layout import Line, Word

_COLUMN_GAP = 0.62
"""Parts of the font size between two columns; LaTeX's default is 1.2, a space in a cell 0.33."""
_CLOSE_GAP = 0.45
"""A gap between this and `_COLUMN_GAP` may be either."""


@dataclass(frozen=True)
class Rule:
    """A horizontal line; y grows downwards."""

    x0: float
    x1: float
    y: float


@dataclass(frozen=True)
class Region:
    """The place of a table: between its first and its last full-width rule."""

    x0: float
    x1: float
    top: float
    bottom: float
    rules: tuple[float, ...]
    partial: tuple[Rule, ...]
    """Rules below some columns of a header."""

    def holds(self, line: Line) -> bool:
        """Whether the line stands in the table."""
        return self.top - 1 < line.baseline < self.bottom + 0.4 * line.size and (
            line.x0 >= self.x0 - 8 and line.x1 <= self.x1 + 8
        )


@dataclass(frozen=True)
class PdfGrid:
    """Cells of a table, with no place in a text yet."""

    rows: int
    columns: int
    cells: tuple[Cell, ...]
    header_rows: int
    header_columns: int
    rules: tuple[int, ...]
    confidence: float


def rules_of(page: Any) -> list[Rule]:
    """Horizontal lines and thin boxes of a pdfplumber page, pieces on one line joined."""
    found = []
    for shape in [*page.lines, *page.rects]:
        if abs(shape["bottom"] - shape["top"]) <= 1.6 and shape["x1"] - shape["x0"] >= 8:
            y = (shape["top"] + shape["bottom"]) / 2
            found.append(Rule(float(shape["x0"]), float(shape["x1"]), float(y)))
    found.sort(key=lambda rule: (round(rule.y), rule.x0))
    joined: list[Rule] = []
    for rule in found:
        last = joined[-1] if joined else None
        if last and abs(last.y - rule.y) < 0.8 and rule.x0 - last.x1 < 1.0:
            joined[-1] = replace(last, x1=max(last.x1, rule.x1))
        else:
            joined.append(rule)
    return sorted(joined, key=lambda rule: rule.y)


def region_near(caption: list[Line], rules: list[Rule], others: list[Line]) -> Region | None:
    """The table that a caption belongs to: below it, else above it; `others` are the first lines of other captions."""
    top, bottom = caption[0].baseline - caption[0].size, caption[-1].baseline
    x0, x1 = min(line.x0 for line in caption), max(line.x1 for line in caption)
    beside = [rule for rule in rules if rule.x1 > x0 and rule.x0 < x1 and rule.x1 - rule.x0 > 40]
    stops = sorted(line.baseline for line in others)
    # negative space after a caption may pull the first rule up into its last line
    below = [rule for rule in beside if bottom - 0.4 * caption[-1].size < rule.y < bottom + 45]
    if below:
        limit = next((y for y in stops if y > bottom + 1), float("inf"))
        return _grow(below[0], [rule for rule in beside if below[0].y <= rule.y < limit])
    above = [rule for rule in beside if top - 45 < rule.y < top + 2]
    if above:
        limit = next((y for y in reversed(stops) if y < top - 1), float("-inf"))
        return _grow(above[-1], [rule for rule in beside if limit < rule.y <= above[-1].y])
    return None


def _grow(first: Rule, rules: list[Rule]) -> Region | None:
    full = [rule for rule in rules if abs(rule.x0 - first.x0) < 4 and abs(rule.x1 - first.x1) < 4]
    ys: list[float] = []
    for rule in sorted(full, key=lambda rule: abs(rule.y - first.y)):
        if ys and min(abs(rule.y - y) for y in ys) > 350:
            break  # the rules of another table
        ys.append(rule.y)
    ys.sort()
    if len(ys) < 2 or ys[-1] - ys[0] < 8:
        return None
    partial = tuple(rule for rule in rules if rule not in full and ys[0] < rule.y < ys[-1])
    return Region(first.x0, first.x1, ys[0], ys[-1], tuple(ys), partial)


@dataclass
class _Chunk:
    words: list[Word]
    close: bool = False
    """Two of its words stand suspiciously far apart."""

    @property
    def x0(self) -> float:
        return self.words[0].x0

    @property
    def x1(self) -> float:
        return self.words[-1].x1


def _chunks(line: Line) -> list[_Chunk]:
    chunks: list[_Chunk] = []
    for word in line.words:
        gap = (word.x0 - chunks[-1].x1) / max(line.size, 1.0) if chunks else 0.0
        if chunks and gap < _COLUMN_GAP:
            chunks[-1].words.append(word)
            chunks[-1].close |= gap > _CLOSE_GAP
        else:
            chunks.append(_Chunk([word]))
    return chunks


def read_grid(region: Region, lines: list[Line]) -> PdfGrid | None:
    """The grid of the lines inside a region; None if it has no two columns."""
    by_row: list[tuple[float, list[_Chunk]]] = []
    for line in sorted(lines, key=lambda line: line.baseline):
        chunks = _chunks(line)
        if by_row and abs(by_row[-1][0] - line.baseline) < 0.25 * line.size:
            by_row[-1][1].extend(chunks)
            by_row[-1][1].sort(key=lambda chunk: chunk.x0)
        else:
            by_row.append((line.baseline, chunks))
    columns = _columns([chunks for _, chunks in by_row])
    if len(columns) < 2 or len(by_row) < 2:
        return None
    baselines = [baseline for baseline, _ in by_row]
    rules = tuple(sum(1 for baseline in baselines if baseline < y) for y in region.rules)
    inner = [rule for rule in rules if 0 < rule < len(by_row)]
    header_rows = inner[0] if inner else 0
    cells: list[Cell] = []
    for row, (baseline, chunks) in enumerate(by_row):
        cells.extend(_row(row, baseline, chunks, columns, region, row < header_rows))
    header_columns = 0
    for column in range(len(columns)):
        body = [cell for cell in cells if cell.row >= header_rows and cell.column == column]
        if column == len(columns) - 1 or any(cell.numbers for cell in body):
            break
        header_columns += 1
    full = sum(1 for row in range(header_rows, len(by_row)) if _covers(cells, row, len(columns)))
    body_rows = max(len(by_row) - header_rows, 1)
    doubtful = any(cell.doubtful for cell in cells)
    return PdfGrid(
        rows=len(by_row),
        columns=len(columns),
        cells=tuple(cells),
        header_rows=header_rows,
        header_columns=header_columns,
        rules=tuple(dict.fromkeys(rules)),
        confidence=0.75 if full == body_rows and not doubtful else 0.5,
    )


def _covers(cells: list[Cell], row: int, columns: int) -> bool:
    return sum(cell.colspan for cell in cells if cell.row == row) == columns


def _columns(rows: list[list[_Chunk]]) -> list[tuple[float, float]]:
    """Where the columns stand: the rows with the most parts say it, the others fill gaps between them."""
    most = max((len(chunks) for chunks in rows), default=0)
    columns: list[tuple[float, float]] = []
    ordered = sorted(rows, key=len, reverse=True)
    for chunks in ordered:
        for chunk in chunks:
            over = [column for column in columns if chunk.x0 < column[1] and chunk.x1 > column[0]]
            if not over:
                columns.append((chunk.x0, chunk.x1))
            elif len(over) == 1 and len(chunks) >= 0.6 * most:
                columns.remove(over[0])
                columns.append((min(over[0][0], chunk.x0), max(over[0][1], chunk.x1)))
    return sorted(columns)


def _row(
    row: int, baseline: float, chunks: list[_Chunk], columns: list[tuple[float, float]], region: Region, header: bool
) -> list[Cell]:
    taken: dict[int, Cell] = {}
    for chunk in chunks:
        x0, x1, why = chunk.x0, chunk.x1, ""
        below = [rule for rule in region.partial if 0 < rule.y - baseline < 8 and rule.x0 < x1 and rule.x1 > x0]
        if header and below:
            x0, x1 = min(x0, below[0].x0), max(x1, below[0].x1)  # the rule below says what it heads
        over = [index for index, column in enumerate(columns) if x0 < column[1] and x1 > column[0]]
        if not over:
            middle = (x0 + x1) / 2
            over = [min(range(len(columns)), key=lambda i: abs(sum(columns[i]) / 2 - middle))]
        text = " ".join(word.text for word in chunk.words)
        doubts = [word.doubt for word in chunk.words if word.doubt]
        if len(over) > 1 and any(c.isdigit() for c in text) and not header:
            doubts.append("it stands across two columns")
        if chunk.close and any(c.isdigit() for c in text):
            doubts.append("two values may stand in one cell")
        before = taken.get(over[0])
        if before is not None:
            text = f"{before.text} {text}"
            doubts += [before.why, "two parts stand in one column"]
        why = "; ".join(dict.fromkeys(doubt for doubt in doubts if doubt))
        numbers = parse_cell(text)
        if why:
            numbers = tuple(number if number.doubtful else number.doubted(why) for number in numbers)
        cell = Cell(
            row=row, column=over[0], colspan=len(over), text=text, header=header, numbers=numbers, raw=text,
            bold=all(word.bold for word in chunk.words), doubtful=bool(why), why=why,
        )  # fmt: skip
        taken[over[0]] = cell
    return _without_overlaps([taken[column] for column in sorted(taken)])


def _without_overlaps(cells: list[Cell]) -> list[Cell]:
    """A cell ends where the next one begins."""
    result: list[Cell] = []
    for index, cell in enumerate(cells):
        end = cells[index + 1].column if index + 1 < len(cells) else cell.column + cell.colspan
        result.append(replace(cell, colspan=max(min(cell.colspan, end - cell.column), 1)))
    return result
