"""From the lines of a PDF's pages to a Document."""

import itertools
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from mlintern.errors import UserError
from mlintern.paper.document import BlockKind, Document, Figure, Missing, Reference, Section, Source, Span, Table
from mlintern.paper.pdf.layout import Line
from mlintern.paper.pdf.order import is_page_number, is_ruled_off, text_lines
from mlintern.paper.pdf.pages import CAPTION, Page, pages_of, subcaption_of
from mlintern.paper.pdf.regions import Region, Rule, extended, left_over, regions_near
from mlintern.paper.pdf.tables import PdfGrid, read_grid
from mlintern.paper.text_builder import TextBuilder

MAX_PAGES = 400
_NUMBERED = re.compile(r"(?P<number>(?:\d{1,2}|[A-Z])(?:\.\d{1,2}){0,3})\.?\s+(?P<title>[A-Z].{0,90})$")
_NAMED = re.compile(
    r"(?:Abstract|References|Bibliography|Acknowledge?ments?|Appendix.{0,40}|Conclusions?|Introduction|Limitations)\.?$",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:[•◦▪–—-]|\(?[0-9a-z]{1,2}[.)])\s+\S")
_ENTRY = re.compile(r"\[(?:\d+|[A-Za-z+]+\d+)\]\s*")
_REFERENCES = re.compile(r"(?:\d+\.?\s+)?(?:References|Bibliography)\b", re.IGNORECASE)
_CONFIDENCE = 0.6


@dataclass
class _Block:
    """Lines that belong together, and what they are."""

    kind: BlockKind
    lines: list[Line] = field(default_factory=list)
    caption: re.Match[str] | None = None
    grid: PdfGrid | None = None
    region: Region | None = None
    parent: "_Block | None" = None
    """The table's caption that a subcaption belongs to."""
    parts: "list[_Block]" = field(default_factory=list)

    @property
    def is_sub(self) -> bool:
        """Whether it is the subcaption of a part: `(a) ...`."""
        return self.caption is not None and self.caption["kind"] == "("

    @property
    def is_table(self) -> bool:
        return self.caption is not None and self.caption["kind"].lower().startswith("tab")

    @property
    def number(self) -> str:
        return self.caption["number"].lstrip(".") if self.caption else ""

    @property
    def words(self) -> str:
        """A caption without its number."""
        text = " ".join(line.text for line in self.lines)
        return " ".join(text[self.caption.start("words") :].split()) if self.caption else text


