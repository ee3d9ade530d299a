"""From the lines of a PDF's pages to a Document."""

import re
import statistics
from dataclasses import replace
from typing import Any

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document, Figure, Reference, Section, Source, Span
from mlintern.paper.document.draft import Draft, Grid
from mlintern.paper.pdf.blocks import ENTRY, NUMBERED, Blocks, LineBlock
from mlintern.paper.pdf.captions import adopt, captions_above, find_grids, near_captions
from mlintern.paper.pdf.layout import TextLine
from mlintern.paper.pdf.order import text_lines
from mlintern.paper.pdf.pages import PdfPage, pages_of
from mlintern.paper.pdf.regions import Region

MAX_PAGES = 400
_CONFIDENCE = 0.6


class PdfReader(Draft):
    """One PDF."""

    road = "pdf"

    def __init__(self, source: Source):
        super().__init__(source)
        self.page = 0
        self.page_start = 0
        self.body_size = 10.0
        self.in_references = False
        self.in_abstract = False
        self.abstract: list[str] = []

    def read(self, pdf: Any, id: str, version: str) -> Document:
        """The Document of an open pdfplumber PDF."""
        pages = [
            laid_out
            for number, page in enumerate(pdf.pages[:MAX_PAGES], 1)
            for laid_out in pages_of(page, number, self.missing)
        ]
        if len(pdf.pages) > MAX_PAGES:
            self.lost("limit", f"pages after {MAX_PAGES}", f"the PDF has {len(pdf.pages)} pages; the rest is not read")
        sizes = [line.size for page in pages for line in page.lines for _ in line.words]
        if not sizes:
            raise UserError(
                f"{self.source.name}: the PDF holds no text (a scan?); give the source or run OCR on it first"
            )
        self.body_size = statistics.median(sizes)
        self._find_title(pages[0])
        grouped = Blocks(self.body_size)
        laid_out = [
            (page, list(grouped.of(text_lines(page.lines, page.height, page.gutter), page.rules))) for page in pages
        ]
        near = [near_captions(page, blocks) for page, blocks in laid_out]
        above = captions_above([[found for found in page if not found[0].is_sub] for page in near])
        subs_above = captions_above([[found for found in page if found[0].is_sub] for page in near])
        for (page, blocks), found in zip(laid_out, near, strict=True):
            adopt(blocks, above)
            taken: list[Region] = []
            for some, side in (
                ([one for one in found if not one[0].is_sub], above),
                ([one for one in found if one[0].parent], subs_above),
            ):
                self.missing += find_grids(page, some, side, taken)
            self._read_page(page, blocks)
        for index, section in enumerate(self.sections):
            later = (other.start for other in self.sections[index + 1 :] if other.level <= section.level)
            self.sections[index] = replace(section, end=next(later, self.builder.size))
        info = {str(key).lower(): str(value) for key, value in (pdf.metadata or {}).items() if isinstance(value, str)}
        title = self.title or info.get("title", "")
        return self.document(title=title, id=id, version=version, abstract=" ".join(self.abstract))

    def _find_title(self, page: PdfPage) -> None:
        top = [line for line in page.lines if line.baseline < 0.5 * page.height]
        largest = max((line.size for line in top), default=0.0)
        if largest > 1.15 * self.body_size:
            self.title = " ".join(line.text for line in top if line.size > 0.97 * largest)

    def _read_page(self, page: PdfPage, blocks: list[LineBlock]) -> None:
        self.builder.break_block()
        if page.number != self.page:  # what is turned on a page comes behind what is upright
            self.page, self.page_start = page.number, self.builder.size
        regions = [block.region for block in blocks if block.region]
        for block in blocks:
            for region in regions if not block.caption else ():
                block.lines = [rest for line in block.lines if (rest := region.parted(line)[1])]
            if block.lines:
                self._emit(block)

    def _emit(self, block: LineBlock) -> None:
        kind = block.kind
        if self.in_references and kind == "paragraph":
            kind = "reference"
        if self.in_abstract and kind == "paragraph":
            kind = "abstract"
        part = ""
        if kind == "heading":
            part = self._section(block.lines[0])
        elif block.caption:
            number = block.number if block.parent is None else block.parent.number + block.number
            if not block.is_table and not block.is_sub:
                part = self.ids.peek(f"figure-{number}")
            elif block.is_table or block.grid:
                part = self.ids.peek(f"table-{number}")
        self.builder.break_block()
        start = self.builder.size
        for index, line in enumerate(block.lines):
            self._put(("\n" if index else "") + line.text)
        text = self.builder.since(start)
        self.builder.add_block(kind, start, part)
        if kind == "reference" and (entry := ENTRY.match(text)):
            self._reference(text, start, entry)
        if kind == "abstract":
            self.abstract.append(" ".join(re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", text).split()))
        self.builder.break_block()
        if block.caption:
            self._captioned(block, part, start)

    def _put(self, text: str) -> None:
        at = self.builder.size - self.page_start
        self.builder.put(text, 0, at, at + len(text), exact=True, page=self.page)

    def _span(self, start: int, end: int) -> Span:
        return Span(self.source.name, start - self.page_start, end - self.page_start, self.page)

    def _section(self, line: TextLine) -> str:
        numbered = NUMBERED.match(line.text)
        number = numbered["number"] if numbered else ""
        title = numbered["title"] if numbered else line.text.rstrip(".")
        lowered = title.lower()
        self.in_references = lowered in ("references", "bibliography")
        self.in_abstract = lowered == "abstract"
        self.in_appendix = self.in_appendix or lowered.startswith("appendix") or number[:1].isalpha()
        self.builder.break_block()
        id = self.ids.take(f"section-{number or len(self.sections) + 1}")
        start = self.builder.size
        self.sections.append(
            Section(
                id=id, road="pdf", confidence=_CONFIDENCE, start=start, end=start + len(line.text),
                span=self._span(start, start + len(line.text)), level=number.count(".") + 1, number=number,
                title=title, appendix=self.in_appendix,
            )
        )  # fmt: skip
        return id

    def _reference(self, text: str, start: int, entry: re.Match[str]) -> None:
        years = re.findall(r"\b(?:19|20)\d\d\b", text)
        url = re.search(r"https?://\S+", text)
        self.references.append(
            Reference(
                id=self.ids.take(f"ref-{len(self.references) + 1}"), road="pdf", confidence=_CONFIDENCE, start=start,
                end=start + len(text), span=self._span(start, start + len(text)), label=entry[0].strip(" []"),
                text=" ".join(text.split()), year=years[-1] if years else "", url=url[0].rstrip(".,") if url else "",
            )
        )  # fmt: skip

    def _captioned(self, block: LineBlock, id: str, start: int) -> None:
        assert block.caption is not None
        number, caption = block.number, block.words
        if block.is_sub:
            if block.parent and block.grid:
                self._table(block.grid, id, block.parent.number, block.parent.words, number, caption)
            elif block.parent:
                self._no_grid(f"{block.parent.number} ({number})")
            return
        if not block.is_table:
            self.figures.append(
                Figure(
                    id=self.ids.take(id), road="pdf", confidence=_CONFIDENCE, start=start, end=self.builder.size,
                    span=self._span(start, self.builder.size), number=number, caption=caption,
                )
            )  # fmt: skip
            self.lost("figure", f"Figure {number}", "a figure of a PDF is not cut out; only its caption is read")
            return
        if block.grid is not None:
            self._table(block.grid, id, number, caption)
        elif not block.parts:
            self._no_grid(number)

    def _no_grid(self, number: str) -> None:
        why = "no grid between horizontal rules stands near its caption; its words are in the text"
        self.lost("table", f"Table {number}", why)

    def _table(self, grid: Grid, id: str, number: str, caption: str, part: str = "", subcaption: str = "") -> None:
        start = self.builder.size
        cells = []
        row = 0
        for index, cell in enumerate(grid.cells):
            if cell.row > row:
                self._put("\n" * (cell.row - row))
                row = cell.row
            elif index:
                self._put("\t")
            at = self.builder.size
            self._put(cell.text)
            cells.append(replace(cell, start=at, end=self.builder.size, span=self._span(at, self.builder.size)))
        self.add_table(
            grid, id, start, confidence=grid.confidence, span=self._span(start, self.builder.size), number=number,
            part=part, caption=caption, subcaption=subcaption, cells=tuple(cells),
        )  # fmt: skip
        self.builder.break_block()
