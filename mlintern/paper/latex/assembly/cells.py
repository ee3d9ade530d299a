"""Tables of the Document: cells with their numbers, marks and places in the source."""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import islice

from mlintern.paper.document.document import Cell, Table
from mlintern.paper.latex.assembly.text import AssembledText
from mlintern.paper.latex.grids.spans import header_columns, header_rows
from mlintern.paper.latex.source.drafts import BlockDraft, CaptionDraft, CellDraft, FloatDraft, GridDraft
from mlintern.paper.numbers import Number, parse_cell
from mlintern.paper.numbers.commas import settle_commas

_NOTE_MARK = re.compile(r"\^\{([†‡*§¶∗⋆,a-z\d]{1,5})\}")


class AssembledCells(AssembledText):
    """Grids as tables."""

    def _table(
        self, grid: GridDraft, f: FloatDraft | None, caption: CaptionDraft | None, sub: CaptionDraft | None, letter: str
    ) -> Table:
        number = caption.number if caption is not None and caption.kind == "table" else ""
        part = self._id(f"table-{number}{letter}" if number else "grid-1")
        self.ids[id(grid)] = part
        if f is not None:
            self.ids.setdefault(id(f), part)
        texts: dict[tuple[int, int], str] = {}
        ranges: dict[tuple[int, int], tuple[int, int]] = {}
        numbers: dict[tuple[int, int], tuple[Number, ...]] = {}
        for c in grid.cells:
            at = (c.row, c.column)
            a, z = ranges[at] = self.proof.trimmed(c.start, c.end)
            texts[at] = re.sub(r"\s+", " ", self.text[a:z])
            numbers[at] = self._numbers(a, z, c)
        numbers = settle_commas(numbers)
        numeric = {at: bool(n) for at, n in numbers.items()}
        head = header_rows(grid, numeric)
        side = header_columns(grid, numeric, texts, head)
        cells = tuple(
            self._cell(c, texts, ranges, numbers, c.row < head or c.column < side)
            for c in sorted(grid.cells, key=lambda c: (c.row, c.column))
        )
        labels = (sub.labels if sub else []) or (caption.labels if caption else []) or (f.labels if f else [])
        common = self._common(f.start if f and len(f.grids) == 1 else grid.start, grid.end, grid.token, grid.stop)
        common["start"], common["end"] = self.proof.trimmed(grid.start, grid.end)
        doubts = sum(c.doubtful for c in cells)
        return Table(
            id=part,
            number=number,
            part=letter if number else "",
            caption=self._caption(caption),
            subcaption=self._caption(sub),
            rows=grid.rows,
            columns=grid.columns,
            cells=cells,
            header_rows=head,
            header_columns=side,
            rules=tuple(grid.rules),
            alignment=grid.alignment,
            label=labels[0] if labels else "",
            notes=self._notes(f),
            confidence=1.0 if not doubts else max(0.5, 1 - doubts / max(len(cells), 1)),
            **common,
        )

    def _notes(self, f: FloatDraft | None) -> tuple[str, ...]:
        """Paragraphs and list items inside the float, beside grid and captions."""
        if f is None:
            return ()
        found = []
        blocks = self.r.blocks
        for b in blocks[bisect_left(blocks, f.start, key=_start) : bisect_left(blocks, f.end, key=_start)]:
            if b.kind in ("paragraph", "item", "footnote"):
                a, z = self.proof.trimmed(b.start, b.end)
                if z > a:
                    found.append(self.text[a:z])
        return tuple(found)

    def _numbers(self, start: int, end: int, cell: CellDraft) -> tuple[Number, ...]:
        """Numbers of a cell, citations set aside."""
        text, last = "", start
        cites = self.proof.cites
        for a, z in islice(cites, bisect_left(cites, (start, 0)), None):
            if z > end:
                break
            text += self.text[last:a]
            last = z
        text += self.text[last:end]
        found = parse_cell(text)
        if cell.doubts and found:
            found = tuple(n.doubted(cell.doubts[0]) for n in found)
        return found

    def _cell(
        self,
        c: CellDraft,
        texts: dict[tuple[int, int], str],
        ranges: dict[tuple[int, int], tuple[int, int]],
        numbers: dict[tuple[int, int], tuple[Number, ...]],
        header: bool,
    ) -> Cell:
        at = (c.row, c.column)
        a, z = ranges[at]
        marks = {"bold": 0, "underline": 0, "italic": 0}
        visible = sum(ch.isalnum() for ch in self.text[a:z])
        color = c.color
        for s, e, style in self.proof.styles_in(a, z):
            n = sum(ch.isalnum() for ch in self.text[s:e])
            lead = n > 0 and len(numbers[at]) < 2 and not any(ch.isalnum() for ch in self.text[a:s])
            for name in marks:
                if getattr(style, name):
                    marks[name] += n if not lead else max(n, visible)
        notes = tuple(
            dict.fromkeys(
                [
                    *c.notes,
                    *(m[1] for m in _NOTE_MARK.finditer(texts[at]) if not numbers[at]),
                    *(x for n in numbers[at] for x in n.notes),
                ]
            )
        )
        tokens = [t for t in c.tokens if t.source >= 0]
        span, raw = None, ""
        if tokens:
            source = tokens[0].source
            own = [t for t in tokens if t.source == source]
            low, high = min(t.start for t in own), max(t.end for t in own)
            name = self.r.folder.sources[source].name
            raw = self.r.folder.texts[name][low:high].strip()
            span = self.r.span(own[0]._replace(start=low), own[-1]._replace(end=high))
        # a mark on one of several numbers is not a mark of the cell
        need = visible if len(numbers[at]) > 1 else max(visible, 1) / 2
        return Cell(
            row=c.row,
            column=c.column,
            text=texts[at],
            rowspan=c.rowspan,
            colspan=c.colspan,
            header=header,
            bold=marks["bold"] >= need,
            underline=marks["underline"] >= need,
            italic=marks["italic"] >= need,
            color=color,
            numbers=numbers[at],
            notes=notes,
            doubtful=bool(c.doubts),
            why="; ".join(c.doubts),
            raw=raw,
            span=span,
            start=a,
            end=z,
        )


def _start(block: BlockDraft) -> int:
    return block.start
