"""Lines and words of a PDF page from its glyphs, with sub- and superscripts recognised by size and baseline.

A PDF has no words, only glyphs at places. Text extractors drop the height of a glyph, which turns 10^3 into 103; here a
glyph that is smaller and raised or lowered beside another one is written as a script, and one that is neither clearly
raised nor clearly not makes its word doubtful.
"""

import itertools
import statistics
import unicodedata
from dataclasses import dataclass, field
from typing import Any, Literal

_SCRIPT_SIZE = 0.86
"""A script is smaller than this part of its neighbour; LaTeX's scripts have 0.7."""
_SCRIPT_SHIFT = 0.14
"""And shifted by at least this part of the neighbour's size; LaTeX's superscripts by about 0.36, subscripts by 0.15."""
_UNSURE_SHIFT = 0.06
_APART = 0.6
"""Parts of the font size between a table and the text beside it, at least."""
_OVERLAP = 0.2
"""Parts of the font size by which one character may reach into the next (italics, accents)."""
_WORD_GAP = 0.17
"""Parts of the font size; a space of Computer Modern has 0.33, kerning up to 0.1."""
_LIGATURES = {"ﬁ": "fi", "ﬂ": "fl", "ﬀ": "ff", "ﬃ": "ffi", "ﬄ": "ffl"}


Turn = Literal["up", "down", "over"]
"""Text that runs from the bottom of the page to its top (`sidewaystable`), the other way, or upside down."""
TURNS: tuple[Turn, ...] = ("up", "down", "over")
Box = tuple[float, float, float, float]
"""x0, x1, top and bottom."""


@dataclass
class Glyph:
    """One character of the page; y grows downwards."""

    text: str
    x0: float
    x1: float
    baseline: float
    size: float
    bold: bool
    script: str = ""
    """`^`, `_` or nothing."""
    unsure: bool = False


@dataclass
class Word:
    """Glyphs without a space between them."""

    text: str
    x0: float
    x1: float
    size: float
    bold: bool
    doubt: str = ""
    unknown: int = 0
    """Glyphs whose character the PDF does not say."""
    lead_bold: bool = False
    """Its first glyph is bold: of `94.1±0.3` the value may be marked and its spread not."""


class Words:
    """Words from left to right."""

    words: list[Word]

    @property
    def x0(self) -> float:
        return self.words[0].x0

    @property
    def x1(self) -> float:
        return self.words[-1].x1

    @property
    def text(self) -> str:
        """The words with spaces."""
        return " ".join(word.text for word in self.words)


@dataclass
class TextLine(Words):
    """Words on one baseline, in one column of the page."""

    baseline: float
    size: float
    words: list[Word] = field(default_factory=list)

    @property
    def bold(self) -> bool:
        return all(word.bold for word in self.words)

    def parted(self, x0: float, x1: float) -> "tuple[TextLine | None, TextLine | None]":
        """The words whose middle lies between two x and the others; all count as others where no gap parts the two,
        because then the line is one text."""
        inside = [word for word in self.words if x0 <= (word.x0 + word.x1) / 2 <= x1]
        others = [word for word in self.words if not x0 <= (word.x0 + word.x1) / 2 <= x1]
        if not inside or not others:
            return (self, None) if inside else (None, self)
        gap = min(max(word.x0 - inside[-1].x1, inside[0].x0 - word.x1) for word in others)
        if gap < _APART * self.size:
            return None, self
        return self._of(inside), self._of(others)

    def cut(self, index: int) -> "tuple[TextLine, TextLine]":
        """The words before `index`, and the others."""
        before, after = self.words[:index], self.words[index:]
        return TextLine(self.baseline, self.size, before), TextLine(self.baseline, self.size, after)

    def _of(self, words: list[Word]) -> "TextLine":
        return TextLine(self.baseline, statistics.median(word.size for word in words), words)

    @property
    def box(self) -> Box:
        """About where its letters stand."""
        return self.x0, self.x1, self.baseline - 0.75 * self.size, self.baseline + 0.25 * self.size


@dataclass(frozen=True)
class Label:
    """A line that stands turned on its page, and the box it fills there."""

    line: TextLine
    box: Box


def glyphs_of(page: Any, turned: Turn | None = None) -> list[Glyph]:
    """The upright glyphs of a pdfplumber page that stand on it, without spaces; with `turned`, those that run upwards
    or downwards, where they would stand if the page were turned so that they are upright."""
    found = []
    for char in page.chars:
        if turn_of(char) != (turned or ""):
            continue
        if turned is not None:
            char = _turned(char, page, turned)
        text = "".join(_LIGATURES.get(c, c) for c in char["text"])
        if not text.strip() or char["size"] <= 0.5:
            continue
        width, height = (page.height, page.width) if turned in ("up", "down") else (page.width, page.height)
        if not (-5 <= char["x0"] <= width + 5 and -5 <= char["top"] <= height + 5):
            continue
        baseline = char.get("baseline", float(page.height) - float(char["matrix"][5]) + float(page.bbox[1]))
        name = str(char.get("fontname", "")).lower()
        bold = any(mark in name for mark in ("bold", "cmbx", "-bd", "black", "heavy", "medi", "-semibold", "bx1"))
        # letters of formulas (𝑛) are letters
        text = unicodedata.normalize("NFKC" if all("\U0001d400" <= c <= "\U0001d7ff" for c in text) else "NFC", text)
        found.append(Glyph(text, float(char["x0"]), float(char["x1"]), baseline, float(char["size"]), bold))
    return found


