"""A page being read: its text so far, the parts found so far, and paragraphs with their footnotes."""

from abc import ABC, abstractmethod
from pathlib import Path

from mlintern.paper.document.document import BlockKind, Source, Span
from mlintern.paper.document.draft import Draft
from mlintern.paper.html.floats import is_block
from mlintern.paper.html.inline import InlineWriter
from mlintern.paper.html.tree import Node, Text

_LATEXML_CONFIDENCE = 0.95
_PLAIN_CONFIDENCE = 0.7


class Page(Draft, ABC):
    """What every part of the reader shares."""

    road = "html"

    def __init__(self, page: str, tree: Node, source: Source, folder: Path | None):
        super().__init__(source)
        self.page = page
        self.folder = folder
        self.tree = tree
        self.writer = InlineWriter(self.builder, page, source.name)
        self.latexml = tree.find("ltx_document", "ltx_page_main", "ltx_page_content") is not None
        self.confidence = _LATEXML_CONFIDENCE if self.latexml else _PLAIN_CONFIDENCE
        self.authors: list[str] = []
        self.abstract = (0, 0)
        self.captioned: set[int] = set()
        """Captions that are in the text, by `id` of their element."""
        self.open_headings: list[int] = []
        """Indices of the sections that plain headings opened and no later heading closed."""

    def _span(self, node: Node) -> Span:
        return Span(self.source.name, node.start, node.end)

    def _blocks_of(self, node: Node) -> None:
        """Everything in an element, block by block; text directly in it is a paragraph."""
        run: list[Node | Text] = []
        for child in node.children:
            if isinstance(child, Text) or not is_block(child):
                run.append(child)
                continue
            self._paragraph(run)
            run = []
            self._block(child)
        self._paragraph(run)

    def _paragraph(self, run: list[Node | Text], kind: BlockKind = "paragraph", part: str = "") -> None:
        if not any(isinstance(item, Node) or item.text.strip() for item in run):
            return
        with self.builder.block(kind, part):
            for item in run:
                self.writer.write(item)
        self._footnotes()

    def _footnotes(self) -> None:
        while self.writer.footnotes:
            note = self.writer.footnotes.pop(0)
            content = note.find("ltx_note_content") or note
            mark = content.find("ltx_note_mark")
            with self.builder.block("footnote"):
                for child in content.children:
                    if isinstance(child, Text) or child is mark or not child.has("ltx_tag_note"):
                        self.writer.write(child)
                    if child is mark:
                        self.builder.space()

    @abstractmethod
    def _block(self, node: Node) -> None:
        """An element that is a block of its own."""

    def _caption_block(self, caption: Node | None, part: str) -> None:
        if caption is not None and id(caption) not in self.captioned:
            self.captioned.add(id(caption))
            self._paragraph([caption], "caption", part)
