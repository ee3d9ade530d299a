"""An HTML page as a light tree whose texts know where they stand in the page.

lxml parses (leniently, in C, without loading anything); no HTML library of Python keeps the character offsets of texts,
so the texts are found again in the page in document order.
"""

import html as entities
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lxml import etree

from mlintern.core.errors import UserError

MAX_BYTES = 50_000_000
MAX_NODES = 500_000
_DEPTH = 120
"""Deeper elements are hung below the last one that is not too deep; honest pages reach about 40."""
_WINDOW = 20_000
_TAG_WINDOW = 4_000
"""Characters in which a text, and a tag, are looked for; bounds the time that a page with damaged markup can take."""
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset=["']?\s*([A-Za-z0-9_-]{2,30})""", re.IGNORECASE)


@dataclass
class Text:
    """A run of text; `start` counts characters of the page (-1 where the run was not found again)."""

    text: str
    start: int
    end: int
    exact: bool
    """Whether it stands in the page as it is, without entities."""


@dataclass
class Node:
    """An element."""

    tag: str
    attributes: dict[str, str]
    start: int
    """Character range of the page, from its start tag on where that was found."""
    end: int = 0
    children: "list[Node | Text]" = field(default_factory=list)
    classes: frozenset[str] = frozenset()

    def has(self, *names: str) -> bool:
        """Whether it has one of these classes."""
        return not self.classes.isdisjoint(names)

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")

    def nodes(self) -> "Iterator[Node]":
        """Its child elements."""
        return (child for child in self.children if isinstance(child, Node))

    def walk(self) -> "Iterator[Node]":
        """Itself and all elements below it, in document order."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed([child for child in node.children if isinstance(child, Node)]))

    def find(self, *names: str) -> "Node | None":
        """The first element below it (or itself) with one of these classes."""
        return next((node for node in self.walk() if node.has(*names)), None)

    def text(self, instead: "Callable[[Node], str | None]" = lambda node: None) -> str:
        """All text below it, in document order; `instead` may give what stands for an element and all it holds."""
        parts: list[str] = []
        stack: list[Node | Text] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, Text):
                parts.append(item.text)
            elif (given := instead(item)) is not None:
                parts.append(given)
            else:
                stack.extend(reversed(item.children))
        return "".join(parts)

    def plain(self) -> str:
        """All text below it, white space collapsed; mathematics is not treated."""
        return " ".join(self.text().split())


def decode(data: bytes, name: str) -> tuple[str, str]:
    """The page's text and the encoding it was read with: BOM, the page's own word, UTF-8, else Windows-1252."""
    if len(data) > MAX_BYTES:
        raise UserError(f"{name}: more than {MAX_BYTES} bytes of HTML; give a page of one paper")
    declared = _CHARSET.search(data[:4096])
    guesses = ["utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"]
    if declared:
        guesses.insert(0 if not data.startswith(b"\xef\xbb\xbf") else 1, declared[1].decode("ascii"))
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        guesses.insert(0, "utf-16")
    for guess in guesses:
        try:
            return data.decode(guess), guess.lower()
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("cp1252", "replace"), "cp1252"


def parse(page: str, name: str) -> tuple[Node, bool]:
    """The tree of a page, and whether lxml cut it for being nested too deep. Raises UserError for what is no page."""
    if "\0" in page:
        raise UserError(f"{name}: holds NUL characters, so it is no HTML page")
    _check_tags(page, name)
    # lxml refuses an encoding declaration in a str, and lone surrogates
    clean = re.sub(r"^\s*<\?xml[^>]*\?>", lambda m: " " * len(m[0]), page)
    clean = re.sub("[\ud800-\udfff]", "\ufffd", clean)
    # huge_tree: depth to 2048 instead of 256 and long texts; size and number of elements are limited here
    parser = etree.HTMLParser(no_network=True, huge_tree=True, remove_pis=False, remove_comments=False)
    try:
        root = etree.fromstring(clean, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UserError(f"{name}: cannot be read as HTML ({error}); save the page again") from None
    if root is None:
        raise UserError(f"{name}: holds no HTML")
    cut = any("xcessive depth" in entry.message or "too deep" in entry.message for entry in parser.error_log)
    return _build(root, _Texts(clean), name), cut


def _check_tags(page: str, name: str) -> None:
    """libxml2 compares every attribute of a tag with all others, which takes minutes for some ten thousand."""
    for tag in re.finditer(r"<[A-Za-z][^<>]{5000,}", page):
        if len(re.sub(r"\"[^\"]*\"|'[^']*'", "", tag[0]).split()) > 500:
            raise UserError(f"{name}: holds a tag with more than 500 attributes; save the page again")


class _Texts:
    """The texts of a page between its tags, with positions; finds the texts of a tree again, in order."""

    def __init__(self, page: str):
        self.page = page
        self.positions = array("l")
        parts: list[str] = []
        at, size = 0, len(page)
        while at < size:
            opening = page.find("<", at)
            opening = size if opening < 0 else opening
            if opening > at:
                self._add(parts, at, opening)
            if opening == size:
                break
            at = self._after_tag(opening)
            if at == opening:  # a bare "<" is text
                self._add(parts, at, at + 1)
                at += 1
        self.text = "".join(parts)
        self.positions.append(size)
        self.at = 0

    def _after_tag(self, opening: int) -> int:
        page = self.page
        if page.startswith("<!--", opening):
            end = page.find("-->", opening + 4)
            return len(page) if end < 0 else end + 3
        if not (page[opening + 1 : opening + 2].isalpha() or page[opening + 1 : opening + 2] in ("/", "!", "?")):
            return opening
        end, quotes, counted = opening, 0, opening
        for _ in range(100):
            end = page.find(">", end + 1)
            if end < 0:
                return len(page)
            quotes += page.count('"', counted, end)
            counted = end
            if quotes % 2 == 0:
                break
        return end + 1

    def _add(self, parts: list[str], start: int, end: int) -> None:
        chunk = self.page[start:end]
        at = 0
        for entity in _ENTITY.finditer(chunk) if "&" in chunk else ():
            parts.append(chunk[at : entity.start()])
            self.positions.extend(range(start + at, start + entity.start()))
            character = entities.unescape(entity[0])
            parts.append(character)
            self.positions.extend([start + entity.start()] * len(character))
            at = entity.end()
        parts.append(chunk[at:])
        self.positions.extend(range(start + at, end))

    def locate(self, text: str) -> list[Text]:
        """The next place of `text`, cut at entities; texts must be asked for in document order."""
        found = self.text.find(text, self.at, self.at + len(text) + _WINDOW)
        if found < 0:
            return [Text(text, -1, -1, False)]
        self.at = found + len(text)
        start, last = self.positions[found], self.positions[self.at - 1]
        if last - start == len(text) - 1 and self.page[start : last + 1] == text:
            return [Text(text, start, last + 1, True)]
        runs: list[Text] = []
        for offset, character in enumerate(text):
            at = self.positions[found + offset]
            exact = self.page[at] == character and not (character == "&" and _ENTITY.match(self.page, at))
            run = runs[-1] if runs else None
            if run and exact and run.exact and run.end == at:
                runs[-1] = Text(run.text + character, run.start, at + 1, True)
            elif run and not exact and run.start == at:
                runs[-1] = Text(run.text + character, run.start, run.end, False)
            else:
                entity = None if exact else _ENTITY.match(self.page, at)
                runs.append(Text(character, at, entity.end() if entity else at + 1, exact))
        return runs

    def before(self) -> int:
        """Where in the page the last located text ended."""
        return self.positions[self.at - 1] + 1 if self.at else 0

    def after(self) -> int:
        """Where in the page the next text begins."""
        return self.positions[self.at]


class _TreeBuilder:
    """Turns lxml's events into Nodes."""

    def __init__(self, texts: _Texts, name: str):
        self.texts = texts
        self.name = name
        self.top = Node("", {}, 0, len(texts.page))
        self.stack = [self.top]
        self.kept: list[bool] = []
        """For every open element, whether it became a Node."""
        self.formula = 0
        """How many elements are open inside a formula that says its LaTeX: they only repeat it."""
        self.count = 0
        self.cursor = 0
        """Just behind the beginning of the last tag that was found."""

    def text(self, text: str | None) -> None:
        if text:
            located = self.texts.locate(text)
            if not self.formula:
                self.stack[-1].children.extend(located)

    def open(self, element: etree._Element) -> None:
        keep = not self.formula and len(self.stack) <= _DEPTH
        self.kept.append(keep)
        tag = element.tag.lower() if isinstance(element.tag, str) else ""
        if keep:
            self.count += 1
            if self.count > MAX_NODES:
                raise UserError(f"{self.name}: more than {MAX_NODES} elements; give a page of one paper")
            attributes = {str(key).lower(): str(value) for key, value in element.attrib.items()}
            node = Node(tag, attributes, self._tag_at(f"<{tag}"))
            node.classes = frozenset(attributes.get("class", "").split())
            self.stack[-1].children.append(node)
            self.stack.append(node)
        if self.formula or (tag == "math" and element.get("alttext")):
            self.formula += 1

    def close(self) -> None:
        if self.formula:
            self.formula -= 1
        if self.kept.pop():
            node = self.stack.pop()
            closing = f"</{node.tag}>"
            at = self._tag_at(closing)
            node.end = at + len(closing) if self.texts.page.startswith(closing, at) else max(at, node.start)

    def _tag_at(self, tag: str) -> int:
        """Where the next tag stands between the text before and the text after; else where the text before ended."""
        page, before = self.texts.page, self.texts.before()
        limit = min(self.texts.after(), before + _TAG_WINDOW)
        found = page.find(tag, max(before, self.cursor), limit)
        if found < 0 or page[found + len(tag) : found + len(tag) + 1].isalnum():
            return max(before, min(self.cursor, limit))  # the parser supplied it, as it does <tbody>
        self.cursor = found + 1
        return found


def _build(root: etree._Element, texts: _Texts, name: str) -> Node:
    builder = _TreeBuilder(texts, name)
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if event == "start":
            builder.open(element)
            builder.text(element.text)
        else:
            if event == "end":
                builder.close()
            builder.text(element.tail)
    return builder.top
