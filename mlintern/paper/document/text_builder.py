"""The flat text of a Document in the making, with the source range of every run."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlintern.paper.document.document import Block, BlockKind, Piece


class TextBuilder:
    """Collects text, collapsing white space as a browser does; `pieces` and `blocks` are in the Document's form.

    Text goes into a block at a time; blocks are separated by an empty line.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.size = 0
        self.pieces: list[Piece] = []
        self.blocks: list[Block] = []
        self._space = False
        self._at_start = True
        """Nothing but separators since the last break: white space is dropped."""

    def text(self) -> str:
        """All of it so far."""
        return "".join(self._parts)

    def since(self, start: int) -> str:
        """The text from `start` on; cheap near the end."""
        kept, size = [], self.size
        for part in reversed(self._parts):
            if size <= start:
                break
            kept.append(part)
            size -= len(part)
        return "".join(reversed(kept))[start - size if start > size else 0 :]

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self.size += len(text)

    def raw(self, text: str) -> None:
        """A separator made by the reader: it has no source."""
        self._append(text)
        self._space = False
        self._at_start = True

    def space(self) -> None:
        """White space, written only if text follows."""
        self._space = not self._at_start

    def put(
        self, text: str, source: int = 0, start: int = -1, end: int = -1, exact: bool = False, page: int | None = None
    ) -> None:
        """Text from `start`..`end` of a source (-1: from nowhere); `exact` if it is spelled so there, char by char."""
        if not text:
            return
        if self._space:
            self._append(" ")
            self._space = False
        self._at_start = False
        at = self.size
        self._append(text)
        if start < 0:
            return
        last = self.pieces[-1] if self.pieces else None
        joined = (
            last is not None and exact and last.exact and last.end == at
            and (last.source, last.source_end, last.page) == (source, start, page)
        )  # fmt: skip
        if joined and last is not None:
            self.pieces[-1] = Piece(last.start, self.size, source, last.source_start, end, True, page)
        else:
            self.pieces.append(Piece(at, self.size, source, start, end, exact, page))

    def break_block(self) -> None:
        """An empty line, unless nothing was written since the last one."""
        if self.size and not self.since(max(self.size - 2, 0)).endswith("\n\n"):
            tail = self.since(self.size - 1)
            self.raw("\n" if tail == "\n" else "\n\n")
        self._space = False
        self._at_start = True

    @contextmanager
    def block(self, kind: BlockKind, part: str = "") -> Iterator[None]:
        """Everything put inside is one block; an empty one is left out. Blocks do not nest."""
        self.break_block()
        start = self.size
        yield
        self.add_block(kind, start, part)
        self.break_block()

    def add_block(self, kind: BlockKind, start: int, part: str = "") -> None:
        """Make a block of what was written since `start`."""
        if self.size > start:
            self.blocks.append(Block(kind=kind, start=start, end=self.size, part=part))
