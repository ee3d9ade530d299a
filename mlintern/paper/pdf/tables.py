"""Tables of a PDF page: the ruled (booktabs) ones by their horizontal rules, columns by the gaps between words.

pdfplumber's own finder needs lines on all sides, which tables of papers do not have. What cannot be decided from the
layout (a value across two columns, two values close together) is marked doubtful.
"""

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import replace

from mlintern.paper.document.document import Cell
from mlintern.paper.document.draft import Grid, doubted, settled
from mlintern.paper.numbers import Number, parse_cell
from mlintern.paper.pdf.chunks import Chunk, chunks_of, columns_of
from mlintern.paper.pdf.layout import Label, TextLine, Word
from mlintern.paper.pdf.regions import Region, Rule

_DIGIT = re.compile(r"\d")
_NUMERAL = re.compile(r"\d+(?:\.\d+)?")


def read_grid(region: Region, lines: list[TextLine], labels: Sequence[Label] = ()) -> Grid | None:
    """The grid of the lines inside a region, and of what stands turned in it; None if it has no two columns."""
    by_row: list[tuple[float, list[Chunk]]] = []
    for line in sorted(lines, key=lambda line: line.baseline):
        chunks = chunks_of(line)
        if by_row and abs(by_row[-1][0] - line.baseline) < 0.25 * line.size:
            by_row[-1][1].extend(chunks)
            by_row[-1][1].sort(key=lambda chunk: chunk.x0)
        else:
            by_row.append((line.baseline, chunks))
    by_row = _between_rows(by_row, region.rules)
    _place_labels(by_row, labels, region)
    columns = columns_of([[c for c in chunks if not _below(c, y, region)] for y, chunks in by_row])
    if len(columns) < 2 or len(by_row) < 2:
        return None
    baselines = [baseline for baseline, _ in by_row]
    rules = tuple(sum(1 for baseline in baselines if baseline < y) for y in region.rules)
    inner = [rule for rule in rules if 0 < rule < len(by_row)]
    header_rows = inner[0] if inner else 0
    cells: list[Cell] = []
    for row, (baseline, chunks) in enumerate(by_row):
        cells.extend(_row(row, baseline, chunks, columns, region, row < header_rows))
    cells = _doubt_centred(cells, header_rows, len(by_row))
    header_columns = 0
    for column in range(len(columns)):
        body = [cell for cell in cells if cell.row >= header_rows and cell.column == column]
        if column == len(columns) - 1 or any(cell.numbers for cell in body):
            break
        header_columns += 1
    full = sum(1 for row in range(header_rows, len(by_row)) if _covers(cells, row, len(columns)))
    body_rows = max(len(by_row) - header_rows, 1)
    doubtful = any(cell.doubtful for cell in cells)
    return Grid(
        rows=len(by_row),
        columns=len(columns),
        cells=tuple(settled(cells)),
        header_rows=header_rows,
        header_columns=header_columns,
        rules=tuple(dict.fromkeys(rules)),
        confidence=0.75 if full == body_rows and not doubtful else 0.5,
    )


def _place_labels(by_row: list[tuple[float, list[Chunk]]], labels: Sequence[Label], region: Region) -> None:
    """Adds turned text to the rows: a head to the lowest row beside it, as its foot stands on that line; any other,
    which may stand for all the rows beside it, to the first."""
    first_rule = next((y for y in sorted(region.rules) if y > region.top + 4), region.bottom)
    for label in sorted(labels, key=lambda label: label.box[0]):
        x0, x1, top, bottom = label.box
        head = bottom < first_rule + 1
        beside = [i for i, (y, _) in enumerate(by_row) if top - 1 < y < bottom + 3]
        rows = [i for i in beside if by_row[i][0] < first_rule] if head else beside
        if not rows and (head or not by_row):
            by_row.append((bottom, []))
            by_row.sort(key=lambda row: row[0])
            rows = [next(i for i, row in enumerate(by_row) if row[0] == bottom)]
        at = rows[-1 if head else 0] if rows else min(range(len(by_row)), key=lambda i: abs(by_row[i][0] - bottom))
        doubt = "it stands turned" if head else "it stands turned, maybe for several rows"
        text = label.line.text
        word = Word(text, x0, x1, label.line.size, label.line.bold, doubt if not head or _DIGIT.search(text) else "")
        by_row[at][1].append(Chunk([word]))
        by_row[at][1].sort(key=lambda chunk: chunk.x0)


def _between_rows(rows: list[tuple[float, list[Chunk]]], rules: tuple[float, ...]) -> list[tuple[float, list[Chunk]]]:
    """Rows without those that stand half a row below the one before, where both neighbours are empty: what `\\multirow`
    centres over two rows goes to the first of them."""
    most = max((len(chunks) for _, chunks in rows), default=0)
    full = [baseline for baseline, chunks in rows if 2 * len(chunks) >= most]
    pitch = statistics.median([b - a for a, b in itertools.pairwise(full)] or [0.0])
    found: list[tuple[float, list[Chunk]]] = []
    for index, (baseline, chunks) in enumerate(rows):
        if found and index + 1 < len(rows):
            above, below = rows[index - 1], rows[index + 1]
            # two rows stand closer than three would, and nothing is centred over a line
            near = below[0] - above[0] < 1.6 * pitch and not any(above[0] < y < below[0] for y in rules)
            near &= not any(chunk.rows > 1 for chunk in above[1])
            if near and not any(
                chunk.x0 < other.x1 and chunk.x1 > other.x0 for chunk in chunks for other in above[1] + below[1]
            ):
                for chunk in chunks:
                    chunk.rows = 2
                found[-1] = (found[-1][0], sorted(found[-1][1] + chunks, key=lambda chunk: chunk.x0))
                continue
        found.append((baseline, chunks))
    return found


