"""Front matter and sections of a page."""

import re
from dataclasses import replace

from mlintern.paper.document.document import Section
from mlintern.paper.html.floats import HEADINGS, holds_blocks, number_and_title
from mlintern.paper.html.page import Page
from mlintern.paper.html.tree import Node, Text

LEVELS = {
    "ltx_part": 0, "ltx_chapter": 0, "ltx_section": 1, "ltx_appendix": 1, "ltx_subsection": 2, "ltx_subsubsection": 3,
    "ltx_paragraph": 4, "ltx_subparagraph": 5, "ltx_bibliography": 1, "ltx_acknowledgements": 1, "ltx_index": 1,
}  # fmt: skip


class PageSections(Page):
    """Title, authors, abstract, and the outline: sections that elements hold, and those that bare headings open."""

    def _title(self, node: Node) -> None:
        start = self.builder.size
        self._paragraph(list(node.children), "heading")
        self.title = self.title or " ".join(self.builder.since(start).split())

    def _authors(self, node: Node) -> None:
        for name in node.walk():
            if not name.has("ltx_personname"):
                continue
            words: list[str] = []
            for child in name.children:
                if isinstance(child, Node) and (child.tag in ("br", "sup", "math") or child.has("ltx_note")):
                    if child.tag == "br":
                        break  # what follows is the affiliation
                    continue
                words.append(child.text if isinstance(child, Text) else child.plain())
            found = " ".join("".join(words).split()).strip(" ,&*†‡")
            if found:
                self.authors.append(found)
        self._paragraph(list(node.children))

    def _abstract(self, node: Node) -> None:
        for child in node.nodes():
            if child.has("ltx_title"):
                self._paragraph([child], "heading")
        self.builder.break_block()
        start = self.builder.size
        for child in node.nodes():
            if not child.has("ltx_title"):
                if holds_blocks(child):
                    self._blocks_of(child)
                else:
                    self._paragraph([child], "abstract")
        self.abstract = (start, self.builder.size)

    def _section(self, node: Node) -> None:
        level = next(LEVELS[name] for name in node.classes if name in LEVELS)
        was_appendix = self.in_appendix
        self.in_appendix = was_appendix or node.has("ltx_appendix")
        heading = next((child for child in node.nodes() if child.has("ltx_title")), None)
        number, title = number_and_title(heading) if heading else ("", "")
        index = self._open(node, level, number, title, self.in_appendix)
        if heading:
            self._paragraph([heading], "heading", self.sections[index].id)
        for child in node.children:
            if child is heading:
                continue
            if isinstance(child, Text):
                self._paragraph([child])
            else:
                self._blocks_of(Node("", {}, child.start, child.end, [child]))
        self.sections[index] = replace(self.sections[index], end=self.builder.size)
        self.in_appendix = was_appendix

    def _heading(self, node: Node) -> None:
        """A heading without a section around it opens one that the next of its rank closes."""
        if node.tag not in HEADINGS or self.latexml:
            self._paragraph([node], "heading")
            return
        level = int(node.tag[1]) - 1
        self._close_headings(level)
        number, title = number_and_title(node)
        appendix = re.match(r"appendix\b", title, re.IGNORECASE) is not None
        self.open_headings.append(self._open(node, level, number, title, appendix))
        self._paragraph([node], "heading", self.sections[-1].id)

    def _open(self, node: Node, level: int, number: str, title: str, appendix: bool) -> int:
        """Begins a section here; its index."""
        self.builder.break_block()
        start = self.builder.size
        self.sections.append(
            Section(
                id=self.ids.take(f"section-{number or len(self.sections) + 1}"),
                road="html", confidence=self.confidence, start=start, end=start, span=self._span(node),
                label=node.get("id"), level=level, number=number, title=title, appendix=appendix,
            )
        )  # fmt: skip
        return len(self.sections) - 1

    def _close_headings(self, level: int) -> None:
        while self.open_headings and self.sections[self.open_headings[-1]].level >= level:
            index = self.open_headings.pop()
            self.sections[index] = replace(self.sections[index], end=self.builder.size)
