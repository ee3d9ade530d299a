"""Grids of LaTeXML pages: real <table>s, and the <span> ones that LaTeXML makes inside boxes."""

import re
from collections.abc import Callable
from dataclasses import replace

from mlintern.paper.document.document import Cell, Span
from mlintern.paper.document.draft import Grid, doubted, settled
from mlintern.paper.html.inline import Inked, InlineWriter, TextStyle, color_of, is_skipped, words
from mlintern.paper.html.tree import Node
from mlintern.paper.numbers import parse_cell

_MAX_POSITIONS = 200_000
_ALIGN = {"ltx_align_left": "l", "ltx_align_center": "c", "ltx_align_right": "r", "ltx_align_justify": "l"}


def is_grid(node: Node) -> bool:
    """Whether the element is a table of data (equations are tables too)."""
    if node.has("ltx_equation", "ltx_equationgroup", "ltx_eqn_table"):
        return False
    return node.has("ltx_tabular") or node.tag == "table"


def rows_of(grid: Node) -> list[tuple[Node, bool]]:
    """The rows of a grid, with whether they stand in its head; grids inside cells are left alone."""
    rows: list[tuple[Node, bool]] = []

    def descend(node: Node, head: bool) -> None:
        for child in node.nodes():
            if child.tag == "tr" or child.has("ltx_tr"):
                rows.append((child, head))
            elif child.tag in ("thead", "tbody", "tfoot") or child.has("ltx_thead", "ltx_tbody", "ltx_tfoot"):
                descend(child, child.tag == "thead" or child.has("ltx_thead"))

    descend(grid, False)
    return [(row, head) for row, head in rows if not _only_rule(row)]


def _only_rule(row: Node) -> bool:
    """Whether a row is a line (`\\Xhline`), which LaTeXML draws in a row of its own when it does not know it as one."""
    return not row.plain().strip("\u00a0 ") and row.find("ltx_rule") is not None and row.find("ltx_graphics") is None


def cells_of(row: Node) -> list[Node]:
    """The cells of a row, blank ones too."""
    return [child for child in row.nodes() if child.tag in ("td", "th") or child.has("ltx_td")]


def is_wide(grid: Node) -> bool:
    """Whether a grid has several rows and columns: one in a cell that does not only break its lines."""
    return sum(len(cells_of(row)) > 1 for row, _ in rows_of(grid)) > 1


def _span_of(cell: Node, name: str) -> int:
    """rowspan or colspan: the attribute, or LaTeXML's class on a <span> cell (`ltx_colspan_3`)."""
    value = cell.get(name)
    if not value:
        found = next((found for c in cell.classes if (found := re.fullmatch(rf"ltx_{name}_(\d{{1,4}})", c))), None)
        value = found[1] if found else "1"
    return min(max(int(value), 1), 1000) if re.fullmatch(r"[0-9]{1,6}", value) else 1


