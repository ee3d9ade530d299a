"""What belongs together on a page: captions with their numbers, the grids and panels of a float, what is a block."""

import re

from mlintern.paper.html.inline import is_skipped, words
from mlintern.paper.html.tables import cells_of, is_grid, is_wide, rows_of
from mlintern.paper.html.tree import Node, Text

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_NUMBER = re.compile(
    r"(?i:Table|Figure|Fig\.?|Algorithm|Tab\.?|Listing|Extended Data \w+)"
    r"\s*([A-Z]?\.?\d+(?:\.\d+)*[a-z]?|[IVXL]+)\b"
)


def is_block(node: Node) -> bool:
    """Whether the element is a block of its own and not part of a line."""
    if is_skipped(node):
        return True
    tags = ("p", "div", "section", "article", "figure", "table", "ul", "ol", "li", "dl", "pre", "blockquote", "main")
    return node.tag in (*tags, *HEADINGS) or node.has(
        "ltx_para", "ltx_p", "ltx_tabular", "ltx_equation", "ltx_equationgroup", "ltx_title", "ltx_item", "ltx_bibitem"
    ) or (node.tag == "span" and holds_blocks(node) and not node.has("ltx_note"))  # fmt: skip


def holds_blocks(node: Node) -> bool:
    """Whether a grid, float or equation stands inside (a paragraph that holds one is read piece by piece)."""
    return any(
        child is not node
        and (is_grid(child) or child.tag == "figure" or child.has("ltx_equation", "ltx_equationgroup", "ltx_listing"))
        for child in node.walk()
    )


def grids_below(node: Node) -> list[Node]:
    """The outermost grids in an element; a grid that only lays out other grids is not one."""
    found: list[Node] = []
    for child in node.nodes():
        if is_grid(child) and not lays_out(child):
            found.append(child)
        elif not child.has("ltx_caption"):
            found.extend(grids_below(child))
    return found


def lays_out(grid: Node) -> bool:
    """A grid that sets others side by side: all of its text stands in them, or half of its cells hold grids of several
    rows and columns."""
    inner = [child for child in grid.walk() if child is not grid and is_grid(child)]
    if any(map(is_wide, inner)):
        filled = [cell for row, _ in rows_of(grid) for cell in cells_of(row) if cell.plain()]
        holding = sum(any(is_grid(child) and is_wide(child) for child in cell.walk()) for cell in filled)
        if 2 * holding >= len(filled):
            return True
    return len(inner) > 1 and len(grid.plain()) == len(" ".join(" ".join(g.plain() for g in _outermost(inner)).split()))


def _outermost(grids: list[Node]) -> list[Node]:
    below = {id(child) for grid in grids for child in grid.walk() if child is not grid}
    return [grid for grid in grids if id(grid) not in below]


def images(node: Node) -> list[Node]:
    """The images in an element, in order."""
    return [child for child in node.walk() if child.tag == "img"]


def caption_of(node: Node) -> Node | None:
    """An element's own caption, not that of a panel in it."""
    for child in node.nodes():
        if child.has("ltx_caption") or child.tag in ("figcaption", "caption"):
            return child
        if child.tag not in ("figure",) and not child.has("ltx_figure_panel") and (found := caption_of(child)):
            return found
    return None


def panel_of(grid: Node, within: Node) -> Node | None:
    """The panel of a float in which a grid stands."""
    panels = (child for child in within.walk() if child.tag == "figure" or child.has("ltx_figure_panel"))
    return next((panel for panel in panels if panel is not within and any(i is grid for i in panel.walk())), None)


def _caption_text(node: Node) -> str:
    """The words of a caption or heading without its number."""
    return words(node, lambda item: item.has("ltx_tag", "ltx_note_outer"))


def split_caption(caption: Node | None) -> tuple[str, str]:
    """The number and the words of a caption: `Table 3: Results` gives `3` and `Results`."""
    if caption is None:
        return "", ""
    tag = caption.find("ltx_tag")
    text = _caption_text(caption)
    if tag is not None:
        found = _NUMBER.search(tag.plain())
        return (found[1].lstrip(".") if found else ""), text
    found = _NUMBER.match(text)
    return (found[1], text[found.end() :].lstrip(" :.—-")) if found else ("", text)


