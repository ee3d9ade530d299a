"""Parts of a paper while it is being read: positions are of the draft text, numbers and labels may still change."""

from dataclasses import dataclass, field

from mlintern.paper.document.document import BlockKind
from mlintern.paper.latex.source.tokens import Token


@dataclass
class CellDraft:
    """A cell as it was set: where, how wide, what is odd about it."""

    row: int
    column: int
    rowspan: int = 1
    colspan: int = 1
    start: int = 0
    end: int = 0
    color: str = ""
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    fixed: bool = False


@dataclass
class GridDraft:
    """A table's grid."""

    token: Token
    start: int
    end: int = 0
    stop: Token | None = None
    cells: list[CellDraft] = field(default_factory=list)
    rows: int = 0
    columns: int = 0
    rules: list[int] = field(default_factory=list)
    partial: list[int] = field(default_factory=list)
    alignment: str = ""
    scope: int = 0
    order: int = 0


@dataclass
class BlockDraft:
    """A run of the text in the making."""

    kind: BlockKind
    start: int
    end: int = -1
    owner: object = None


@dataclass
class SectionDraft:
    """A section: its heading, and where it ends."""

    level: int
    number: str
    appendix: bool
    start: int
    token: Token
    title: tuple[int, int] = (0, 0)
    end: int = -1
    labels: list[str] = field(default_factory=list)


@dataclass
class CaptionDraft:
    """A caption, its number, and the minipage or subfigure (`scope`) it stands in."""

    kind: str
    number: str
    start: int
    end: int
    scope: int
    sub: bool
    order: int
    letter: str = ""
    labels: list[str] = field(default_factory=list)


@dataclass
class FloatDraft:
    """A float with what stands in it, in order."""

    kind: str
    token: Token
    start: int
    end: int = -1
    stop: Token | None = None
    captions: list[CaptionDraft] = field(default_factory=list)
    grids: list[GridDraft] = field(default_factory=list)
    images: list[tuple[int, str, Token]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    letters: int = 0
    order: int = 0


@dataclass
class EquationDraft:
    """A displayed formula; `rows` holds True for a line break and False for a line without number."""

    token: Token
    start: int
    end: int = -1
    stop: Token | None = None
    env: str = ""
    rows: list[bool] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    tag: str = ""
    number: str = ""


@dataclass
class EntryDraft:
    """An entry of the printed bibliography."""

    key: str
    token: Token
    start: int
    end: int = -1
