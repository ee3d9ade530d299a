"""Running text of a LaTeXML page: text, formulas (each once), scripts, notes, citations."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mlintern.paper.document.document import MissingPart, Span
from mlintern.paper.document.text_builder import TextBuilder
from mlintern.paper.html.tree import Node, Text
from mlintern.paper.latex.source.commands import GRIDS
from mlintern.paper.text.mathtext import math_text

_SKIPPED_TAGS = frozenset(
    ["script", "style", "nav", "button", "template", "noscript", "svg", "iframe", "object", "embed", "form", "input"]
)
_SKIPPED_CLASSES = (
    "ltx_page_footer", "ltx_page_header", "ltx_page_navbar", "ltx_TOC", "ltx_pagination", "ltx_listing_data",
    "ltx_rule", "ltx_dates", "ltx_role_newpage", "ltx_phantom",
)  # fmt: skip
_BREAKS = (
    "ltx_p", "ltx_para", "ltx_tr", "ltx_inline-block", "ltx_td", "ltx_bibblock", "ltx_tag_bibitem", "ltx_creator",
    "ltx_author_notes", "ltx_contact",
)  # fmt: skip
_BREAKING_TAGS = ("p", "div", "li", "tr", "td", "th")
_DEPTH = 200
_WORDS = re.compile(r"[ \t\r\n\f]+|[^ \t\r\n\f]+(?: [^ \t\r\n\f]+)*")
_BOLD_DIGITS = re.compile("[\U0001d7ce-\U0001d7d7]")
_INVISIBLE = dict.fromkeys((0x200B, 0xFEFF, 0x2061, 0x2062, 0x2063))


@dataclass(frozen=True)
class TextStyle:
    """How the text at hand is set."""

    bold: bool = False
    italic: bool = False
    underline: bool = False
    color: str = ""


@dataclass
class Inked:
    """What was seen while a run of text was written: how much of it is bold, which marks it has, what is wrong."""

    shown: int = 0
    bold: int = 0
    italic: int = 0
    underline: int = 0
    colors: set[str] = field(default_factory=set)
    lead: TextStyle = TextStyle()
    """How the first characters are set: the mark of a number that has its spread behind it."""
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def is_skipped(node: Node) -> bool:
    """Whether the element is no part of the paper's text."""
    if node.tag in _SKIPPED_TAGS or node.has(*_SKIPPED_CLASSES) or "hidden" in node.attributes:
        return True
    return re.search(r"visibility\s*:\s*hidden", node.get("style")) is not None


def color_of(node: Node) -> str:
    """The colour that an element's style gives, '' if none."""
    found = re.search(
        r"(?:background-color|--ltx-bg-color|--ltx-fg-color|(?<![-\w])color)\s*:\s*([#\w]+)", node.get("style")
    )
    return found[1] if found else ""


def words(node: Node, left_out: Callable[[Node], bool]) -> str:
    """The words of an element, formulas as plain text."""

    def instead(item: Node) -> str | None:
        return math_text(item.get("alttext")).text if item.tag == "math" else "" if left_out(item) else None

    return " ".join(node.text(instead).split())


