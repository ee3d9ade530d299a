"""A macro's definition: its body, and how its arguments are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from mlintern.paper.latex.source.tokens import CS, EOF, PARAM, TEXT, Lexer, Token, spell, split, trimmed


@dataclass
class Macro:
    """A user's macro: how its arguments are read, and its body (parameters are PARAM tokens whose text is a digit)."""

    body: list[Token]
    arguments: list[Argument] = field(default_factory=list)
    prefix: list[Token] = field(default_factory=list)

    @cached_property
    def holes(self) -> int:
        """How many places of the body wait for arguments."""
        return [t.kind for t in self.body].count(PARAM)

    @cached_property
    def spelled(self) -> str:
        """The body as it would be written."""
        return spell(self.body)

    def same(self, other: Macro | None) -> bool:
        """Equal meaning, as `\\ifx` asks."""
        return other is not None and self.spelled == other.spelled and len(self.arguments) == len(other.arguments)


@dataclass
class Argument:
    """`m` mandatory, `o` optional in brackets, `g` optional in braces, `s` star, `d` delimited by other characters,
    `u` up to some tokens."""

    kind: str = "m"
    default: list[Token] | None = None
    until: list[Token] = field(default_factory=list)
    open: str = ""
    close: str = ""


def parameters(tokens: list[Token]) -> list[Token]:
    """A macro body with `#1` as one PARAM token and `##` as `#`."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        t = tokens[i]
        if t.kind == PARAM and i + 1 < len(tokens):
            after = tokens[i + 1]
            if after.kind == PARAM:
                out.append(after._replace(text="#"))
                i += 2
                continue
            if after.kind == TEXT and after.text[0].isdigit():
                out.append(t._replace(text=after.text[0]))
                if len(after.text) > 1:
                    out.append(split(after, 1)[1])
                i += 2
                continue
        out.append(t)
        i += 1
    return out


def xparse(signature: list[Token]) -> list[Argument]:
    """Argument kinds of `\\NewDocumentCommand`: m, o, O{default}, s, d(), D(){default}, g, G, r, R, t."""
    found: list[Argument] = []
    text = spell(signature)
    i = 0

    def group(at: int) -> tuple[str, int]:
        if at < len(text) and text[at] == "{":
            depth = 0
            for j in range(at, len(text)):
                depth += (text[j] == "{") - (text[j] == "}")
                if depth == 0:
                    return text[at + 1 : j], j + 1
            return "", len(text)
        return "", at

    while i < len(text) and len(found) < 9:
        c = text[i]
        i += 1
        if c in "+!> ":
            if c == ">":
                _, i = group(i)
            continue
        if c == "m":
            found.append(Argument("m"))
        elif c == "s":
            found.append(Argument("s"))
        elif c == "o":
            found.append(Argument("o"))
        elif c == "O":
            default, i = group(i)
            found.append(Argument("o", _lex(default)))
        elif c in "dDrR" and i + 1 < len(text):
            opening, closing = text[i], text[i + 1]
            i += 2
            default = ""
            if c in "DR":
                default, i = group(i)
            found.append(Argument("d", _lex(default), open=opening, close=closing))
        elif c in "gG":
            default = ""
            if c == "G":
                default, i = group(i)
            found.append(Argument("g", _lex(default) if c == "G" else None))
        elif c == "t" and i < len(text):
            found.append(Argument("s"))
            i += 1
        elif c == "v":
            found.append(Argument("m"))
    return found


def _lex(text: str) -> list[Token]:
    lexer = Lexer(text, -1)
    found = []
    while (t := lexer.next()).kind != EOF:
        found.append(t._replace(exact=False))
    return found


_NAME = re.compile(r"\s*\\?([A-Za-z@]+\*?|.)\s*", re.S)


def name_of(tokens: list[Token]) -> str:
    """The control sequence that an argument like `{\\foo}` or `\\foo` names; a bare word names itself."""
    for t in trimmed(tokens):
        if t.kind == CS:
            return t.text
    m = _NAME.match(spell(tokens))
    return m[1] if m else ""
