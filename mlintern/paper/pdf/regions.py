"""Where a page's tables stand: between horizontal rules near a caption, and the rows right beyond them."""

import itertools
import statistics
from dataclasses import dataclass, replace
from typing import Any

from mlintern.paper.pdf.chunks import chunks_of, columns_of
from mlintern.paper.pdf.layout import Box, TextLine, Turn, box_of, turned_box

_NARROWEST = 25.0
"""Points that a table's rule has at least; bars of fractions are shorter."""


@dataclass(frozen=True)
class Rule:
    """A horizontal line; y grows downwards."""

    x0: float
    x1: float
    y: float


@dataclass(frozen=True)
class Region:
    """The place of a table: between its first and its last full-width rule."""

    x0: float
    x1: float
    top: float
    bottom: float
    rules: tuple[float, ...]
    partial: tuple[Rule, ...]
    """Rules below some columns of a header."""

    def parted(self, line: TextLine) -> tuple[TextLine | None, TextLine | None]:
        """What of a line stands in the table, and what beside it: text that flows around a narrow table, or another
        table, may share its baselines."""
        if not self.top - 1 < line.baseline < self.bottom + 0.4 * line.size:
            return None, line
        return self.beside(line)

    def beside(self, line: TextLine) -> tuple[TextLine | None, TextLine | None]:
        """Like `parted`, at whatever height the line stands."""
        return line.parted(self.x0 - 8, self.x1 + 8)

    def holds(self, line: TextLine) -> bool:
        """Whether all of the line stands in the table."""
        return self.parted(line)[1] is None

    def has(self, box: Box) -> bool:
        """Whether the middle of a box lies in the table."""
        x, y = (box[0] + box[1]) / 2, (box[2] + box[3]) / 2
        return self.x0 - 8 < x < self.x1 + 8 and self.top - 1 < y < self.bottom + 4

    def headed_by(self, box: Box) -> bool:
        """Whether turned text stands on the table's first rule, which then is the line below its head."""
        return self.x0 - 8 < (box[0] + box[1]) / 2 < self.x1 + 8 and self.rules[0] - 9 < box[3] < self.rules[0] + 1

    def meets(self, other: "Region") -> bool:
        """Whether two tables would share part of the page."""
        over = min(self.bottom, other.bottom) - max(self.top, other.top)
        return over > 2 and self.x0 < other.x1 and self.x1 > other.x0


def rules_of(page: Any, turned: Turn | None = None) -> list[Rule]:
    """Horizontal lines and thin boxes of a pdfplumber page (of the turned page), pieces on one line joined."""
    found = []
    for shape in [*page.lines, *page.rects]:
        x0, x1, top, bottom = turned_box(box_of(shape), page, turned)
        if abs(bottom - top) <= 1.6 and x1 - x0 >= 8:
            found.append(Rule(x0, x1, (top + bottom) / 2))
    found.sort(key=lambda rule: (round(rule.y), rule.x0))
    joined: list[Rule] = []
    for rule in found:
        last = joined[-1] if joined else None
        if last and abs(last.y - rule.y) < 0.8 and rule.x0 - last.x1 < 1.0:
            joined[-1] = replace(last, x1=max(last.x1, rule.x1))
        else:
            joined.append(rule)
    return sorted(joined, key=lambda rule: rule.y)


def regions_near(
    caption: list[TextLine], rules: list[Rule], others: list[TextLine], gutter: float | None = None
) -> tuple[Region | None, Region | None]:
    """The tables that a caption may belong to: below it, and above it; `others` are the first lines of other
    captions."""
    wide = [rule for rule in rules if rule.x1 - rule.x0 > _NARROWEST]
    x0, x1 = min(line.x0 for line in caption), max(line.x1 for line in caption)
    under, over = _regions(caption, [rule for rule in wide if rule.x1 > x0 and rule.x0 < x1], others)
    if not (under and over) and not any(abs(line.baseline - caption[0].baseline) < 45 for line in others):
        if gutter is not None:
            wide = [rule for rule in wide if (rule.x0 < gutter and x0 < gutter) or (rule.x1 > gutter and x1 > gutter)]
        below, above = _regions(caption, wide, others)  # the caption is centred, the table is not
        under, over = under or below, over or above
    return under, over


def _regions(
    caption: list[TextLine], beside: list[Rule], others: list[TextLine]
) -> tuple[Region | None, Region | None]:
    under = over = None
    top, bottom = caption[0].baseline - caption[0].size, caption[-1].baseline
    stops = sorted(line.baseline for line in others)
    # negative space after a caption may pull the first rule up into its last line
    below = [rule for rule in beside if bottom - 0.4 * caption[-1].size < rule.y < bottom + 45]
    if below:
        limit = next((y for y in stops if y > bottom + 1), float("inf"))
        under = _grow(below[0], [rule for rule in beside if below[0].y <= rule.y < limit])
    above = [rule for rule in beside if top - 45 < rule.y < top + 2]
    if above:
        limit = next((y for y in reversed(stops) if y < top - 1), float("-inf"))
        over = _grow(above[-1], [rule for rule in beside if limit < rule.y <= above[-1].y])
    return under, over