class GridReader:
    """Reads one grid, writing its text to the writer's builder: cells separated by tabs, rows by newlines."""

    def __init__(self, writer: InlineWriter):
        self.writer = writer

    def read(self, grid: Node) -> Grid | None:
        """The grid, or None if it has no cell."""
        rows = rows_of(grid)
        pairs = _pairs([cells_of(row) for row, _ in rows])
        taken: dict[tuple[int, int], bool] = {}
        cells: list[Cell] = []
        columns, cut = 0, False
        for r, (row, in_head) in enumerate(rows):
            if r:
                self.writer.builder.raw("\n")
            column = 0
            for index, node in enumerate(cells_of(row)):
                while (r, column) in taken:
                    column += 1
                colspan = _span_of(node, "colspan")
                if column in pairs and colspan == 1 and cells and _ends_at(cells[-1], r, column):
                    cells[-1] = self._joined(cells[-1], self._cell(node, r, column, 1, 1, in_head, False))
                    taken[(r, column)] = True
                    column += 1
                    columns = max(columns, column)
                    continue
                if index:
                    self.writer.builder.raw("\t")
                rowspan = min(_span_of(node, "rowspan"), len(rows) - r)
                if len(taken) + colspan * rowspan > _MAX_POSITIONS:
                    cut = True
                    break
                positions = [(i, j) for i in range(r, r + rowspan) for j in range(column, column + colspan)]
                overlaps = any(position in taken for position in positions)
                cells.append(self._cell(node, r, column, rowspan, colspan, in_head, overlaps))
                taken.update(dict.fromkeys(positions, True))
                column += colspan
                columns = max(columns, column)
            if cut:
                break
        if not cells:
            return None
        cells, columns = _closed_up(cells, columns, pairs)
        cells = settled(self._doubt_long_rows(cells, columns))
        header_rows, header_columns = _headers(cells, len(rows), columns, rows)
        return Grid(
            rows=len(rows),
            columns=columns,
            cells=tuple(cells),
            header_rows=header_rows,
            header_columns=header_columns,
            rules=_rules(rows),
            alignment=_alignment(rows, columns),
            cut=cut,
        )

    def _cell(
        self, node: Node, row: int, column: int, rowspan: int, colspan: int, in_head: bool, overlaps: bool
    ) -> Cell:
        writer = self.writer
        writer.inked = inked = Inked()
        start = writer.builder.size
        writer.in_cell = True
        writer.children(node, TextStyle(bold=node.has("ltx_font_bold"), color=color_of(node)))
        writer.in_cell = False
        text = writer.builder.since(start).strip()
        why = "; ".join(dict.fromkeys(inked.doubts))
        if any(is_grid(inner) and is_wide(inner) for inner in node.walk()):
            why = f"{why}; " * bool(why) + "a grid inside the cell was read as one text"
        if _SPELLED_OUT.search(text):
            why = f"{why}; " * bool(why) + "the conversion wrote a command out as letters"
        if overlaps:
            why = f"{why}; " * bool(why) + "it overlaps another cell"
        numbers = parse_cell(text)
        if why:
            numbers = tuple(number.doubted(why) for number in numbers)
        shown = inked.shown
        one = len(numbers) == 1 or _OPEN_END.fullmatch(text)
        lead = inked.lead if one else TextStyle()  # 94.1 bold, its ± 0.3 not: the number is marked
        return Cell(
            row=row,
            column=column,
            text=text,
            rowspan=rowspan,
            colspan=colspan,
            header=in_head or node.tag == "th" or node.has("ltx_th"),
            bold=lead.bold or 0 < shown <= inked.bold,
            underline=lead.underline or 0 < shown <= inked.underline,
            italic=lead.italic or 0 < shown <= inked.italic,
            color=color_of(node) or (next(iter(inked.colors)) if len(inked.colors) == 1 else ""),
            numbers=numbers,
            notes=tuple(inked.notes),
            doubtful=bool(why),
            why=why,
            raw=writer.page[node.start : node.end],
            span=Span(writer.source, node.start, node.end),
            start=start,
            end=writer.builder.size,
        )

    @staticmethod
    def _joined(first: Cell, second: Cell) -> Cell:
        """Two cells that print as one number (`71.2±` and `0.4`)."""
        text = first.text + second.text
        why = "; ".join(dict.fromkeys(w for w in (first.why, second.why) if w))
        numbers = tuple(n.doubted(why) for n in parse_cell(text)) if why else parse_cell(text)
        return replace(
            first,
            text=text,
            numbers=numbers,
            notes=(*first.notes, *second.notes),
            doubtful=first.doubtful or second.doubtful,
            why=why,
            raw=first.raw + second.raw,
            bold=first.bold if first.text else second.bold,
            underline=first.underline if first.text else second.underline,
            end=second.end,
        )

    @staticmethod
    def _doubt_long_rows(cells: list[Cell], columns: int) -> list[Cell]:
        """A row that reaches further than all others has a cell too many, or the others have too few."""
        reach: dict[int, int] = {}
        for cell in cells:
            for row in range(cell.row, cell.row + cell.rowspan):
                reach[row] = max(reach.get(row, 0), cell.column + cell.colspan)
        longest = [row for row, end in reach.items() if end == columns]
        others = set(reach.values())
        if len(reach) < 4 or len(longest) != 1 or len(others) != 2:
            return cells
        why = "its row has more cells than any other row"
        return [doubted(cell, why) if cell.row == longest[0] else cell for cell in cells]