def turn_of(char: dict[str, Any]) -> Turn | Literal["", "slanted"]:
    """Which way the text of a pdfplumber character runs; `""` for upright, even if its letters lean."""
    a, b, c, d = (float(x) for x in char["matrix"][:4])
    if abs(b) <= 0.01 * (abs(a) + abs(d)):
        return "over" if a < 0 and d < 0 else ""
    if abs(a) + abs(d) > 0.01 * (abs(b) + abs(c)) or b * c >= 0:
        return "slanted"
    return "up" if b > 0 else "down"


def box_of(shape: dict[str, Any]) -> Box:
    """The box of something on a pdfplumber page."""
    x0, x1, top, bottom = (float(shape[key]) for key in ("x0", "x1", "top", "bottom"))
    return x0, x1, top, bottom


def turned_box(box: Box, page: Any, turn: Turn | None) -> Box:
    """The box of something on the page, after turning the page so that text of this turn is upright."""
    x0, x1, top, bottom = box
    width, height = float(page.width), float(page.height)
    if turn is None:
        return box
    if turn == "over":
        return width - x1, width - x0, height - bottom, height - top
    if turn == "up":
        return height - bottom, height - top, x0, x1
    return top, bottom, width - x1, width - x0


def turned_back(box: Box, page: Any, turn: Turn | None) -> Box:
    """The inverse of `turned_box`: a box on the turned page as it stands on the page."""
    x0, x1, top, bottom = box
    if turn == "up":
        return top, bottom, float(page.height) - x1, float(page.height) - x0
    if turn == "down":
        return float(page.width) - bottom, float(page.width) - top, x0, x1
    return turned_box(box, page, turn)


def _turned(char: dict[str, Any], page: Any, turn: Turn) -> dict[str, Any]:
    x0, x1, top, bottom = turned_box(box_of(char), page, turn)
    x, y = (float(value) for value in char["matrix"][4:6])
    baseline = {"up": x, "down": float(page.width) - x, "over": y - float(page.bbox[1])}[turn]
    return char | {"x0": x0, "x1": x1, "top": top, "size": bottom - top, "baseline": baseline}


def runs_of(glyphs: list[Glyph]) -> list[list[Glyph]]:
    """Glyphs of about one size on one baseline without a wide gap, left to right."""
    runs: list[list[Glyph]] = []
    rows: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda g: (g.baseline, g.x0)):
        row = rows[-1] if rows else None
        if row and abs(row[-1].baseline - glyph.baseline) < 0.04 * glyph.size + 0.05:
            row.append(glyph)
        else:
            rows.append([glyph])
    for row in rows:
        row.sort(key=lambda g: g.x0)
        run: list[Glyph] = []
        for glyph in row:
            gap = glyph.x0 - run[-1].x1 if run else 0.0
            if run and (gap > 0.9 * glyph.size or abs(glyph.size - run[-1].size) > 0.08 * glyph.size):
                runs.append(run)
                run = []
            run.append(glyph)
        runs.append(run)
    return runs