class InlineWriter:
    """Writes elements that stand inside a paragraph, caption or cell to a TextBuilder."""

    def __init__(self, builder: TextBuilder, page: str, source: str):
        self.builder = builder
        self.page = page
        self.source = source
        self.missing: list[MissingPart] = []
        self.footnotes: list[Node] = []
        self.inked = Inked()
        self.in_cell = False
        """Whether a table's cell is being written: a note's mark of digits would pass for a power there."""

    def lost(self, kind: str, name: str, why: str, node: Node) -> None:
        """Record something that the page says it lacks."""
        span = Span(self.source, node.start, node.end)
        self.missing.append(MissingPart(kind=kind, name=name, why=why, span=span))  # type: ignore[arg-type]

    def write(self, node: Node | Text, style: TextStyle = TextStyle(), depth: int = 0) -> None:
        """The text of an element, or a run of text."""
        if isinstance(node, Text):
            self.text(node, style)
            return
        if node.tag == "svg" and self.in_cell:
            self._drawn(node, style, depth)
        if is_skipped(node) or depth > _DEPTH:
            return
        handler = getattr(self, f"_tag_{node.tag}", None)
        if handler is not None:
            handler(node, style)
            return
        if node.has("ltx_note") and self._note(node):
            return
        if node.has("ltx_ERROR"):
            name = node.plain()
            self.inked.doubts.append(f"the page could not show {name}")
            if name.strip("{}") in GRIDS:
                self.lost("table", name, "LaTeXML does not know this table; its words stand in the text", node)
            else:
                self.lost("macro", name, "LaTeXML does not know this command; what it prints is not in the page", node)
            return
        if node.has("ltx_missing_label", "ltx_missing_citation"):
            kind = "citation" if node.has("ltx_missing_citation") else "reference"
            self.lost(kind, node.plain(), f"the {kind} leads nowhere in the page", node)
        self.children(node, self._styled(node, style), depth)

    def children(self, node: Node, style: TextStyle, depth: int = 0) -> None:
        """The text of all that is inside the element."""
        for child in node.children:
            breaks = isinstance(child, Node) and (child.has(*_BREAKS) or child.tag in _BREAKING_TAGS)
            if breaks:
                self.builder.space()
            self.write(child, style, depth + 1)
            if breaks:
                self.builder.space()

    def _drawn(self, node: Node, style: TextStyle, depth: int) -> None:
        """The words of a cell that is drawn: `\\diagbox` has one above and one below its line."""
        for index, words in enumerate(child for child in node.walk() if child.tag == "foreignobject"):
            if index:
                self.builder.space()
                self._made("\\", words, style)
                self.builder.space()
            self.children(words, style, depth + 1)

    def _styled(self, node: Node, style: TextStyle) -> TextStyle:
        if node.has("ltx_font_bold") or node.tag in ("b", "strong"):
            style = replace(style, bold=True)
        elif node.has("ltx_font_medium"):
            style = replace(style, bold=False)
        if node.has("ltx_font_italic", "ltx_font_slanted", "ltx_emph") or node.tag in ("em", "i"):
            style = replace(style, italic=True)
        elif node.has("ltx_font_upright"):
            style = replace(style, italic=False)
        if node.has("ltx_framed_underline", "ltx_ulem_uline", "ltx_ulem_uuline") or node.tag == "u":
            style = replace(style, underline=True)
        if color := color_of(node):
            style = replace(style, color=color)
        return style

    def _count(self, amount: int, style: TextStyle) -> None:
        inked = self.inked
        if amount and not inked.shown:
            inked.lead = style
        inked.shown += amount
        inked.bold += amount * style.bold
        inked.italic += amount * style.italic
        inked.underline += amount * style.underline
        if style.color and amount:
            inked.colors.add(style.color)

    def text(self, run: Text, style: TextStyle) -> None:
        """A run of text with white space collapsed; words one space apart stay one piece."""
        for found in _WORDS.finditer(run.text):
            if found[0][0] in " \t\r\n\f":
                self.builder.space()
                continue
            words = found[0].translate(_INVISIBLE)
            start = run.start + found.start() if run.exact else run.start
            end = run.start + found.end() if run.exact else run.end
            self.builder.put(words, 0, start, end, exact=run.exact and words == found[0])
            self._count(len(words), style)

    def _made(self, text: str, node: Node, style: TextStyle) -> None:
        self.builder.put(text, 0, node.start, max(node.end, node.start))
        self._count(len(text.strip()), style)

    def _tag_math(self, node: Node, style: TextStyle) -> None:
        latex = node.get("alttext") or _annotation(node)
        if latex:
            formula = math_text(latex)
            text = formula.text
            bold = style.bold or formula.bold or _is_bold(self.page[node.start : node.end])
            style = replace(style, bold=bold, underline=style.underline or formula.underline)
            if formula.lead_bold and not self.inked.shown:
                self._made(text, node, style)
                self.inked.lead = replace(self.inked.lead, bold=True)
                return
            if formula.unknown:
                self.inked.doubts.append(f"a formula uses \\{formula.unknown[0]}, which is not known")
        else:
            text = mathml_text(node)
            self.inked.doubts.append("a formula comes without its LaTeX")
        self._made(text, node, style)

    def _tag_br(self, node: Node, style: TextStyle) -> None:
        self.builder.space()

    def _tag_sup(self, node: Node, style: TextStyle) -> None:
        self._script("^", node, style)

    def _tag_sub(self, node: Node, style: TextStyle) -> None:
        self._script("_", node, style)

    def _script(self, mark: str, node: Node, style: TextStyle) -> None:
        text = node.plain()
        if node.find("ltx_Math") is None and not any(child.tag in ("math", "a", "cite") for child in node.walk()):
            self._made(f"{mark}{{{text}}}" if text else "", node, style)
            return
        self.builder.put(f"{mark}{{", 0, node.start, node.start)
        self.children(node, style)
        self.builder.put("}", 0, node.end, node.end)

    def _tag_img(self, node: Node, style: TextStyle) -> None:
        """Writes nothing: figures collect their images, and elsewhere one is an ornament."""

    def _note(self, node: Node) -> bool:
        """A footnote leaves its mark in the text and its words to the end of the block."""
        if not node.has(
            "ltx_role_footnote", "ltx_role_footnotemark", "ltx_role_footnotetext", "ltx_role_thanks", "ltx_role_endnote"
        ):
            return node.has("ltx_role_institutetext", "ltx_role_pagerange", "ltx_role_slugcomment")
        mark = node.find("ltx_note_mark")
        shown = mark.plain() if mark else ""
        if shown and not node.has("ltx_role_thanks"):
            if not (self.in_cell and shown.isdigit()):
                self._made(f"^{{{shown}}}", node, TextStyle())
            self.inked.notes.append(shown)
        if node.find("ltx_note_content") is not None and not node.has("ltx_role_footnotemark"):
            self.footnotes.append(node)
        return True


