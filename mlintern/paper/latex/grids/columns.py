"""The column specification of a table: `l|S[table-format=2.1]@{\\,±\\,}r*{3}{c}p{2cm}`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mlintern.paper.latex.expansion.macro import Macro
from mlintern.paper.latex.source.tokens import (
    BEGIN,
    CS,
    END,
    MATH,
    PARAM,
    SPACE,
    TEXT,
    Token,
    figure,
    spell,
    trimmed,
)

MAX_COLUMNS = 500
MAX_WRITTEN = 100_000
"""Characters that repetitions and the paper's own column types may write."""
MAX_GLUE = 500
"""Characters between columns that are looked at."""


@dataclass
class Column:
    """One column of a table."""

    align: str = "l"
    before: list[Token] = field(default_factory=list)
    after: list[Token] = field(default_factory=list)
    number: str | None = None
    """Options of a siunitx column, whose cells are numbers; None for any other column."""
    unit: bool = False
    """A siunitx column of units."""
    hidden: bool = False
    """Its cells are not printed: they are set into a box that nobody opens, or gobbled."""
    glue: list[Token] | None = None
    """What `@{…}` or `!{…}` prints between this column and the next, if it prints anything but space."""


_SPACING = re.compile(
    r"\\vrule[^\\{}]*|\\(?:hspace|hskip|extracolsep|kern|quad|qquad|enspace|tabcolsep|fill|hfill|vline|color|arrayrulecolor|,|;|:|!| |\w*skip)"  # noqa: E501
    r"\*?\s*(?:\{[^{}]*(?:\{[^{}]*\})*[^{}]*\})?|[-+\d.]+\s*(?:pt|em|ex|cm|mm|in)|[\s|]|\\textwidth|\\linewidth"
)


_HIDING = frozenset(("setbox", "@gobble", "gobble", "iffalse"))


class _Stream:
    """Characters and groups of a specification, one at a time."""

    def __init__(self, tokens: list[Token]):
        self.items = tokens[::-1]

    def next(self) -> Token | None:
        while self.items:
            t = self.items.pop()
            if t.kind == SPACE:
                continue
            if t.kind == TEXT and len(t.text) > 1:
                start, step = t.start, int(t.exact)
                for at in range(len(t.text) - 1, -1, -1):
                    first = start + at * step
                    self.items.append(t._replace(text=t.text[at], start=first, end=first + 1 if step else t.end))
                return self.items.pop()
            return t
        return None

    def group(self) -> list[Token]:
        t = self.next()
        if t is None:
            return []
        if t.kind != BEGIN:
            return [t]
        found: list[Token] = []
        depth = 0
        while self.items:
            t = self.items.pop()
            depth += (t.kind == BEGIN) - (t.kind == END)
            if depth < 0:
                break
            found.append(t)
        return found

    def bracket(self) -> str:
        t = self.next()
        if t is None or t.text != "[":
            if t is not None:
                self.items.append(t)
            return ""
        found = ""
        while (t := self.next()) is not None and t.text != "]":
            found += t.text
        return found

    def opens(self) -> bool:
        t = self.next()
        if t is not None:
            self.items.append(t)
        return t is not None and t.kind == BEGIN


def columns(tokens: list[Token], types: dict[str, Macro]) -> list[Column]:
    """The columns a specification describes, user column types and repetitions expanded."""
    found: list[Column] = []
    before: list[Token] = []
    stream = _Stream(tokens)
    steps = written = 0
    while (t := stream.next()) is not None and len(found) < MAX_COLUMNS:
        steps += 1
        if steps > 5_000:
            break
        c = t.text
        if t.kind in (BEGIN, END):
            continue
        if t.kind == CS and c not in types:
            continue
        if c in types and len(c) <= 20:
            macro = types[c]
            values = [stream.group() for _ in macro.arguments]
            body: list[Token] = []
            for b in macro.body:
                if b.kind == PARAM and "1" <= b.text <= "9":
                    index = int(b.text) - 1
                    body += values[index] if index < len(values) else []
                else:
                    body.append(b)
            stream.items += body[::-1]
            written += len(spell(body))
            types = types if steps < 1_000 and written < MAX_WRITTEN else {}
        elif c == "*":
            times = figure(spell(stream.group()), MAX_COLUMNS, other=1)
            body = stream.group()
            if len(body) * times < 20_000 and written < MAX_WRITTEN:
                stream.items += (body * times)[::-1]
                written += len(spell(body)) * times
        elif c == ">":
            before += stream.group()
        elif c == "<":
            behind = stream.group()
            if found:
                found[-1].after = behind + found[-1].after
        elif c in "@!":
            glue = stream.group()
            shown = _SPACING.sub("", spell(glue)[:MAX_GLUE]).strip(" {}$~") != ""
            if found and shown and found[-1].glue is None:
                found[-1].glue = glue
            elif not found and shown:
                before += glue
        elif c in "|:;,.'\"":
            if c in ";" and stream.opens():
                stream.group()
        elif c.isalpha():
            options = stream.bracket()
            if c in "pmbPMB" or (c not in "lcrXLCRJSsYZ" and stream.opens()):
                stream.group()
            after: list[Token] = []
            if c in "wWD":
                stream.group()
                if c == "D":  # dcolumn sets its numbers in mathematics
                    stream.group()
                    before, after = [*before, t._replace(kind=MATH, text="$")], [t._replace(kind=MATH, text="$")]
            align = c.lower() if c.lower() in "lcr" else "c" if c in "Ss" else "l"
            number = options if c == "S" else None
            if c in "QX":  # tabularray's `Q[c,si={table-format=2.1}]`
                align = m[1] if (m := re.search(r"(?:^|[,\s])([lcr])(?:$|[,\s])", options)) else align
                number = m[1] if (m := re.search(r"\bsi\s*=\s*(\{[^{}]*\}|[^,]*)", options)) else None
            hidden = any(b.kind == CS and b.text in _HIDING for b in before)
            found.append(Column(align, before, after, number, c == "s", hidden))
            before = []
    if found and found[-1].glue is not None:
        found[-1].after += found[-1].glue  # after the last column there is nothing to join
        found[-1].glue = None
    return found


def blank(tokens: list[Token]) -> bool:
    """Whether a cell's source prints nothing."""
    return not trimmed(tokens)
