"""The order in which a page's lines are read, and what separates them."""

import re

from mlintern.paper.pdf.layout import TextLine
from mlintern.paper.pdf.regions import Rule


def text_lines(lines: list[TextLine], height: float, gutter: float | None) -> list[TextLine]:
    """The lines of a page's text in reading order, its page number left out."""
    return _reading_order([line for line in lines if not is_page_number(line, height)], gutter)


def is_ruled_off(last: TextLine, line: TextLine, rules: list[Rule]) -> bool:
    """Whether a horizontal rule stands between two lines."""
    return any(
        last.baseline < rule.y < line.baseline - 0.5 * line.size
        and rule.x0 < line.x1
        and rule.x1 > line.x0
        and rule.x1 - rule.x0 > 40
        for rule in rules
    )


def is_page_number(line: TextLine, height: float) -> bool:
    at_edge = line.baseline > 0.88 * height or line.baseline < 0.06 * height
    return at_edge and re.fullmatch(r"[-–]?\s*\d{1,4}\s*[-–]?", line.text) is not None


def _reading_order(lines: list[TextLine], gutter: float | None) -> list[TextLine]:
    """Top to bottom; on a page of two columns the left one first, between lines that cross the gutter."""
    lines = sorted(lines, key=lambda line: (line.baseline, line.x0))
    if gutter is None:
        return lines
    ordered: list[TextLine] = []
    left: list[TextLine] = []
    right: list[TextLine] = []
    for line in lines:
        if line.x1 <= gutter:
            left.append(line)
        elif line.x0 >= gutter:
            right.append(line)
        else:
            ordered += [*left, *right, line]
            left, right = [], []
    return [*ordered, *left, *right]
