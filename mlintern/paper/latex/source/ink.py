"""Plain text as it is written: every character with its source, style and references to be resolved at the end."""

from bisect import bisect_left
from dataclasses import dataclass, replace

from mlintern.paper.document.document import Piece
from mlintern.paper.latex.source.tokens import Token

HOLE = "\ufffc"
"""Stands in the draft where a reference's number will be; every other occurrence is dropped."""


@dataclass(frozen=True)
class Style:
    """How a run of text is set."""

    bold: bool = False
    italic: bool = False
    underline: bool = False


PLAIN = Style()


class Ink:
    """The Document's text in the making.

    White space is collapsed: `space` asks for one, which is written only if text follows in the same block.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0
        self.pieces: list[Piece] = []
        self.styles: list[tuple[int, int, Style]] = []
        self.holes: list[tuple[int, str]] = []
        """Position of each HOLE and the key it waits for."""
        self.cites: list[tuple[int, int]] = []
        self._space: Token | None = None
        self._math_space = False
        self._empty = True

    def space(self, token: Token, math: bool = False) -> None:
        """Asks for a space; one asked for inside a formula is typography and goes if the formula ends there."""
        if not self._empty and self._space is None:
            self._space, self._math_space = token, math

    @property
    def spaced(self) -> bool:
        """Whether a space has been asked for."""
        return self._space is not None

    def unspace(self, math: bool) -> None:
        """Takes back a space that was asked for inside a formula."""
        if self._space is not None and self._math_space == math:
            self._space = None

    def put(self, text: str, token: Token, style: Style = PLAIN, exact: bool = False) -> None:
        """Writes text that came from `token`; `exact` if it is spelled so in the source, character by character."""
        if not text:
            return
        if HOLE in text:
            text = text.replace(HOLE, "")
        self._write(text, token, style, exact and token.exact and len(text) == token.end - token.start)

    def _write(self, text: str, token: Token, style: Style, exact: bool) -> None:
        if self._space is not None:
            blank, self._space = self._space, None
            self._append(
                " ", blank, style if style is not PLAIN else PLAIN, blank.exact and blank.end - blank.start == 1
            )
        self._append(text, token, style, exact)
        self._empty = False

    def _append(self, text: str, token: Token, style: Style, exact: bool) -> None:
        start = self.size
        end = start + len(text)
        self.parts.append(text)
        self.size = end
        if style is not PLAIN:
            if self.styles and self.styles[-1][1] == start and self.styles[-1][2] == style:
                self.styles[-1] = (self.styles[-1][0], end, style)
            else:
                self.styles.append((start, end, style))
        if token.source < 0:
            return
        if self.pieces:
            last = self.pieces[-1]
            if last.end == start and last.source == token.source:
                if exact and last.exact and last.source_end == token.start:
                    self.pieces[-1] = Piece(last.start, end, last.source, last.source_start, token.end)
                    return
                if not exact and not last.exact and (last.source_start, last.source_end) == (token.start, token.end):
                    self.pieces[-1] = replace(last, end=end)
                    return
        self.pieces.append(Piece(start, end, token.source, token.start, token.end, exact))

    def hole(self, key: str, token: Token, style: Style) -> None:
        """Leaves a place for what the label `key` turns out to be."""
        self._write(HOLE, token, style, False)
        self.holes.append((self.size - 1, key))

    def cut(self, text: str) -> None:
        """Ends a block: separator text of the reader's own making, at most once."""
        self._space = None
        if self.size and not self._empty:
            self.parts.append(text)
            self.size += len(text)
        self._empty = True

    def mark(self) -> int:
        """The position of the next character, pending white space included."""
        return self.size + (1 if self._space is not None else 0)

    def drop(self, text: str) -> bool:
        """Takes back `text` if it is the last thing written."""
        if self._space is None and self.parts and self.parts[-1] == text:
            self.parts.pop()
            self.size -= len(text)
            if self.pieces and self.pieces[-1].end > self.size:
                last = self.pieces.pop()
                if last.start < self.size:
                    self.pieces.append(
                        replace(
                            last,
                            end=self.size,
                            source_end=last.source_end - len(text) if last.exact else last.source_end,
                        )
                    )
            if self.styles and self.styles[-1][1] > self.size:
                a, _, style = self.styles.pop()
                if a < self.size:
                    self.styles.append((a, self.size, style))
            return True
        return False


class Proof:
    """The finished text: holes filled, and every draft position led to its final one."""

    def __init__(self, ink: Ink, resolve: dict[str, str]):
        draft = "".join(ink.parts)
        out: list[str] = []
        self._at = [p for p, _ in ink.holes]
        self._shift = [0]
        last = 0
        for position, key in ink.holes:
            word = resolve.get(key, "??")
            out += [draft[last:position], word]
            last = position + 1
            self._shift.append(self._shift[-1] + len(word) - 1)
        out.append(draft[last:])
        self.text = "".join(out).rstrip()
        size = len(self.text)
        self.pieces = tuple(
            replace(p, start=a, end=b) for p in ink.pieces if (a := self.at(p.start)) < (b := min(self.at(p.end), size))
        )
        self.styles = [(self.at(a), self.at(b), s) for a, b, s in ink.styles]
        self.cites = [(self.at(a), self.at(b)) for a, b in ink.cites]
        self._style_starts = [a for a, _, _ in self.styles]

    def at(self, position: int) -> int:
        """Final position of a draft position."""
        return position + self._shift[bisect_left(self._at, position)]

    def trimmed(self, start: int, end: int) -> tuple[int, int]:
        """Final range without white space at its edges."""
        a, b = min(self.at(start), len(self.text)), min(self.at(end), len(self.text))
        while a < b and self.text[a].isspace():
            a += 1
        while b > a and self.text[b - 1].isspace():
            b -= 1
        return a, max(a, b)

    def styles_in(self, start: int, end: int) -> list[tuple[int, int, Style]]:
        """Styled runs that touch a final range, clipped to it."""
        index = max(bisect_left(self._style_starts, start) - 1, 0)
        found = []
        for a, b, style in self.styles[index:]:
            if a >= end:
                break
            if b > start:
                found.append((max(a, start), min(b, end), style))
        return found