def _grow(first: Rule, rules: list[Rule]) -> Region | None:
    full = [rule for rule in rules if abs(rule.x0 - first.x0) < 4 and abs(rule.x1 - first.x1) < 4]
    ys: list[float] = []
    for rule in sorted(full, key=lambda rule: abs(rule.y - first.y)):
        if ys and min(abs(rule.y - y) for y in ys) > 350:
            break  # the rules of another table
        ys.append(rule.y)
    ys.sort()
    if len(ys) == 1 and first.x1 - first.x0 > 60:  # one line, below the header
        return Region(first.x0, first.x1, first.y - 14, first.y + 14, (first.y,), ())
    if len(ys) < 2 or ys[-1] - ys[0] < 8:
        return None
    partial = tuple(rule for rule in rules if rule not in full and ys[0] < rule.y < ys[-1])
    return Region(first.x0, first.x1, ys[0], ys[-1], tuple(ys), partial)


def extended(region: Region, lines: list[TextLine]) -> Region:
    """A table whose first or last line has no rule outside it (`\\hline` below the header alone): the rows right beyond
    its rules that fill its columns belong to it."""
    lines = _rejoined([part for line in lines if (part := region.beside(line)[0])])
    inside = [chunks_of(line) for line in lines if region.holds(line)]
    columns = columns_of(inside)
    ordered = sorted(lines, key=lambda line: line.baseline)
    pitches = [b.baseline - a.baseline for a, b in itertools.pairwise(line for line in ordered if region.holds(line))]
    reach = 1.7 * max(
        statistics.median([p for p in pitches if p > 2] or [0.0]), max((x.size for x in lines), default=0)
    )
    for line in [line for line in ordered if line.baseline > region.bottom]:
        last = max((x.baseline for x in ordered if region.holds(x)), default=region.bottom)
        if line.baseline - last > reach or not _fills(line, columns, region):
            break
        region = replace(region, bottom=line.baseline + 0.1)
    for line in reversed([line for line in ordered if line.baseline <= region.top]):
        first = min((x.baseline for x in ordered if region.holds(x)), default=region.top)
        if first - line.baseline > reach or not _fills(line, columns, region):
            break
        region = replace(region, top=line.baseline - 0.1)
    return region


def _rejoined(lines: list[TextLine]) -> list[TextLine]:
    """Lines whose parts stand on one baseline (cut at the gutter of a page of two columns) in one piece."""
    found: list[TextLine] = []
    for line in sorted(lines, key=lambda line: (line.baseline, line.x0)):
        if found and abs(found[-1].baseline - line.baseline) < 0.5 and found[-1].x1 < line.x0:
            found[-1] = replace(found[-1], words=found[-1].words + line.words)
        else:
            found.append(line)
    return found


def left_over(region: Region, rules: list[Rule], lines: list[TextLine], taken: list[Region]) -> str:
    """What of a caption's table may not have been read, '' if nothing: a second grid beside it, or rows below its last
    rule that do not fill its columns. `taken` are the grids that were read."""
    level = [rule for rule in rules if region.top - 1 <= rule.y <= region.bottom + 1 and rule.x1 - rule.x0 > 40]
    beside = [rule for rule in level if rule.x1 < region.x0 - 1 or rule.x0 > region.x1 + 1]
    tops = [rule for rule in beside if abs(rule.y - region.rules[0]) < 1]
    for rule in tops:
        read = any(
            rule.x0 < other.x1 and rule.x1 > other.x0 and other.top - 2 < rule.y < other.bottom for other in taken
        )
        if not read and sum(abs(other.x0 - rule.x0) < 4 and abs(other.x1 - rule.x1) < 4 for other in beside) > 1:
            return "rules beside it hold a second grid that was not read; its words are in the text"
    inside = sorted(line.baseline for line in lines if region.parted(line)[0])
    if not inside or region.rules[-1] > inside[-1]:
        return ""
    pitch = statistics.median([b - a for a, b in itertools.pairwise(inside)] or [0.0])
    for line in lines:
        part = region.beside(line)[0]
        if part and 1 < line.baseline - inside[-1] <= 1.1 * pitch and part.x0 <= region.x1 - 4:
            return "no rule stands below its last row, and the lines that follow may be rows of it"
    return ""


def _fills(line: TextLine, columns: list[tuple[float, float]], region: Region) -> bool:
    """Whether a line's parts stand in most of the columns, one in each at most."""
    chunks = chunks_of(line)
    if line.x0 < region.x0 - 8 or line.x1 > region.x1 + 8 or len(columns) < 2:
        return False
    hit = [[i for i, (x0, x1) in enumerate(columns) if chunk.x0 < x1 and chunk.x1 > x0] for chunk in chunks]
    single = [found[0] for found in hit if len(found) == 1]
    return len(single) == len(set(single)) == len(chunks) and 2 * len(single) > len(columns)