class PdfReader:
    """One PDF."""

    def __init__(self, source: Source):
        self.source = source
        self.builder = TextBuilder()
        self.page = 0
        self.page_start = 0
        self.body_size = 10.0
        self.sections: list[Section] = []
        self.tables: list[Table] = []
        self.figures: list[Figure] = []
        self.references: list[Reference] = []
        self.missing: list[Missing] = []
        self.in_appendix = False
        self.in_references = False
        self.laying_out_references = False
        """Like `in_references`, but for lines that are still being grouped into blocks."""
        self.in_abstract = False
        self.abstract: list[str] = []
        self.title = ""

    def read(self, pdf: Any, id: str, version: str) -> Document:
        """The Document of an open pdfplumber PDF."""
        pages = [
            laid_out
            for number, page in enumerate(pdf.pages[:MAX_PAGES], 1)
            for laid_out in pages_of(page, number, self.missing)
        ]
        if len(pdf.pages) > MAX_PAGES:
            self._lost("limit", f"pages after {MAX_PAGES}", f"the PDF has {len(pdf.pages)} pages; the rest is not read")
        sizes = [line.size for page in pages for line in page.lines for _ in line.words]
        if not sizes:
            raise UserError(
                f"{self.source.name}: the PDF holds no text (a scan?); give the source or run OCR on it first"
            )
        self.body_size = statistics.median(sizes)
        self._find_title(pages[0])
        laid_out = [
            (page, list(self._blocks(text_lines(page.lines, page.height, page.gutter), page.rules))) for page in pages
        ]
        near = [self._near(page, blocks) for page, blocks in laid_out]
        above = captions_above([[found for found in page if not found[0].is_sub] for page in near])
        subs_above = captions_above([[found for found in page if found[0].is_sub] for page in near])
        for (page, blocks), found in zip(laid_out, near, strict=True):
            _adopt(blocks, above)
            taken: list[Region] = []
            self._find_grids(page, [one for one in found if not one[0].is_sub], above, taken)
            self._find_grids(page, [one for one in found if one[0].parent], subs_above, taken)
            self._read_page(page, blocks)
        for index, section in enumerate(self.sections):
            later = (other.start for other in self.sections[index + 1 :] if other.level <= section.level)
            self.sections[index] = replace(section, end=next(later, self.builder.size))
        text = self.builder.text()
        info = {str(key).lower(): str(value) for key, value in (pdf.metadata or {}).items() if isinstance(value, str)}
        return Document(
            title=self.title or info.get("title", ""),
            road="pdf",
            sources=(self.source,),
            text=text,
            offsets=tuple(self.builder.pieces),
            id=id,
            version=version,
            abstract=" ".join(self.abstract),
            sections=tuple(self.sections),
            blocks=tuple(self.builder.blocks),
            tables=tuple(self.tables),
            figures=tuple(self.figures),
            references=tuple(self.references),
            missing=tuple(self.missing),
        )

    def _lost(self, kind: str, name: str, why: str) -> None:
        self.missing.append(Missing(kind=kind, name=name, why=why))  # type: ignore[arg-type]

    def _find_title(self, page: Page) -> None:
        top = [line for line in page.lines if line.baseline < 0.5 * page.height]
        largest = max((line.size for line in top), default=0.0)
        if largest > 1.15 * self.body_size:
            self.title = " ".join(line.text for line in top if line.size > 0.97 * largest)

    def _read_page(self, page: Page, blocks: list[_Block]) -> None:
        self.builder.break_block()
        if page.number != self.page:  # what is turned on a page comes behind what is upright
            self.page, self.page_start = page.number, self.builder.size
        regions = [block.region for block in blocks if block.region]
        for block in blocks:
            for region in regions if not block.caption else ():
                block.lines = [rest for line in block.lines if (rest := region.parted(line)[1])]
            if block.lines:
                self._emit(block)

    def _near(self, page: Page, blocks: list[_Block]) -> list[tuple[_Block, Region | None, Region | None]]:
        """Each table's caption with the grids below and above it."""
        captions = [block for block in blocks if block.caption]
        own = {id(line) for block in captions for line in block.lines}
        page.free = [line for line in page.lines if id(line) not in own and not is_page_number(line, page.height)]
        found = []
        for block in captions:
            if block.is_table or block.is_sub:
                others = [other.lines[0] for other in captions if other is not block]
                under, over = (
                    extended(region, page.free) if region else None
                    for region in regions_near(block.lines, page.rules, others)
                )
                found.append((block, under, over))
        return found

    def _find_grids(
        self,
        page: Page,
        near: list[tuple[_Block, Region | None, Region | None]],
        captions_above: bool,
        taken: list[Region],
    ) -> None:
        """Gives each table's caption its grid: on the side where this paper has them, else on the other, and no grid to
        two captions."""
        for usual in (True, False):
            for block, under, over in near:
                region = under if usual == captions_above else over
                if block.region or region is None or any(other.meets(region) for other in taken):
                    continue
                inside = [part for line in page.free if (part := region.parted(line)[0])]
                block.grid = read_grid(region, inside)
                if block.grid:
                    block.region = region
                    taken.append(region)
        for block, *_ in near:
            if block.region and (why := left_over(block.region, page.rules, page.free, taken)):
                name = block.number if block.parent is None else f"{block.parent.number} ({block.number})"
                self._lost("table", f"Table {name}", why)

    def _blocks(self, lines: list[Line], rules: list[Rule]) -> Iterator[_Block]:
        """Lines grouped by distance, size, indentation and the rules between them."""
        leading = statistics.median(
            [b.baseline - a.baseline for a, b in itertools.pairwise(lines) if 0 < b.baseline - a.baseline < 40]
            or [12.0]
        )
        block: _Block | None = None
        for line in lines:
            last = block.lines[-1] if block else None
            caption = CAPTION.match(line.text) or subcaption_of(line, rules)
            heading = self._is_heading(line)
            if heading:
                self.laying_out_references = _REFERENCES.match(line.text) is not None
            begins = caption is not None or heading
            if (
                block
                and last
                and not (begins or is_ruled_off(last, line, rules) or self._starts_new(block, last, line, leading))
            ):
                block.lines.append(line)
                continue
            if block:
                yield block
            kind: BlockKind = "caption" if caption else "heading" if heading else "paragraph"
            if kind == "paragraph" and _ITEM.match(line.text):
                kind = "item"
            block = _Block(kind, [], caption)
            block.lines.append(line)
        if block:
            yield block

    def _starts_new(self, block: _Block, last: Line, line: Line, leading: float) -> bool:
        gap = line.baseline - last.baseline
        if block.kind == "heading":
            return True
        if gap < 0.75 * min(last.size, line.size) or gap > 1.35 * max(leading, last.size):
            return True  # lines of one paragraph neither overlap nor stand far apart
        if abs(line.size - last.size) > 0.1 * last.size or line.x0 > last.x1 or line.x1 < last.x0:
            return True
        if _ITEM.match(line.text) and line.x0 <= block.lines[0].x0 + 2 and block.kind == "item":
            return True
        if self.laying_out_references and _ENTRY.match(line.text):
            return True
        return 6 < line.x0 - last.x0 < 30 and len(block.lines) > 1 and block.kind == "paragraph"

    def _is_heading(self, line: Line) -> bool:
        if CAPTION.match(line.text):
            return False
        prominent = line.bold or line.size > 1.08 * self.body_size
        return bool(prominent and (_NUMBERED.match(line.text) or _NAMED.match(line.text)))

    def _emit(self, block: _Block) -> None:
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
            part = self._unique("figure", number) if not block.is_table and not block.is_sub else ""
            part = part or (self._unique("table", number) if block.is_table or block.grid else "")
        self.builder.break_block()
        start = self.builder.size
        for index, line in enumerate(block.lines):
            self._put(("\n" if index else "") + line.text)
        text = self.builder.since(start)
        self.builder.add_block(kind, start, part)
        if kind == "reference" and (entry := _ENTRY.match(text)):
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

    def _unique(self, kind: str, number: str) -> str:
        taken = {part.id for part in (*self.tables, *self.figures, *self.sections, *self.references)}
        id, n = f"{kind}-{number}", 1
        while id in taken:
            n += 1
            id = f"{kind}-{number}-{n}"
        return id

    def _section(self, line: Line) -> str:
        numbered = _NUMBERED.match(line.text)
        number = numbered["number"] if numbered else ""
        title = numbered["title"] if numbered else line.text.rstrip(".")
        lowered = title.lower()
        self.in_references = lowered in ("references", "bibliography")
        self.in_abstract = lowered == "abstract"
        self.in_appendix = self.in_appendix or lowered.startswith("appendix") or number[:1].isalpha()
        self.builder.break_block()
        id = self._unique("section", number or str(len(self.sections) + 1))
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
                id=self._unique("ref", str(len(self.references) + 1)), road="pdf", confidence=_CONFIDENCE, start=start,
                end=start + len(text), span=self._span(start, start + len(text)), label=entry[0].strip(" []"),
                text=" ".join(text.split()), year=years[-1] if years else "", url=url[0].rstrip(".,") if url else "",
            )
        )  # fmt: skip

    def _captioned(self, block: _Block, id: str, start: int) -> None:
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
                    id=id, road="pdf", confidence=_CONFIDENCE, start=start, end=self.builder.size,
                    span=self._span(start, self.builder.size), number=number, caption=caption,
                )
            )  # fmt: skip
            self._lost("figure", f"Figure {number}", "a figure of a PDF is not cut out; only its caption is read")
            return
        if block.grid is not None:
            self._table(block.grid, id, number, caption)
        elif not block.parts:
            self._no_grid(number)

    def _no_grid(self, number: str) -> None:
        why = "no grid between horizontal rules stands near its caption; its words are in the text"
        self._lost("table", f"Table {number}", why)

    def _table(self, grid: PdfGrid, id: str, number: str, caption: str, part: str = "", subcaption: str = "") -> None:
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
        self.builder.add_block("table", start, id)
        self.tables.append(
            Table(
                id=id, road="pdf", confidence=grid.confidence, start=start, end=self.builder.size,
                span=self._span(start, self.builder.size), number=number, part=part, caption=caption,
                subcaption=subcaption, rows=grid.rows, columns=grid.columns, cells=tuple(cells),
                header_rows=grid.header_rows, header_columns=grid.header_columns, rules=grid.rules,
            )
        )  # fmt: skip
        self.builder.break_block()


def _adopt(blocks: list[_Block], above: bool) -> None:
    """Gives each subcaption of a page the table's caption before it (or behind it, if that is where the paper sets
    captions); where that side has no caption at all, the one on the other side."""
    for before in (above, not above):
        last: _Block | None = None
        for block in blocks if before else reversed(blocks):
            if block.caption and not block.is_sub:
                last = block
            elif block.is_sub and block.parent is None and last is not None and last.is_table:
                block.parent = last
                last.parts.append(block)


def captions_above(near: list[list[tuple[_Block, Region | None, Region | None]]]) -> bool:
    """Whether the paper sets captions above its tables: whichever side gives more of them a grid that no other caption
    on that side has, too."""
    score = [0, 0]
    for page in near:
        for side in (0, 1):
            taken: list[Region] = []
            for _, *regions in page:
                region = regions[side]
                if region is not None and not any(other.meets(region) for other in taken):
                    taken.append(region)
            score[side] += len(taken)
    return score[0] >= score[1]
