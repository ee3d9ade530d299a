"""The Document: what a paper says, with every word and number traceable to the file it came from.

One type for all three roads (LaTeX source, HTML, PDF). A Document has one flat plain text; sections, blocks, cells,
captions and equations are ranges of it, and `offsets` leads from any range of the text back to a range of characters in
a source file. What a paper refers to and its source does not hold stands in `missing`, because whoever answers
questions about the paper must abstain there instead of guessing.

Plain text keeps what carries meaning: superscripts stand as `^{..}`, subscripts as `_{..}` (so 10^{-3} never becomes
103), Greek letters and operators are Unicode, cells of a table are separated by tabs and its rows by newlines.

All offsets count characters (not bytes), start at 0 and exclude the end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlintern.core.errors import UserError
from mlintern.paper.document.parts import (
    Block,
    BlockKind,
    Cell,
    Equation,
    Figure,
    Found,
    MissingKind,
    MissingPart,
    Piece,
    Reference,
    Road,
    Section,
    Source,
    Span,
    Table,
)
from mlintern.paper.text.roman import roman

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from mlintern.paper.text.quotes import Canonical

__all__ = [
    "Block",
    "BlockKind",
    "Cell",
    "Document",
    "Equation",
    "Figure",
    "Found",
    "MissingKind",
    "MissingPart",
    "Piece",
    "Reference",
    "Road",
    "Section",
    "Source",
    "Span",
    "Table",
]

SCHEMA = 1
"""Version of the JSON form; `from_json` refuses another one."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A paper as read. Build one with `mlintern.paper.read.read`."""

    title: str
    road: Road
    """The road the body came by; each part says its own."""
    sources: tuple[Source, ...]
    text: str
    offsets: tuple[Piece, ...]
    """In the order of the text, not overlapping; characters between pieces were made by the reader (separators)."""
    id: str = ""
    """arXiv id without version, or the name of the local file."""
    version: str = ""
    """`v5`; empty for a local file."""
    authors: tuple[str, ...] = ()
    abstract: str = ""
    sections: tuple[Section, ...] = ()
    blocks: tuple[Block, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    equations: tuple[Equation, ...] = ()
    references: tuple[Reference, ...] = ()
    missing: tuple[MissingPart, ...] = ()
    schema: int = SCHEMA
    metadata: dict[str, str] = field(default_factory=dict)
    """What the archive says of the paper: submitted, updated, categories, license, comment, withdrawn, url."""

    def table(self, n: int | str) -> Table:
        """The table the paper calls `n` (`3`, `"3"`, `"3b"`, `"A1"`) or whose id is `n`; its first grid if it has
        several.

        Raises UserError naming the tables there are.
        """
        grids = self.tables_called(n)
        if grids:
            return grids[0]
        names = [t.number + t.part if t.number else t.id for t in self.tables]
        has = f"give one of {', '.join(names)}" if names else f"the {self.road} road found no table in this paper"
        raise UserError(f"{self.id or 'document'}: no table {n}; {has}")

    def tables_called(self, n: int | str) -> tuple[Table, ...]:
        """All grids of the table the paper calls `n` (`3` finds `III`, too); empty if there is none."""
        name = str(n).strip()
        exact = tuple(t for t in self.tables if t.number == name and name)
        part = tuple(t for t in self.tables if (t.number and t.number + t.part == name) or t.id == name)
        return exact or part or tuple(t for t in self.tables if name.isdigit() and t.number == roman(int(name)))

    def source_span(self, start: int, end: int) -> Span | None:
        """Where `text[start:end]` stands in a source: the smallest source range covering it, in the first file it
        touches."""
        pieces = list(self._pieces(start, end))
        if not pieces:
            return None
        low, high, source, page = None, 0, pieces[0].source, pieces[0].page
        for p in pieces:
            if p.source != source or p.page != page:
                continue
            if p.exact:
                a = p.source_start + max(start - p.start, 0)
                b = p.source_start + min(end, p.end) - p.start
            else:
                a, b = p.source_start, p.source_end
            low = a if low is None else min(low, a)
            high = max(high, b)
        assert low is not None  # pieces is not empty and its first one is of this source
        return Span(self.sources[source].name, low, high, page)

    def _pieces(self, start: int, end: int) -> Iterator[Piece]:
        index = max(bisect_right(self._starts, start) - 1, 0)
        for piece in self.offsets[index:]:
            if piece.start >= end:
                return
            if piece.end > start:
                yield piece

    @cached_property
    def _starts(self) -> list[int]:
        return [p.start for p in self.offsets]

    @cached_property
    def _canonical(self) -> Canonical:
        from mlintern.paper.text.quotes import canonical

        return canonical(self.text)

    def find_quote(self, quote: str, start: int = 0, end: int | None = None) -> Found | None:
        """The first place in `text[start:end]` where the quote stands, or None.

        White space, hyphenation, quotation marks, dashes, LaTeX markup and the spelling of numbers (`1{,}024`, `1,024`;
        `1e-4`, `10^{-4}`) do not matter; words and values do. A quote that begins or ends with a digit matches only
        whole
        numbers. See `mlintern.paper.text.quotes`.
        """
        return next(self.find_quotes(quote, start, end), None)

    def find_quotes(self, quote: str, start: int = 0, end: int | None = None) -> Iterator[Found]:
        """All places where the quote stands, in order."""
        from mlintern.paper.text.quotes import occurrences

        for a, b in occurrences(self._canonical, quote, start, len(self.text) if end is None else end):
            yield Found(start=a, end=b, text=self.text[a:b], span=self.source_span(a, b))

    def section_at(self, offset: int) -> Section | None:
        """The innermost section that holds this offset of the text."""
        inside = [s for s in self.sections if s.start <= offset < s.end]
        return max(inside, key=lambda s: (s.level, s.start)) if inside else None

    def to_json(self, indent: int | None = None) -> str:
        """The Document as JSON; `from_json` gives an equal one back."""
        return _adapter().dump_json(self, indent=indent).decode()

    @classmethod
    def from_json(cls, text: str | bytes, name: str = "document.json") -> Document:
        """Reads `to_json`'s output; UserError, naming `name` and the field, for anything else."""
        from pydantic import ValidationError

        try:
            document = _adapter().validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(x) for x in first["loc"]) or "the file"
            raise UserError(f"{name}: {where}: {first['msg']}; write it again with `mlintern read`") from None
        if document.schema != SCHEMA:
            raise UserError(
                f"{name}: schema {document.schema}, this version reads {SCHEMA}; write it again with `mlintern read`"
            )
        return document

    @classmethod
    def load(cls, path: Path) -> Document:
        """Reads a document.json from disk."""
        try:
            return cls.from_json(path.read_bytes(), str(path))
        except OSError as error:
            raise UserError(f"{path}: {error.strerror or error}; write it with `mlintern read`") from None


@cache
def _adapter() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # a tenth of a second that only reading and writing JSON needs

    return TypeAdapter(Document)