def _covers(cells: list[Cell], row: int, columns: int) -> bool:
    return sum(cell.colspan for cell in cells if cell.row == row) == columns


def _row(
    row: int, baseline: float, chunks: list[Chunk], columns: list[tuple[float, float]], region: Region, header: bool
) -> list[Cell]:
    taken: dict[int, Cell] = {}
    for chunk in [part for whole in chunks for part in _alike(whole, columns)]:
        x0, x1, why = chunk.x0, chunk.x1, ""
        below = _below(chunk, baseline, region)
        doubts = [word.doubt for word in chunk.words if word.doubt]
        if header and below and chunk.rows == 1:
            x0, x1, shared = _headed(chunk, chunks, below[0])  # the rule below says what it heads
            doubts += ["it shares the rule that says which columns it heads"] * shared
        over = [index for index, column in enumerate(columns) if x0 < column[1] and x1 > column[0]]
        if not over:
            middle = (x0 + x1) / 2
            over = [min(range(len(columns)), key=lambda i: abs(sum(columns[i]) / 2 - middle))]
        text = chunk.text
        if chunk.rows > 1 and not header:
            doubts.append("it stands between two rows")
        several = any(c.isdigit() for c in text) or (len(chunk.words) > 1 and len(chunks) > 1)
        if len(over) > 1 and several and not header:
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
            row=row, column=over[0], rowspan=chunk.rows, colspan=len(over), text=text, header=header, numbers=numbers,
            raw=text, bold=_is_bold(chunk, numbers), doubtful=bool(why), why=why,
        )  # fmt: skip
        taken[over[0]] = cell
    return _without_overlaps([taken[column] for column in sorted(taken)])


def _alike(chunk: Chunk, columns: list[tuple[float, float]]) -> list[Chunk]:
    """A chunk that says the like of one thing for each of the columns below it (`τ = 0.5 τ = 1.0`), in parts."""
    over = [column for column in columns if chunk.x0 < column[1] and chunk.x1 > column[0]]
    size, rest = divmod(len(chunk.words), max(len(over), 1))
    if len(over) < 2 or rest or chunk.rows > 1:
        return [chunk]
    parts = [Chunk(chunk.words[i : i + size], close=True) for i in range(0, len(chunk.words), size)]
    forms = {_NUMERAL.sub("0", part.text) for part in parts}
    apart = all(
        [x0 < column[1] and x1 > column[0] for column in over] == [one is part for one in parts]
        for part in parts
        for x0, x1 in [(part.x0, part.x1)]
    )
    return parts if len(forms) == 1 and "0" in next(iter(forms)) and apart else [chunk]


def _is_bold(chunk: Chunk, numbers: tuple[Number, ...]) -> bool:
    """Of one number with its spread, the value says whether it is marked."""
    return all(word.bold for word in chunk.words) or (len(numbers) == 1 and chunk.words[0].lead_bold)


def _below(chunk: Chunk, baseline: float, region: Region) -> list[Rule]:
    """Rules right below a chunk that say which columns it heads: it makes no column of its own."""
    near = [rule for rule in region.partial if 0 < rule.y - baseline < 8]
    return [rule for rule in near if rule.x0 < chunk.x1 and rule.x1 > chunk.x0]


def _headed(chunk: Chunk, chunks: list[Chunk], rule: Rule) -> tuple[float, float, bool]:
    """The range a header's rule gives it, and whether it shares the rule with others: then each takes what is nearer to
    it than to them."""
    over = [other for other in chunks if other.x0 < rule.x1 and other.x1 > rule.x0 and other.rows == 1]
    at = next(i for i, other in enumerate(over) if other is chunk)
    x0, x1 = min(chunk.x0, rule.x0), max(chunk.x1, rule.x1)
    if at > 0:
        x0 = (over[at - 1].x1 + chunk.x0) / 2
    if at + 1 < len(over):
        x1 = (chunk.x1 + over[at + 1].x0) / 2
    return x0, x1, len(over) > 1


def _doubt_centred(cells: list[Cell], first: int, rows: int) -> list[Cell]:
    """`\\multirow` centres its cell on the middle one of an odd number of rows: in a leading column, what has nothing
    above and below it may stand for these rows, too."""
    filled = {(cell.row, column) for cell in cells for column in range(cell.column, cell.column + cell.colspan)}
    filled |= {(cell.row + 1, cell.column) for cell in cells if cell.rowspan > 1}
    leading = min((cell.column for cell in cells if cell.row >= first and cell.numbers), default=0)
    found = []
    for cell in cells:
        row, column = cell.row, cell.column
        alone = first < row < rows - 1 and not {(row - 1, column), (row + 1, column)} & filled
        # a row that says no more heads those below it
        more = any((row, beside) in filled for beside in range(column + 1, column + 9))
        if alone and more and column <= leading and cell.colspan == 1 and not cell.doubtful:
            cell = doubted(cell, "it may stand for the rows above and below it, too")
        found.append(cell)
    return found


def _without_overlaps(cells: list[Cell]) -> list[Cell]:
    """A cell ends where the next one begins."""
    result: list[Cell] = []
    for index, cell in enumerate(cells):
        end = cells[index + 1].column if index + 1 < len(cells) else cell.column + cell.colspan
        result.append(replace(cell, colspan=max(min(cell.colspan, end - cell.column), 1)))
    return result
