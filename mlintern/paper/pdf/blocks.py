"""Lines of a PDF grouped into headings, paragraphs, items and captions."""

import itertools
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlintern.paper.document.document import BlockKind
from mlintern.paper.document.draft import Grid
from mlintern.paper.pdf.layout import TextLine
from mlintern.paper.pdf.order import is_ruled_off
from mlintern.paper.pdf.pages import CAPTION, subcaption_of
from mlintern.paper.pdf.regions import Region, Rule

NUMBERED = re.compile(r"(?P<number>(?:\d{1,2}|[A-Z])(?:\.\d{1,2}){0,3})\.?\s+(?P<title>[A-Z].{0,90})$")
_NAMED = re.compile(
    r"(?:Abstract|References|Bibliography|Acknowledge?ments?|Appendix.{0,40}|Conclusions?|Introduction|Limitations)\.?$",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:[•◦▪–—-]|\(?[0-9a-z]{1,2}[.)])\s+\S")
ENTRY = re.compile(r"\[(?:\d+|[A-Za-z+]+\d+)\]\s*")
_REFERENCES = re.compile(r"(?:\d+\.?\s+)?(?:References|Bibliography)\b", re.IGNORECASE)


@dataclass
class LineBlock:
    """Lines that belong together, and what they are."""

    kind: BlockKind
    lines: list[TextLine] = field(default_factory=list)
    caption: re.Match[str] | None = None
    grid: Grid | None = None
    region: Region | None = None
    parent: "LineBlock | None" = None
    """The table's caption that a subcaption belongs to."""
    parts: "list[LineBlock]" = field(default_factory=list)

    @property
    def is_sub(self) -> bool:
        """Whether it is the subcaption of a part: `(a) ...`."""
        return self.caption is not None and self.caption["kind"] == "("

    @property
    def is_table(self) -> bool:
        return self.caption is not None and self.caption["kind"].lower().startswith("tab")

    @property
    def number(self) -> str:
        return self.caption["number"].lstrip(".") if self.caption else ""

    @property
    def words(self) -> str:
        """A caption without its number."""
        text = " ".join(line.text for line in self.lines)
        return " ".join(text[self.caption.start("words") :].split()) if self.caption else text


class Blocks:
    """Groups the lines of one page after the other."""

    def __init__(self, body_size: float):
        self.body_size = body_size
        self.in_references = False

    def of(self, lines: list[TextLine], rules: list[Rule]) -> Iterator[LineBlock]:
        """Lines grouped by distance, size, indentation and the rules between them."""
        leading = statistics.median(
            [b.baseline - a.baseline for a, b in itertools.pairwise(lines) if 0 < b.baseline - a.baseline < 40]
            or [12.0]
        )
        block: LineBlock | None = None
        beside: list[LineBlock] = []
        """The last captions that began on one line; their lines alternate."""
        for line in lines:
            caption = CAPTION.match(line.text) or subcaption_of(line, rules)
            heading = self.is_heading(line)
            if heading:
                self.in_references = _REFERENCES.match(line.text) is not None
            begins = caption is not None or heading
            home = next(
                (
                    one
                    for one in ([block, *beside] if block and not begins else ())
                    if not is_ruled_off(one.lines[-1], line, rules)
                    and not self._starts_new(one, one.lines[-1], line, leading)
                ),
                None,
            )
            if home:
                home.lines.append(line)
                continue
            if block:
                yield block
            kind: BlockKind = "caption" if caption else "heading" if heading else "paragraph"
            if kind == "paragraph" and _ITEM.match(line.text):
                kind = "item"
            block = LineBlock(kind, [], caption)
            block.lines.append(line)
            if caption and beside and abs(beside[0].lines[0].baseline - line.baseline) < 1:
                beside.append(block)
            elif caption:
                beside = [block]
        if block:
            yield block

    def _starts_new(self, block: LineBlock, last: TextLine, line: TextLine, leading: float) -> bool:
        gap = line.baseline - last.baseline
        if block.kind == "heading":
            return True
        if gap < 0.75 * min(last.size, line.size) or gap > 1.35 * max(leading, last.size):
            return True  # lines of one paragraph neither overlap nor stand far apart
        if abs(line.size - last.size) > 0.1 * last.size or line.x0 > last.x1 or line.x1 < last.x0:
            return True
        if _ITEM.match(line.text) and line.x0 <= block.lines[0].x0 + 2 and block.kind == "item":
            return True
        if self.in_references and ENTRY.match(line.text):
            return True
        return 6 < line.x0 - last.x0 < 30 and len(block.lines) > 1 and block.kind == "paragraph"

    def is_heading(self, line: TextLine) -> bool:
        if CAPTION.match(line.text):
            return False
        prominent = line.bold or line.size > 1.08 * self.body_size
        return bool(prominent and (NUMBERED.match(line.text) or _NAMED.match(line.text)))
