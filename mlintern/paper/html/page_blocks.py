"""Items, code, equations and references of a page."""

import re

from mlintern.paper.document.document import Equation, Reference
from mlintern.paper.html.floats import holds_blocks
from mlintern.paper.html.inline import Inked, is_skipped
from mlintern.paper.html.page import Page
from mlintern.paper.html.tables import is_grid
from mlintern.paper.html.tree import Node


class PageBlocks(Page):
    """Blocks that are neither text nor float."""

    def _item(self, node: Node) -> None:
        if holds_blocks(node) and any(child.tag in ("ul", "ol") or is_grid(child) for child in node.walk()):
            self._blocks_of(node)
        else:
            self._paragraph([node], "item")

    def _code(self, node: Node) -> None:
        lines = [child for child in node.walk() if child.has("ltx_listingline")]
        with self.builder.block("code"):
            if not lines:
                self.builder.put(_verbatim(node), 0, node.start, node.end)
            for index, line in enumerate(lines):
                if index:
                    self.builder.raw("\n")
                self.builder.put(_verbatim(line).strip("\n"), 0, line.start, line.end)

    def _equations(self, node: Node) -> None:
        groups = [child for child in node.nodes() if child.tag == "tbody" and child.get("id")]
        for group in groups if len(groups) > 1 else [node]:
            formulas = [found for found in group.walk() if found.tag == "math"]
            tag = group.find("ltx_tag_equation", "ltx_tag_equationgroup")
            latex = " ".join(found.get("alttext") for found in formulas if found.get("alttext"))
            self.builder.break_block()
            start = self.builder.size
            self.writer.inked = Inked()
            for found in formulas:
                self.writer.write(found)
                self.builder.space()
            if tag:
                self.builder.put(tag.plain(), 0, tag.start, tag.end)
            if self.builder.size == start:
                continue
            id = self.ids.take(f"eq-{len(self.equations) + 1}")
            self.builder.add_block("equation", start, id)
            self.equations.append(
                Equation(
                    id=id, road="html", confidence=self.confidence if latex else 0.5, start=start,
                    end=self.builder.size, span=self._span(group), label=group.get("id"),
                    number=tag.plain().strip("()") if tag else "", latex=latex,
                )
            )  # fmt: skip
            self.builder.break_block()

    def _reference(self, node: Node) -> None:
        self.builder.break_block()
        start = self.builder.size
        id = self.ids.take(f"ref-{len(self.references) + 1}")
        self._paragraph([node], "reference", id)
        text = self.builder.since(start).strip()
        title = node.find("ltx_bib_title")
        years = re.findall(r"\b(?:19|20)\d\d\b", text)
        links = [
            child.get("href") for child in node.walk() if child.tag == "a" and child.get("href").startswith("http")
        ]
        self.references.append(
            Reference(
                id=id, road="html", confidence=self.confidence, start=start, end=start + len(text),
                span=self._span(node), label=node.get("id"), text=text,
                title=title.plain() if title else "", year=years[-1] if years else "",
                url=links[0] if links else "",
            )
        )  # fmt: skip


def _verbatim(node: Node) -> str:
    """Text with its white space."""
    return node.text(lambda item: "" if is_skipped(item) else None)
