"""HTML to a Document: the LaTeXML output of arXiv and ar5iv, and plain HTML as far as its tags tell.

LaTeXML's classes (`ltx_section`, `ltx_tabular`, `ltx_equation`, …) say what each element was in the source:
https://math.nist.gov/~BMiller/LaTeXML/manual/. A formula stands in the page several times (presentation, content,
annotation); it is taken once, from the `alttext` that holds its LaTeX. Scripts are never run and nothing is loaded.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mlintern.errors import UserError
from mlintern.paper.document import (
    BlockKind,
    Document,
    Equation,
    Figure,
    Missing,
    Reference,
    Section,
    Source,
    Span,
    Table,
)
from mlintern.paper.html_floats import (
    HEADINGS,
    caption_of,
    grids_below,
    holds_blocks,
    images,
    is_block,
    number_and_title,
    panel_of,
    split_caption,
)
from mlintern.paper.html_inline import Inked, InlineWriter, Style, is_skipped
from mlintern.paper.html_tables import GridReader, is_grid
from mlintern.paper.html_tree import Node, Text, decode, parse
from mlintern.paper.text_builder import TextBuilder

_LEVELS = {
    "ltx_part": 0, "ltx_chapter": 0, "ltx_section": 1, "ltx_appendix": 1, "ltx_subsection": 2, "ltx_subsubsection": 3,
    "ltx_paragraph": 4, "ltx_subparagraph": 5, "ltx_bibliography": 1, "ltx_acknowledgements": 1, "ltx_index": 1,
}  # fmt: skip
_LATEXML_CONFIDENCE = 0.95
_PLAIN_CONFIDENCE = 0.7
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
    reader = _Reader(page, tree, source, folder)
    if cut:
        why = "elements are nested too deep for the HTML parser; what is inside them is lost"
        reader.missing.append(Missing(kind="limit", name=name, why=why))
    return reader.read(id or name, version)


class _Reader:
    """One page."""

    def __init__(self, page: str, tree: Node, source: Source, folder: Path | None):
        self.page = page
        self.source = source
        self.folder = folder
        self.tree = tree
        self.builder = TextBuilder()
        self.writer = InlineWriter(self.builder, page, source.name)
        self.latexml = tree.find("ltx_document", "ltx_page_main", "ltx_page_content") is not None
        self.confidence = _LATEXML_CONFIDENCE if self.latexml else _PLAIN_CONFIDENCE
        self.sections: list[Section] = []
        self.tables: list[Table] = []
        self.figures: list[Figure] = []
        self.equations: list[Equation] = []
        self.references: list[Reference] = []
        self.missing: list[Missing] = []
        self.title = ""
        self.authors: list[str] = []
        self.abstract = (0, 0)
        self.in_appendix = False
        self.open_headings: list[int] = []
        """Indices of the sections that plain headings opened and no later heading closed."""

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
        text = self.builder.text()
        return Document(
            title=self.title,
            road="html",
            sources=(self.source,),
            text=text,
            offsets=tuple(self.builder.pieces),
            id=id,
            version=version,
            authors=tuple(self.authors),
            abstract=text[slice(*self.abstract)].strip(),
            sections=tuple(self.sections),
            blocks=tuple(sorted(self.builder.blocks, key=lambda block: block.start)),
            tables=tuple(self.tables),
            figures=tuple(self.figures),
            equations=tuple(self.equations),
            references=tuple(self.references),
            missing=tuple(self.missing + self.writer.missing),
        )

    def _root(self) -> Node:
        if self.latexml:
            # the page around the article holds arXiv's buttons and banners
            found = self.tree.find("ltx_document") or self.tree.find("ltx_page_content", "ltx_page_main")
            if found is not None:
                return found
        for tag in ("article", "main", "body"):
            for node in self.tree.walk():
                if node.tag == tag:
                    return node
        return self.tree

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
                if isinstance(item, Text):
                    self.writer.text(item, Style())
                else:
                    self.writer.write(item)
        self._footnotes()

    def _footnotes(self) -> None:
        while self.writer.footnotes:
            note = self.writer.footnotes.pop(0)
            content = note.find("ltx_note_content") or note
            mark = content.find("ltx_note_mark")
            with self.builder.block("footnote"):
                for child in content.children:
                    if isinstance(child, Text):
                        self.writer.text(child, Style())
                    elif child is mark:
                        self.writer.write(child)
                        self.builder.space()
                    elif not child.has("ltx_tag_note"):
                        self.writer.write(child)

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
        elif any(name in _LEVELS for name in node.classes) and node.tag in ("section", "div", "article"):
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
        level = next(_LEVELS[name] for name in node.classes if name in _LEVELS)
        was_appendix = self.in_appendix
        self.in_appendix = was_appendix or node.has("ltx_appendix")
        self.builder.break_block()
        start = self.builder.size
        heading = next((child for child in node.nodes() if child.has("ltx_title")), None)
        number, title = number_and_title(heading) if heading else ("", "")
        index = len(self.sections)
        self.sections.append(
            Section(
                id=self._unique(f"section-{number or index + 1}", self.sections),
                road="html", confidence=self.confidence, start=start, end=start, span=self._span(node),
                label=node.get("id"), level=level, number=number, title=title, appendix=self.in_appendix,
            )
        )  # fmt: skip
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
        self.builder.break_block()
        number, title = number_and_title(node)
        self.open_headings.append(len(self.sections))
        self.sections.append(
            Section(
                id=self._unique(f"section-{number or len(self.sections) + 1}", self.sections),
                road="html", confidence=self.confidence, start=self.builder.size, end=self.builder.size,
                span=self._span(node), label=node.get("id"), level=level, number=number, title=title,
                appendix=bool(re.match(r"appendix\b", title, re.IGNORECASE)),
            )
        )  # fmt: skip
        self._paragraph([node], "heading", self.sections[-1].id)

    def _close_headings(self, level: int) -> None:
        while self.open_headings and self.sections[self.open_headings[-1]].level >= level:
            index = self.open_headings.pop()
            self.sections[index] = replace(self.sections[index], end=self.builder.size)

    @staticmethod
    def _unique(id: str, parts: Iterable[Section | Table | Figure | Equation | Reference]) -> str:
        taken = {part.id for part in parts}
        new, n = id, 1
        while new in taken:
            n += 1
            new = f"{id}-{n}"
        return new

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
            id = self._unique(f"eq-{len(self.equations) + 1}", self.equations)
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
        id = self._unique(f"ref-{len(self.references) + 1}", self.references)
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

    def _float(self, node: Node) -> None:
        """A figure or table with its caption; panels inside it are its parts."""
        caption = caption_of(node)
        number, caption_text = split_caption(caption)
        grids = grids_below(node)
        if node.has("ltx_algorithm") or (node.has("ltx_float") and not grids and not images(node)):
            self._caption_block(caption, "")
            for child in node.nodes():
                if child is not caption:
                    self._block(child)
            return
        is_table = node.has("ltx_table") or (bool(grids) and not node.has("ltx_figure"))
        if is_table or grids:
            self._tables(grids, number, caption_text, node.get("id"), node, caption)
        if not is_table:
            self._figure(node, number, caption_text, caption)

    def _caption_block(self, caption: Node | None, part: str) -> None:
        if caption is not None:
            self._paragraph([caption], "caption", part)

    def _tables(
        self, grids: list[Node], number: str, caption: str, label: str, node: Node, caption_node: Node | None = None
    ) -> None:
        several = len(grids) > 1
        first_id = self._unique(f"table-{number or len(self.tables) + 1}" + "a" * several, self.tables)
        self._caption_block(caption_node, first_id)
        if not grids and caption_node is not None:
            why = "it is an image or was lost in the conversion; only its caption is in the page"
            self.missing.append(Missing(kind="table", name=f"Table {number}".strip(), why=why, span=self._span(node)))
        for index, grid in enumerate(grids):
            panel = panel_of(grid, node) if several or caption_node is None else None
            if panel is not None:
                self._caption_block(caption_of(panel), "")
            sub = split_caption(caption_of(panel))[1] if panel is not None else ""
            self.builder.break_block()
            start = self.builder.size
            read = GridReader(self.writer).read(grid)
            if read is None:
                continue
            part = chr(ord("a") + index % 26) if several else ""
            id = self._unique(f"table-{number or len(self.tables) + 1}{part}", self.tables)
            self.builder.add_block("table", start, id)
            self.tables.append(
                Table(
                    id=id, road="html", confidence=self.confidence, start=start, end=self.builder.size,
                    span=self._span(grid), label=label or grid.get("id"), number=number, part=part, caption=caption,
                    subcaption=sub, rows=read.rows, columns=read.columns, cells=read.cells,
                    header_rows=read.header_rows, header_columns=read.header_columns, rules=read.rules,
                    alignment=read.alignment,
                )
            )  # fmt: skip
            if read.cut:
                why = "the grid has more cells than this reader takes; the rest was cut"
                self.missing.append(Missing(kind="limit", name=id, why=why, span=self._span(grid)))
            self._footnotes()

    def _figure(self, node: Node, number: str, caption: str, caption_node: Node | None) -> None:
        id = self._unique(f"figure-{number or len(self.figures) + 1}", self.figures)
        start = self.builder.size
        self._caption_block(caption_node, id)
        files, pixels, subcaptions = [], [], []
        for image in images(node):
            src = image.get("src")
            file, why = self._image_file(src, image)
            files.append(src[:200] if src.startswith("data:") else src)
            pixels.append(file)
            if not file:
                self.missing.append(Missing(kind="figure", name=src[:200] or id, why=why, span=self._span(image)))
        for panel in node.walk():
            inner = caption_of(panel) if panel is not node and panel.has("ltx_figure_panel", "ltx_figure") else None
            if inner is not None and inner is not caption_node:
                subcaptions.append(split_caption(inner)[1])
                self._caption_block(inner, id)
        if caption_node is None and not files:
            return
        self.figures.append(
            Figure(
                id=id, road="html", confidence=self.confidence, start=start, end=self.builder.size,
                span=self._span(node), label=node.get("id"), number=number, caption=caption,
                subcaptions=tuple(subcaptions), files=tuple(files), pixels=tuple(pixels),
            )
        )  # fmt: skip

    def _image_file(self, src: str, image: Node) -> tuple[str, str]:
        """The image's raster file beside the page, or why there is none; nothing is loaded from elsewhere."""
        if not src or image.has("ltx_missing", "ltx_missing_image"):
            return "", "the conversion to HTML lost the image"
        if re.match(r"[a-z][a-z0-9+.-]*:", src, re.IGNORECASE) or src.startswith("//") or self.folder is None:
            return "", "the image is not part of the page"
        file = (self.folder / src).resolve()
        inside = self.folder.resolve() in file.parents
        if inside and file.is_file() and file.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif", ".webp"):
            return str(file), ""
        return "", "there is no such raster image beside the page"


def _verbatim(node: Node) -> str:
    """Text with its white space."""
    parts: list[str] = []
    stack: list[Node | Text] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, Text):
            parts.append(item.text)
        elif not is_skipped(item):
            stack.extend(reversed(item.children))
    return "".join(parts)