_SPELLED_OUT = re.compile(r"\d\s+p\s+m\s+\d")
"""What LaTeXML makes of `1.5 \\pm 0.1` in a siunitx column."""
_OPEN_END = re.compile(r".*\d\s*±|[-+]?\d+\.|[-+]?[\d.]+%?\s*[/–:×]")


def _pairs(rows: list[list[Node]]) -> set[int]:
    """Columns that continue the number of the column before them (`r@{$\\pm$}l`, `r@{.}l`): wherever both hold
    something, the first ends in ±, a point or a sign between numbers, and this is so in two rows at least."""
    seen: dict[int, list[bool]] = {}
    for cells in rows:
        column = 0
        before = ""
        single = False
        for node in cells:
            colspan = _span_of(node, "colspan")
            text = words(node, lambda item: is_skipped(item) or item.has("ltx_note_outer"))
            if single and colspan == 1 and before and text:
                seen.setdefault(column, []).append(_OPEN_END.fullmatch(before) is not None and text[0].isdigit())
            before, single = text, colspan == 1
            column += colspan
    return {column for column, found in seen.items() if len(found) > 1 and all(found)}


def _ends_at(cell: Cell, row: int, column: int) -> bool:
    """Whether a cell is the single one right before a position."""
    return (cell.row, cell.column + 1, cell.colspan) == (row, column, 1)


def _closed_up(cells: list[Cell], columns: int, pairs: set[int]) -> tuple[list[Cell], int]:
    """Cells and width without the columns that went into their neighbours."""
    if not pairs:
        return cells, columns
    moved = [
        replace(
            cell,
            column=cell.column - sum(p <= cell.column for p in pairs),
            colspan=cell.colspan - sum(cell.column < p < cell.column + cell.colspan for p in pairs),
        )
        for cell in cells
    ]
    return moved, columns - len(pairs)


def _leading(is_header: Callable[[int], bool], count: int) -> int:
    # where all of it is, nothing is a header of anything
    return next((index for index in range(count) if not is_header(index)), 0)


def _is_head(row: list[Node]) -> bool:
    """LaTeXML marks the heads of columns; elsewhere a row of nothing but <th> is one."""
    if any(cell.has("ltx_td") for cell in row):
        return any(cell.has("ltx_th_column") for cell in row)
    return bool(row) and all(cell.tag == "th" for cell in row)


def _headers(cells: list[Cell], rows: int, columns: int, nodes: list[tuple[Node, bool]]) -> tuple[int, int]:
    """How many leading rows and columns are headers: as LaTeXML marked them, else by rules and numbers."""
    column_heads = [head or _is_head(cells_of(row)) for row, head in nodes]
    header_rows = _leading(lambda r: column_heads[r], rows)
    if not header_rows:
        rules = _rules(nodes)
        inner = [rule for rule in rules if 0 < rule < rows]
        if inner and rules[0] == 0:
            header_rows = inner[0]  # what stands between the first two lines, as in any booktabs table
    body = [cell for cell in cells if cell.row >= header_rows]
    row_heads: dict[int, bool] = {}
    for cell in body:
        head = cell.header or (cell.column == 0 and not cell.numbers)
        row_heads[cell.column] = row_heads.get(cell.column, True) and head
    return header_rows, _leading(lambda c: row_heads.get(c, False), columns)


def _rules(rows: list[tuple[Node, bool]]) -> tuple[int, ...]:
    """Rows above which every cell has a line; LaTeXML writes it on the cell below (t, tt) or above (b, bb)."""
    rules = set()
    for index, (row, _) in enumerate(rows):
        cells = cells_of(row)
        if cells and all(cell.has("ltx_border_t", "ltx_border_tt") for cell in cells):
            rules.add(index)
        if cells and all(cell.has("ltx_border_b", "ltx_border_bb") for cell in cells):
            rules.add(index + 1)
    return tuple(sorted(rules))


def _alignment(rows: list[tuple[Node, bool]], columns: int) -> str:
    """One letter per column, from the last row that has a cell for each; '' if there is none."""
    for row, _ in reversed(rows):
        cells = cells_of(row)
        letters = [next((_ALIGN[c] for c in cell.classes if c in _ALIGN), "") for cell in cells]
        if len(cells) == columns and all(letters):
            return "".join(letters)
    return ""