def _is_bold(markup: str) -> bool:
    """Whether all numbers of a formula are set bold; its LaTeX does not say so after \\boldmath."""
    numbers = re.findall(r"<mn\b([^>]*)>([^<]*)<", markup)
    return bool(numbers) and all("bold" in attributes or _BOLD_DIGITS.search(text) for attributes, text in numbers)


def _annotation(node: Node) -> str:
    for child in node.walk():
        if child.tag == "annotation" and child.get("encoding") == "application/x-tex":
            return child.plain()
    return ""


def mathml_text(node: Node, depth: int = 0) -> str:
    """Presentation MathML as plain text; scripts keep their braces, fractions their bar."""
    if depth > 60 or node.tag in ("annotation", "annotation-xml", "mphantom"):
        return ""
    parts, nodes = [], []
    for child in node.children:
        if isinstance(child, Text):
            parts.append(child.text.strip())
        else:
            nodes.append(mathml_text(child, depth + 1))
            parts.append(nodes[-1])
    if node.tag == "msup" and len(nodes) == 2:
        return f"{nodes[0]}^{{{nodes[1]}}}"
    if node.tag == "msub" and len(nodes) == 2:
        return f"{nodes[0]}_{{{nodes[1]}}}"
    if node.tag == "msubsup" and len(nodes) == 3:
        return f"{nodes[0]}_{{{nodes[1]}}}^{{{nodes[2]}}}"
    if node.tag == "mfrac" and len(nodes) == 2:
        return f"({nodes[0]})/({nodes[1]})"
    if node.tag == "msqrt":
        return f"√({''.join(parts)})"
    return "".join(parts).replace("\u2062", "").replace("\u2061", "").replace("−", "-")