def mark_scripts(glyphs: list[Glyph]) -> list[list[Glyph]]:
    """Runs on the baselines of the page's lines; runs that are scripts are marked and moved to their neighbour's."""
    runs = sorted(runs_of(glyphs), key=lambda run: -run[0].size)
    placed: list[list[Glyph]] = []
    by_band: dict[int, list[Glyph]] = {}
    for run in runs:
        base = _neighbour(run[0], by_band)
        if base is not None:
            shift = (base.baseline - run[0].baseline) / base.size
            small = run[0].size < _SCRIPT_SIZE * base.size
            for glyph in run:
                if small and abs(shift) >= _SCRIPT_SHIFT:
                    glyph.script = "^" if shift > 0 else "_"
                elif small and abs(shift) >= _UNSURE_SHIFT and glyph.text.isdigit():
                    glyph.unsure = True
                glyph.baseline = base.baseline
        placed.append(run)
        for glyph in run:
            by_band.setdefault(int(glyph.baseline // 10), []).append(glyph)
    return placed


def _neighbour(first: Glyph, by_band: dict[int, list[Glyph]]) -> Glyph | None:
    """The larger glyph directly left of a small run and within a script's reach of its baseline."""
    best: Glyph | None = None
    band = int(first.baseline // 10)
    for near in (band - 1, band, band + 1):
        for glyph in by_band.get(near, ()):
            gap = first.x0 - glyph.x1
            if not -0.35 * glyph.size <= gap <= 0.3 * glyph.size or first.size >= 0.97 * glyph.size:
                continue
            if abs(glyph.baseline - first.baseline) > 0.75 * glyph.size or glyph.x0 >= first.x0:
                continue
            if best is None or abs(gap) < abs(first.x0 - best.x1):
                best = glyph
    return best


def lines_of(glyphs: list[Glyph], split_at: float | None = None) -> list[TextLine]:
    """The page's lines from top to bottom; with `split_at`, a line never crosses that x unless a word does."""
    mark_scripts(glyphs)
    rows: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda g: (g.baseline, g.x0)):
        if rows and abs(rows[-1][-1].baseline - glyph.baseline) <= 0.12 * glyph.size + 0.1:
            rows[-1].append(glyph)
        else:
            rows.append([glyph])
    lines: list[TextLine] = []
    for row in rows:
        words = words_of(sorted(row, key=lambda g: g.x0))
        for part in _sides(words, split_at):
            size = statistics.median(word.size for word in part)
            lines.append(TextLine(row[0].baseline, size, part))
    return lines


def _sides(words: list[Word], split_at: float | None) -> list[list[Word]]:
    if split_at is None:
        return [words]
    left = [word for word in words if word.x1 <= split_at]
    right = [word for word in words if word.x0 >= split_at]
    if len(left) + len(right) < len(words) or not left or not right:
        return [words]
    if right[0].x0 - left[-1].x1 < 0.8 * left[-1].size:
        return [words]  # a full-width line whose words happen to leave the middle free
    return [left, right]


def words_of(glyphs: list[Glyph]) -> list[Word]:
    """Words of glyphs on one line, left to right."""
    words: list[list[Glyph]] = []
    for glyph in glyphs:
        size = max(glyph.size, words[-1][-1].size) if words else glyph.size
        if words and glyph.x0 - words[-1][-1].x1 <= _WORD_GAP * size:
            words[-1].append(glyph)
        else:
            words.append([glyph])
    return [_word(group) for group in words]


def _word(glyphs: list[Glyph]) -> Word:
    parts: list[str] = []
    scripts: dict[str, str] = {}
    """What stands above and below the last base character; the two overlap from left to right."""
    unknown = 0
    for glyph in glyphs:
        text = glyph.text
        if text.startswith("(cid:") or text == "\ufffd":
            unknown += 1
            text = "\ufffd"
        if glyph.script:
            scripts[glyph.script] = scripts.get(glyph.script, "") + text
            continue
        parts += [f"{mark}{{{inside}}}" for mark, inside in scripts.items()]
        scripts = {}
        parts.append(text)
    parts += [f"{mark}{{{inside}}}" for mark, inside in scripts.items()]
    doubt = ""
    if unknown:
        doubt = "the PDF does not say which characters these are"
    elif any(glyph.unsure for glyph in glyphs):
        doubt = "a smaller digit here may be a superscript"
    elif _overlap(glyphs):
        doubt = "its characters stand upon each other"
    base = [glyph for glyph in glyphs if not glyph.script] or glyphs
    return Word(
        text="".join(parts),
        x0=glyphs[0].x0,
        x1=max(glyph.x1 for glyph in glyphs),
        size=statistics.median(glyph.size for glyph in base),
        bold=all(glyph.bold for glyph in base),
        doubt=doubt,
        unknown=unknown,
        lead_bold=base[0].bold,
    )


def _overlap(glyphs: list[Glyph]) -> bool:
    """Whether characters of a number share a place: the texts of two cells, printed over each other. Scripts above and
    below one character do so, too."""
    return any(glyph.text.isdigit() for glyph in glyphs) and any(
        a.x1 - b.x0 > _OVERLAP * b.size and not (a.script and b.script) for a, b in itertools.pairwise(glyphs)
    )


def gutter_of(glyphs: list[Glyph], width: float) -> float | None:
    """The x between two columns of text, or None for a page of one column.

    Near the middle, almost no glyph of a two-column page crosses the gutter, and both sides are full.
    """
    if len(glyphs) < 200:
        return None
    steps = [width * (0.42 + 0.01 * i) for i in range(17)]
    crossing = [sum(1 for g in glyphs if g.x0 - 2.0 < x < g.x1 + 2.0) for x in steps]
    least = min(crossing)
    best = [x for x, count in zip(steps, crossing, strict=True) if count == least]
    x = best[len(best) // 2]
    left = sum(1 for g in glyphs if g.x1 < x)
    if least > 0.004 * len(glyphs) or not 0.2 < left / len(glyphs) < 0.8:
        return None
    return x
