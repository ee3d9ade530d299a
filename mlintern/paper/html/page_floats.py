"""Tables and figures of a page, with their captions, panels and images."""

import re
from dataclasses import replace

from mlintern.paper.document.document import Figure
from mlintern.paper.html.floats import (
    caption_of,
    float_inside,
    grids_below,
    images,
    is_block,
    lettered_captions,
    own_captions,
    panel_of,
    split_caption,
    units_of,
)
from mlintern.paper.html.page import Page
from mlintern.paper.html.tables import GridReader
from mlintern.paper.html.tree import Node, Text


class PageFloats(Page):
    """Floats, and grids outside any float."""

    def _float(self, node: Node) -> None:
        """A figure or table with its caption; panels inside it are its parts."""
        if units := units_of(node):
            for unit in units:
                self._float(unit)
            return
        caption = caption_of(node)
        if caption is None and (inner := float_inside(node)) is not None:
            self._float(inner)  # a box that turns or scales the float
            return
        number, caption_text = split_caption(caption)
        grids = grids_below(node)
        before = len(self.tables)
        captions = own_captions(node)
        if len(captions) > 1 and len(captions) == len(grids) and not images(node):
            for one, grid in zip(captions, grids, strict=True):  # both in the order of the source
                self._tables([grid], *split_caption(one), node.get("id"), node, one)
            self._notes(node, grids, before)
            return
        if node.has("ltx_algorithm") or (node.has("ltx_float") and not grids and not images(node)):
            self._caption_block(caption, "")
            for child in node.nodes():
                if child is not caption:
                    self._block(child)
            return
        of_table = caption is not None and caption.find("ltx_tag_table") is not None
        is_table = of_table or node.has("ltx_table") or (bool(grids) and not node.has("ltx_figure"))
        if is_table or grids:
            # a grid under a figure's caption has no number among the tables
            self._tables(grids, number if is_table else "", caption_text, node.get("id"), node, caption)
        if not is_table:
            self._figure(node, number, caption_text, caption)
        self._notes(node, grids, before)

    def _notes(self, node: Node, grids: list[Node], before: int) -> None:
        """Reads what else stands in a float, which explains the last of the tables that it holds."""
        self.builder.break_block()
        said = {child.plain() for child in node.nodes() if id(child) in self.captioned}
        for child in node.nodes():  # further captions, which may repeat one
            if child.has("ltx_caption") and child.plain() not in said:
                self._caption_block(child, "")
        self.builder.break_block()
        first, start = len(self.builder.blocks), self.builder.size
        self._beside(node, grids)
        text = self.builder.since(start)
        notes = [text[block.start - start : block.end - start] for block in self.builder.blocks[first:]]
        if notes and len(self.tables) > before:
            self.tables[-1] = replace(self.tables[-1], notes=tuple(notes))

    def _beside(self, node: Node, grids: list[Node]) -> None:
        """What else stands in a float: a table's notes, text in a figure."""
        inside = {id(grid) for grid in grids}

        def elsewhere(part: Node) -> bool:
            named = part.has("ltx_caption") or part.tag in ("figcaption", "caption", "img", "svg")
            return named or id(part) in inside

        run: list[Node | Text] = []
        for child in node.children:
            apart = isinstance(child, Node) and any(map(elsewhere, child.walk()))
            if isinstance(child, Text) or not (apart or is_block(child)):
                run.append(child)
                continue
            self._text_beside(run)
            run = []
            if not apart:
                self._block(child)
            elif not elsewhere(child):
                self._beside(child, grids)
        self._text_beside(run)

    def _text_beside(self, run: list[Node | Text]) -> None:
        if any(item.text.strip() if isinstance(item, Text) else item.plain() for item in run):
            self._paragraph(run)

    def _tables(
        self, grids: list[Node], number: str, caption: str, label: str, node: Node, caption_node: Node | None = None
    ) -> None:
        several = len(grids) > 1
        first_id = self.ids.peek(f"table-{number or len(self.tables) + 1}" + "a" * several)
        self._caption_block(caption_node, first_id)
        if not grids and caption_node is not None:
            why = "it is an image or was lost in the conversion; only its caption is in the page"
            self.lost("table", f"Table {number}".strip(), why, self._span(node))
        lettered = lettered_captions(node)
        for index, grid in enumerate(grids):
            panel = panel_of(grid, node) if several or caption_node is None else None
            sub_caption = caption_of(panel) if panel is not None else None
            if sub_caption is None and len(lettered) == len(grids):
                sub_caption = lettered[index]
            self._caption_block(sub_caption, "")
            sub = split_caption(sub_caption)[1]
            self.builder.break_block()
            start = self.builder.size
            read = GridReader(self.writer).read(grid)
            if read is None:
                continue
            part = chr(ord("a") + index % 26) if several else ""
            id = self.ids.peek(f"table-{number or len(self.tables) + 1}{part}")
            self.add_table(
                read, id, start, confidence=self.confidence, span=self._span(grid), label=label or grid.get("id"),
                number=number, part=part, caption=caption, subcaption=sub,
            )  # fmt: skip
            if read.cut:
                why = "the grid has more cells than this reader takes; the rest was cut"
                self.lost("limit", id, why, self._span(grid))
            self._footnotes()

    def _figure(self, node: Node, number: str, caption: str, caption_node: Node | None) -> None:
        wanted = f"figure-{number or len(self.figures) + 1}"
        id = self.ids.peek(wanted)
        start = self.builder.size
        self._caption_block(caption_node, id)
        files, pixels, subcaptions = [], [], []
        for image in images(node):
            src = image.get("src")
            file, why = self._image_file(src, image)
            files.append(src[:200] if src.startswith("data:") else src)
            pixels.append(file)
            if not file:
                self.lost("figure", src[:200] or id, why, self._span(image))
        for panel in node.walk():
            inner = caption_of(panel) if panel is not node and panel.has("ltx_figure_panel", "ltx_figure") else None
            if inner is not None and inner is not caption_node:
                subcaptions.append(split_caption(inner)[1])
                self._caption_block(inner, id)
        if caption_node is None and not files:
            return
        self.ids.take(wanted)
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
