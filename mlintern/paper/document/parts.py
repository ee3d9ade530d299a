"""The parts of a Document: sections, blocks, tables as cells, figures, equations, references, and what is missing.

All offsets count characters (not bytes), start at 0 and exclude the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from mlintern.paper.numbers import Number

Road = str
"""The way a part came into the Document: `latex`, `html`, `pdf`, or a file of `mlintern.paper.readers`."""

BlockKind = Literal[
    "abstract",
    "heading",
    "paragraph",
    "item",
    "caption",
    "equation",
    "table",
    "figure",
    "footnote",
    "code",
    "reference",
]
MissingKind = Literal[
    "input", "figure", "bibliography", "citation", "appendix", "reference", "macro", "table", "text", "pages", "limit"
]


@dataclass(frozen=True)
class Source:
    """One file the Document was read from."""

    name: str
    """Path inside the paper's folder or archive, with forward slashes: `sections/model.tex`."""
    sha256: str
    """Hash of the file's bytes as they were read."""
    size: int
    """Bytes."""
    encoding: str = "utf-8"
    """What the bytes were decoded with; a binary source (a PDF) says `binary`."""


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` of the decoded text of source `source`; for a PDF, of that page's extracted text."""

    source: str
    start: int
    end: int
    page: int | None = None
    """1-based page, on the PDF road only."""


@dataclass(frozen=True)
class Piece:
    """A run of the plain text and the characters of a source it was made from.

    `exact` pieces were copied character by character; any other piece stands for its source range as a whole (the
    expansion of a macro stands for the macro's call).
    """

    start: int
    end: int
    source: int
    """Index into `Document.sources`."""
    source_start: int
    source_end: int
    exact: bool = True
    page: int | None = None


@dataclass(frozen=True, kw_only=True)
class DocumentPart:
    """What sections, tables, figures, equations and references have in common."""

    id: str
    """Unique in the Document and stable for the same source: `table-3`, `section-4.1`, `eq-2`."""
    road: Road
    confidence: float = 1.0
    """How sure the reader is that the part is what the paper shows: 1 = by construction, below 0.8 = check it."""
    start: int
    """Range of `Document.text`."""
    end: int
    span: Span | None = None
    """Where it stands in a source; None only if a road cannot say."""
    label: str = ""
    """The paper's own key for it (`tab:main`), empty if it has none."""


@dataclass(frozen=True, kw_only=True)
class Section(DocumentPart):
    """A section with everything below it: `start`..`end` includes its subsections."""

    level: int
    """1 = section, 2 = subsection, 3 = subsubsection, 4 = paragraph, 5 = subparagraph; 0 = part or chapter."""
    number: str
    """As the paper prints it (`4.1`, `A`, `B.2`); empty for an unnumbered one."""
    title: str
    appendix: bool = False


@dataclass(frozen=True, kw_only=True)
class Block:
    """A paragraph-like run of the text, in reading order; blocks do not overlap."""

    kind: BlockKind
    start: int
    end: int
    part: str = ""
    """Id of the table, figure, equation, section or reference it belongs to."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a table; it covers rows `row`..`row+rowspan-1` and columns `column`..`column+colspan-1` (0-based)."""

    row: int
    column: int
    text: str
    rowspan: int = 1
    colspan: int = 1
    header: bool = False
    bold: bool = False
    underline: bool = False
    italic: bool = False
    color: str = ""
    """Background or text colour as the source names it."""
    numbers: tuple[Number, ...] = ()
    """What the cell says in numbers, in reading order; empty for a cell that is text, blank or a dash."""
    notes: tuple[str, ...] = ()
    """Footnote marks (`†`, `*`, `a`) or footnote texts attached to the cell."""
    doubtful: bool = False
    why: str = ""
    """What is doubtful about the cell itself (a split cell, a row with too many cells)."""
    raw: str = ""
    """The source of the cell, untouched."""
    span: Span | None = None
    start: int = 0
    end: int = 0

    @property
    def number(self) -> Number | None:
        """The one number of a cell that is a number and nothing else; None if it holds none or several."""
        return self.numbers[0] if len(self.numbers) == 1 else None

    @property
    def blank(self) -> bool:
        return not self.text.strip()


@dataclass(frozen=True, kw_only=True)
class Table(DocumentPart):
    """A grid of cells. A float that holds several grids gives several Tables with one `number` and different
    `part`s."""

    number: str
    """As the paper counts it: `3`, `A1`; empty for a grid outside any numbered float."""
    part: str = ""
    """`a`, `b`, … when several grids share a number."""
    caption: str = ""
    subcaption: str = ""
    rows: int
    columns: int
    cells: tuple[Cell, ...]
    """One per anchor, in row-major order; a spanned position has no cell of its own."""
    header_rows: int = 0
    header_columns: int = 0
    rules: tuple[int, ...] = ()
    """Rows above which a full-width line is drawn; `rows` itself is the line below the last row."""
    alignment: str = ""
    """One letter per column, `l`, `c`, `r`, where the source says so."""
    notes: tuple[str, ...] = ()
    """Texts below the grid that explain its marks."""

    @cached_property
    def _owner(self) -> dict[tuple[int, int], Cell]:
        return {
            (r, c): cell
            for cell in self.cells
            for r in range(cell.row, cell.row + cell.rowspan)
            for c in range(cell.column, cell.column + cell.colspan)
        }

    def cell(self, row: int, column: int) -> Cell | None:
        """The cell that covers this position (0-based), spans included; None where the source left nothing."""
        return self._owner.get((row, column))

    def grid(self) -> list[list[str]]:
        """Texts as `rows` lists of `columns` strings; a spanning cell is repeated in every position it covers."""
        return [[cell.text if (cell := self.cell(r, c)) else "" for c in range(self.columns)] for r in range(self.rows)]

    def header_of(self, column: int) -> tuple[str, ...]:
        """Header texts above a column, top to bottom, each once (a spanning header counts for all it covers)."""
        found: list[str] = []
        for r in range(self.header_rows):
            cell = self.cell(r, column)
            if cell and not cell.blank and (not found or found[-1] != cell.text):
                found.append(cell.text)
        return tuple(found)

    def row_name(self, row: int) -> tuple[str, ...]:
        """Texts of the row's header columns, left to right; a blank one falls back to nothing, it is never guessed."""
        cells = (self.cell(row, c) for c in range(self.header_columns))
        return tuple(dict.fromkeys(cell.text for cell in cells if cell and not cell.blank))


@dataclass(frozen=True, kw_only=True)
class Figure(DocumentPart):
    """A figure; `files` are the images as the source names them, `pixels` the PNG or JPEG files made from them."""

    number: str
    caption: str = ""
    subcaptions: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Paths inside the paper's folder, resolved (with extension) where the file exists, as written where it does
    not."""
    pixels: tuple[str, ...] = ()
    """Paths of raster images, relative to the folder of document.json or absolute; same order as `files`, '' if
    none."""


@dataclass(frozen=True, kw_only=True)
class Equation(DocumentPart):
    """A displayed formula; inline formulas stand in the text only."""

    number: str
    latex: str
    """As written, without the environment; macros unexpanded."""


@dataclass(frozen=True, kw_only=True)
class Reference(DocumentPart):
    """An entry of the bibliography; `label` is its citation key."""

    text: str
    title: str = ""
    year: str = ""
    url: str = ""
    """DOI, arXiv or web address as given."""


@dataclass(frozen=True, kw_only=True)
class MissingPart:
    """Something the paper refers to, or should hold, and the Document lacks."""

    kind: MissingKind
    name: str
    why: str
    span: Span | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """A quote found again: its range in `Document.text` and, where known, in a source file."""

    start: int
    end: int
    text: str
    """The Document's own words there."""
    span: Span | None = None
