"""HTML to a Document: the LaTeXML output of arXiv and ar5iv, and plain HTML as far as its tags tell.

LaTeXML's classes (`ltx_section`, `ltx_tabular`, `ltx_equation`, …) say what each element was in the source:
https://math.nist.gov/~BMiller/LaTeXML/manual/. A formula stands in the page several times (presentation, content,
annotation); it is taken once, from the `alttext` that holds its LaTeX. Scripts are never run and nothing is loaded.
"""

import hashlib
from pathlib import Path

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document, Source
from mlintern.paper.html.floats import HEADINGS, caption_of, holds_blocks, split_caption
from mlintern.paper.html.inline import is_skipped
from mlintern.paper.html.page_blocks import PageBlocks
from mlintern.paper.html.page_floats import PageFloats
from mlintern.paper.html.page_sections import LEVELS, PageSections
from mlintern.paper.html.tables import is_grid
from mlintern.paper.html.tree import Node, decode, parse

_PARAGRAPHS = ("p", "pre", "blockquote", "dt", "dd", "figcaption", "caption")


def read_html(path: Path, name: str = "", id: str = "", version: str = "") -> Document:
    """The Document of a page on disk. Raises UserError for a file that is no HTML, or larger than a page can be."""
    name = name or path.name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return read_page(data, name, id or path.stem, version, folder=path.parent)


def read_page(data: bytes, name: str, id: str = "", version: str = "", folder: Path | None = None) -> Document:
    """The Document of a page's bytes; images are looked for in `folder`."""
    page, encoding = decode(data, name)
    tree, cut = parse(page, name)
    source = Source(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data), encoding=encoding)
    reader = _PageReader(page, tree, source, folder)
    if cut:
        why = "elements are nested too deep for the HTML parser; what is inside them is lost"
        reader.lost("limit", name, why)
    return reader.read(id or name, version)


class _PageReader(PageSections, PageFloats, PageBlocks):
    """One page."""

    def read(self, id: str, version: str) -> Document:
        root = self._root()
        self._blocks_of(root)
        self._close_headings(0)
        if not self.builder.text().strip() and self.missing:
            raise UserError(f"{self.source.name}: {self.missing[0].why}; save the page again")
        if not self.builder.text().strip():
            raise UserError(f"{self.source.name}: the page holds no text; is it the page of a paper?")
        if not self.title:
            title = next((node for node in self.tree.walk() if node.tag == "title"), None)
            self.title = title.plain() if title else ""
        self.builder.blocks.sort(key=lambda block: block.start)
        self.missing += self.writer.missing
        return self.document(
            title=self.title,
            id=id,
            version=version,
            authors=tuple(self.authors),
            abstract=self.builder.text()[slice(*self.abstract)].strip(),
        )

    def _root(self) -> Node:
        if self.latexml:
            # the page around the article holds arXiv's buttons and banners
            found = self.tree.find("ltx_document") or self.tree.find("ltx_page_content", "ltx_page_main")
            if found is not None:
                return found
        wanted = (node for tag in ("article", "main", "body") for node in self.tree.walk() if node.tag == tag)
        return next(wanted, self.tree)

    def _block(self, node: Node) -> None:
        if is_skipped(node):
            return
        if node.has("ltx_title_document") or (node.tag == "h1" and not self.latexml and not self.title):
            self._title(node)
        elif node.has("ltx_authors"):
            self._authors(node)
        elif node.has("ltx_abstract"):
            self._abstract(node)
        elif node.has("ltx_equation", "ltx_equationgroup", "ltx_eqn_table"):
            self._equations(node)
        elif node.tag == "figure" or node.has("ltx_figure", "ltx_table", "ltx_float"):
            self._float(node)
        elif is_grid(node):
            caption = caption_of(node)
            self._tables([node], *split_caption(caption), "", node, caption)
        elif node.has("ltx_bibitem"):
            self._reference(node)
        elif any(name in LEVELS for name in node.classes) and node.tag in ("section", "div", "article"):
            self._section(node)
        elif node.tag in HEADINGS or node.has("ltx_title"):
            self._heading(node)
        elif node.has("ltx_listing", "ltx_verbatim") or node.tag == "pre":
            self._code(node)
        elif node.tag == "li" or node.has("ltx_item"):
            self._item(node)
        elif (node.tag in _PARAGRAPHS or node.has("ltx_p")) and not holds_blocks(node):
            self._paragraph([node])
        elif node.has("ltx_picture") or node.tag == "svg":
            return
        else:
            self._blocks_of(node)