def number_and_title(heading: Node) -> tuple[str, str]:
    """`4.1`, `Training` of a heading."""
    tag = heading.find("ltx_tag")
    if tag is not None:
        number = re.sub(r"^(?:Appendix|Section|Chapter|Part)\s+", "", tag.plain()).rstrip(". ")
        return number, _caption_text(heading)
    text = _caption_text(heading)
    found = re.match(r"((?:\d+|[A-Z])(?:\.\d+)*)\.?\s+(?=\S)", text)
    if found and (found[1][0].isdigit() or "." in found[0]):
        return found[1], text[found.end() :]
    return "", text


def units_of(node: Node) -> list[Node]:
    """The parts of a float that have a number each (two tables side by side, a figure beside a table); empty if it is
    one whole, or if what belongs to which caption cannot be told."""
    if _numbered(node) < 2 or _own_captions(node) > 1:
        return []
    units: list[Node] = []
    stack = [node]
    while stack:
        here = stack.pop()
        if _numbered(here) < 2 or (_own_captions(here) > 1 and here is not node):
            units.append(here)
        else:
            stack.extend(reversed([child for child in here.nodes() if _numbered(child)]))
    units = [_float_in(unit) for unit in units]
    own = next((i for i, unit in enumerate(units) if any(child is unit for child in node.nodes())), None)
    if own is not None and units[own].has("ltx_caption"):
        # the element's own caption, and other floats inside it: what is in none of these is its own
        units[own] = _without(node, {id(unit) for i, unit in enumerate(units) if i != own})
    return units if all(_is_float(unit) or grids_below(unit) or images(unit) for unit in units) else []


def own_captions(node: Node) -> list[Node]:
    """The numbered captions that are children of an element, each number once: LaTeXML puts those of tables side by
    side together and may repeat one."""
    found: dict[str, Node] = {}
    for child in node.nodes():
        if child.has("ltx_caption") and _numbered(child):
            found.setdefault(split_caption(child)[0], child)
    return list(found.values())


def lettered_captions(node: Node) -> list[Node]:
    """The captions `(a) …`, `(b) …` that are children of an element."""
    tags = [(child, child.find("ltx_tag")) for child in node.nodes() if child.has("ltx_caption")]
    return [child for child, tag in tags if tag is not None and re.fullmatch(r"\([a-z]\)", tag.plain().strip(" :."))]


def _own_captions(node: Node) -> int:
    """How many they are, repeated ones too: which part of it each belongs to cannot be told by where it stands."""
    return sum(child.has("ltx_caption") and _numbered(child) for child in node.nodes())


def float_inside(node: Node) -> Node | None:
    """The one numbered float inside a box that holds nothing else of it; None for anything but such a box."""
    inner = next((below for below in node.walk() if below is not node and _is_float(below) and caption_of(below)), None)
    if inner is None or _numbered(node) != 1 or not _numbered(inner):
        return None
    whole = len(grids_below(node)) == len(grids_below(inner)) and len(images(node)) == len(images(inner))
    return inner if whole else None


def _float_in(unit: Node) -> Node:
    """The float that a box only holds in place."""
    inner = next((inner for inner in unit.walk() if _is_float(inner) and _numbered(inner)), None)
    if inner is None or ((grids_below(unit) or images(unit)) and not (grids_below(inner) or images(inner))):
        return unit
    return inner


def _without(node: Node, dropped: set[int]) -> Node:
    """A copy of an element without some of the elements below it."""
    kept = [
        child if isinstance(child, Text) else _without(child, dropped)
        for child in node.children
        if id(child) not in dropped
    ]
    return Node(node.tag, node.attributes, node.start, node.end, kept, node.classes)


def _is_float(node: Node) -> bool:
    return node.tag == "figure" or node.has("ltx_table", "ltx_figure", "ltx_float")


def _numbered(node: Node) -> int:
    """How many captions with a number of their own stand in an element."""
    return sum(
        child.has("ltx_caption")
        and child.find("ltx_tag_table", "ltx_tag_figure") is not None
        and bool(split_caption(child)[0])
        for child in node.walk()
    )
