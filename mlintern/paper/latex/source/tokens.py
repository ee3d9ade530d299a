"""LaTeX source as tokens, each of which knows the characters it came from.

A tree of LaTeX nodes (pylatexenc's LatexWalker) is built before macros are expanded, so a user macro that holds `&`,
`\\\\`
or half an environment (`\\newcommand{\\row}[2]{#1 & #2 \\\\}`, `\\def\\be{\\begin{equation}}`) is lost in it. Papers
do that in
their tables. So this reader works as TeX does: characters to tokens, tokens expanded, then read. Text comes in runs,
not
single characters, which keeps it faster than building the tree.
"""

from __future__ import annotations

import re
from typing import NamedTuple

CS, BEGIN, END, MATH, TAB, PARAM, SUP, SUB, SPACE, PAR, TEXT, TIE, VERB, EOF = (
    "cs",
    "{",
    "}",
    "$",
    "&",
    "#",
    "^",
    "_",
    " ",
    "par",
    "text",
    "~",
    "verb",
    "eof",
)
"""Kinds of tokens. CS is a control sequence (text: its name), TEXT a run of ordinary characters, VERB raw text."""


class Token(NamedTuple):
    """One token; `exact` if source[start:end] spells it, else that range is the call of the macro it came from."""

    kind: str
    text: str
    source: int
    start: int
    end: int
    exact: bool = True


STOP = Token(EOF, "", -1, 0, 0, False)

_LETTERS = "A-Za-z"
_REST = r"""
  (?P<comment>%[^\n]*(?:\n[ \t]*)?)
| (?P<space>[ \t\r\n\f\v]+)
| (?P<one>[{}$&\#^_~])
| (?P<text>[^\\%\s{}$&\#^_~]+|[^\S \t\r\n\f\v]+)
| (?P<last>\\)
"""
_PLAIN = re.compile(
    rf"\\(?P<cs>[{_LETTERS}]+)(?P<after>[ \t]*(?:\r?\n[ \t]*(?!\s))?)|\\(?P<symbol>[\s\S])|" + _REST, re.X
)
_AT = re.compile(
    rf"\\(?P<cs>[{_LETTERS}@]+)(?P<after>[ \t]*(?:\r?\n[ \t]*(?!\s))?)|\\(?P<symbol>[\s\S])|" + _REST, re.X
)


_BLANK_LINE = re.compile(r"[ \t]*\r?\n\s*")


class Lexer:
    """Tokens of one source text, on demand: `\\makeatletter` and verbatim text change how the rest is read."""

    def __init__(self, text: str, source: int, at_letter: bool = False):
        self.text = text
        self.source = source
        self.at = 0
        self.at_letter = at_letter

    def next(self) -> Token:
        """The next token, comments skipped; STOP at the end."""
        text, at = self.text, self.at
        while True:
            m = (_AT if self.at_letter else _PLAIN).match(text, at)
            if m is None:
                self.at = at
                return STOP
            kind = m.lastgroup
            end = m.end()
            self.at = end
            if kind == "comment":
                at = end
                if (blank := _BLANK_LINE.match(text, at)) is not None:
                    self.at = blank.end()
                    return Token(PAR, " ", self.source, at, blank.end())
                continue
            if kind == "text":
                return Token(TEXT, m[0], self.source, at, end)
            if kind == "space":
                return Token(PAR if m[0].count("\n") > 1 else SPACE, " ", self.source, at, end)
            if kind == "after":
                return Token(CS, m["cs"], self.source, at, m.end("cs"))
            if kind == "symbol":
                name = m["symbol"]
                return Token(CS, " " if name.isspace() else name, self.source, at, end)
            if kind == "one":
                return Token(m[0], m[0], self.source, at, end)
            return Token(TEXT, "\\", self.source, at, end)

    def until(self, mark: str) -> tuple[str, int]:
        """Raw text up to `mark`, which is consumed, and where the text starts; up to the end if the mark never
        comes."""
        start = self.at
        stop = self.text.find(mark, start)
        self.at = len(self.text) if stop < 0 else stop + len(mark)
        return self.text[start : len(self.text) if stop < 0 else stop], start


def tokens_of(text: str, like: Token) -> list[Token]:
    """Tokens of a snippet that the reader itself writes; they all stand for the place of `like`."""
    lexer = Lexer(text, like.source)
    found = []
    while (t := lexer.next()).kind != EOF:
        found.append(Token(t.kind, t.text, like.source, like.start, like.end, False))
    return found


def spell(tokens: list[Token]) -> str:
    """LaTeX text of tokens, for messages, keys and file names."""
    out: list[str] = []
    for t in tokens:
        if t.kind == CS:
            out.append("\\" + t.text + (" " if t.text[:1].isalpha() else ""))
        else:
            out.append(t.text if t.kind != PAR else "\n\n")
    return "".join(out)


def figure(text: str, most: int, other: int = 0) -> int:
    """The whole number that a text of plain digits is, at most `most`; `other` for any other text."""
    text = text.strip()
    return min(int(text[:9]), most) if text.isascii() and text.isdigit() else other


def split(token: Token, at: int) -> tuple[Token, Token]:
    """A text token cut in two."""
    middle = token.start + at if token.exact else token.start
    return (
        token._replace(text=token.text[:at], end=middle if token.exact else token.end),
        token._replace(text=token.text[at:], start=middle),
    )


def trimmed(tokens: list[Token]) -> list[Token]:
    """Tokens without leading and trailing white space."""
    low, high = 0, len(tokens)
    while low < high and tokens[low].kind in (SPACE, PAR):
        low += 1
    while high > low and tokens[high - 1].kind in (SPACE, PAR):
        high -= 1
    return tokens[low:high]
