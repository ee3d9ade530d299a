"""The lines and rules of each page of a PDF; what stands turned on a page is a page of its own."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mlintern.paper.document.document import MissingPart
from mlintern.paper.pdf.chunks import chunks_of
from mlintern.paper.pdf.layout import (
    TURNS,
    Box,
    Label,
    TextLine,
    Turn,
    box_of,
    glyphs_of,
    gutter_of,
    lines_of,
    turn_of,
    turned_back,
    turned_box,
)
from mlintern.paper.pdf.regions import Rule, rules_of

MAX_GLYPHS = 60_000
"""Of one page; a dense page of text has about 7,000, a scatter plot drawn with glyphs may have more."""
CAPTION = re.compile(
    r"(?P<kind>Table|TABLE|Tab\.|Figure|FIGURE|Fig\.)\s*(?P<number>[A-Z]?\.?\d+(?:\.\d+)*|[IVXL]+)\s*[:.|—–](?P<words>)"
)
SUBCAPTION = re.compile(r"(?P<kind>\()(?P<number>[a-z])\)(?P<words>)\s+\S")
_MUCH = 200
"""Turned characters of a page that are more than the labels of axes."""


@dataclass
class PdfPage:
    """One page, or what is turned on it, as it would stand if the page were turned."""

    number: int
    width: float
    height: float
    lines: list[TextLine]
    rules: list[Rule]
    gutter: float | None
    free: list[TextLine] = field(default_factory=list)
    """Lines that are no caption's."""
    labels: list[Label] = field(default_factory=list)
    """Text that stands turned beside the lines: `\\rotatebox` in a table, the labels of axes."""
    slanted: list[Box] = field(default_factory=list)
    """Characters that are turned by some other angle."""


def pages_of(page: Any, number: int, missing: list[MissingPart]) -> list[PdfPage]:
    """A pdfplumber page, and what is turned on it if that holds a caption (`sidewaystable`); what else is turned (the
    labels of axes, the stamp of an archive) is no text of the paper. Says what is not read in `missing`."""

    def lost(kind: str, why: str) -> None:
        missing.append(MissingPart(kind=kind, name=f"page {number}", why=why))  # type: ignore[arg-type]

    frames: dict[Turn | None, PdfPage] = {}
    labels: list[tuple[Turn | None, list[TextLine]]] = []
    for turn in (None, *TURNS):
        glyphs = glyphs_of(page, turn)
        if len(glyphs) > MAX_GLYPHS:
            lost("limit", f"it holds more than {MAX_GLYPHS} characters; the rest is not read")
            glyphs = glyphs[:MAX_GLYPHS]
        width, height = float(page.width), float(page.height)
        if turn in ("up", "down"):
            width, height = height, width
        gutter = gutter_of(glyphs, width)
        lines = list(_captions_apart(lines_of(glyphs, gutter)))
        if turn and not any(CAPTION.match(line.text) for line in lines):
            if len(glyphs) > _MUCH:
                lost("text", f"{len(glyphs)} of its characters are turned, and no caption stands among them")
            labels.append((turn, lines))
            continue
        unknown = sum(word.unknown for line in lines for word in line.words)
        if unknown:
            lost("text", f"the PDF does not say which characters {unknown} of its glyphs are")
        frames[turn] = PdfPage(number, width, height, lines, rules_of(page, turn), gutter)
    slanted = [box_of(char) for char in page.chars if turn_of(char) == "slanted" and char["text"].strip()]
    for turn, frame in frames.items():
        frame.slanted = [turned_box(box, page, turn) for box in slanted]
        for other, lines in [*labels, *((other, beside.lines) for other, beside in frames.items() if other != turn)]:
            parts = [TextLine(line.baseline, line.size, chunk.words) for line in lines for chunk in chunks_of(line)]
            frame.labels += [Label(part, turned_box(turned_back(part.box, page, other), page, turn)) for part in parts]
    pages = list(frames.values())
    if not any(page.lines for page in pages) and (page.images or page.rects or page.curves):
        lost("pages", "it holds no text (a scan or a drawing)")
    page.close()  # pdfplumber keeps every object of a page otherwise
    return pages


def _captions_apart(lines: list[TextLine]) -> Iterator[TextLine]:
    """The lines, with captions that share a line with another caption or with the text beside them on lines of their
    own; `lines` from top to bottom."""
    edge: float | None = None
    """Where the caption begins whose lines have text beside them."""
    for line in lines:
        before, after = line.parted(edge, float("inf"))[::-1] if edge is not None else (line, None)
        edge = edge if before and after else None
        for part in (before, after):
            while part is not None:
                caption = CAPTION.match(part.text)
                part, rest = _first_caption(part)
                if rest is None and caption:
                    part, rest = _without_beside(part, lines)
                    edge = rest.x0 - 4 if rest else edge
                yield part
                if rest and not caption:
                    edge = rest.x0 - 4
                part = rest


def _first_caption(line: TextLine) -> tuple[TextLine, TextLine | None]:
    """What stands before a caption inside the line, and the rest of the line."""
    sub = SUBCAPTION.match(line.text)
    patterns = (CAPTION, SUBCAPTION) if sub else (CAPTION,)
    for index, (last, word) in enumerate(itertools.pairwise(line.words), 1):
        gap = 0.85 * line.size  # a stretched space has up to 0.8
        if sub and word.text == f"({chr(ord(sub['number']) + 1)})":
            gap = 0.4 * line.size  # after (a) comes (b): nothing else is written like this
        if word.x0 - last.x1 > gap:
            before, rest = line.cut(index)
            if any(pattern.match(rest.text) for pattern in patterns):
                return before, rest
    return line, None


def _without_beside(line: TextLine, lines: list[TextLine]) -> tuple[TextLine, TextLine | None]:
    """The caption that begins a line, and the text that flows beside it: behind a gap, where a line above or below has
    its left edge, too."""
    for index, (last, word) in enumerate(itertools.pairwise(line.words), 1):
        caption, rest = line.cut(index)
        found = CAPTION.match(caption.text)
        if word.x0 - last.x1 > 0.85 * line.size and found and found.end() < len(caption.text):
            near = [other for other in lines if 0 < abs(other.baseline - line.baseline) < 3 * line.size]
            if any(_begins_at(word.x0, other) for other in near):
                return caption, rest
    return line, None


def _begins_at(x: float, line: TextLine) -> bool:
    """Whether a line, or what stands behind a gap in it, begins at this x."""
    before = [None, *line.words[:-1]]
    return any(
        abs(word.x0 - x) < 1 and (last is None or word.x0 - last.x1 > 0.85 * line.size)
        for last, word in zip(before, line.words, strict=True)
    )


def subcaption_of(line: TextLine, rules: list[Rule]) -> re.Match[str] | None:
    """The beginning of a subcaption: like that of an item, but right beside a rule."""
    found = SUBCAPTION.match(line.text)
    near = any(abs(rule.y - line.baseline) < 35 and rule.x0 < line.x1 and rule.x1 > line.x0 for rule in rules)
    return found if near else None
