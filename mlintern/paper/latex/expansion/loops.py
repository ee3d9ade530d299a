"""Loops over lists: `\\@for\\x:=a,b\\do{…}`, `\\foreach \\x in {a,b}{…}`, `\\forcsvlist{\\do}{a,b}`.

The body is written once for each item, with the item in the loop variable's place, which is what papers that generate
rows of a table rely on.
"""

from __future__ import annotations

import re
from itertools import accumulate, chain

from mlintern.paper.latex.expansion.branches import Branches
from mlintern.paper.latex.source.tokens import BEGIN, CS, END, EOF, TEXT, Token, spell, split, trimmed

MAX_ITEMS = 1_000
MAX_TOKENS = 50_000
"""Tokens that one loop may write."""
_DOTS = re.compile(r"(-?\d{1,6}),(?:(-?\d{1,6}),)?(?:\.\.\.|…|\\dots ?|\\ldots ?),(-?\d{1,6})")


class Loops(Branches):
    """The loops that write their body once for each item of a list."""

    def do_foreach(self, token: Token) -> None:
        g = self.g
        names: list[str] = []
        while (t := g.raw()).kind != EOF and not (t.kind == TEXT and re.match(r"in\b", t.text)):
            if t.kind == CS:
                names.append(t.text)
            if len(names) > 9 or t.kind in (BEGIN, END):
                g.push([t])
                return
        if t.kind == TEXT and len(t.text) > 2:
            g.push([split(t, 2)[1]])
        items = _items(_counted(self._list(g.argument()), token))
        body = g.argument()
        self._write(names, [_parts(item) if len(names) > 1 else [item] for item in items], body)

    def _for(self, token: Token) -> None:
        g = self.g
        name = g.raw()
        held: list[Token] = []
        while (t := g.raw()).kind != EOF and not (t.kind == CS and t.text == "do"):
            held.append(t)
        body = g.argument()
        if held and held[0].kind == TEXT and held[0].text.startswith(":="):
            held[0] = split(held[0], 2)[1]
            held = held if held[0].text else held[1:]
        self._write([name.text], [[item] for item in _items(self._list(held))], body)

    def do_forcsvlist(self, token: Token) -> None:
        handler = self.g.argument()
        like = token._replace(exact=False)
        item = like._replace(text="item of the list")
        body = [*handler, like._replace(kind=BEGIN, text="{"), item, like._replace(kind=END, text="}")]
        self._write([item.text], [[item] for item in _items(self._list(self.g.argument()))], body)

    def _list(self, tokens: list[Token]) -> list[Token]:
        """The list, or what the macro that names it holds; none once the budget is spent."""
        if self.g.spent:
            self.g.exhausted = self.g.exhausted or "foreach"
            return []
        inside = trimmed(tokens)
        if len(inside) == 1 and inside[0].kind == CS and (macro := self.g.macros.get(inside[0].text)):
            return macro.body
        return inside

    def _write(self, names: list[str], rows: list[list[list[Token]]], body: list[Token]) -> None:
        out: list[Token] = []
        for values in rows[:MAX_ITEMS]:
            bound = dict(zip(names, values, strict=False))
            parts = [bound[t.text] if t.kind == CS and t.text in bound else (t,) for t in body]
            if len(out) + sum(map(len, parts)) > MAX_TOKENS or self.g.spent:
                self.g.exhausted = self.g.exhausted or "foreach"
                break
            out += chain.from_iterable(parts)
        self.g.push(out)


def _cut(tokens: list[Token], mark: str) -> list[list[Token]]:
    """Tokens between the marks that stand outside braces."""
    found: list[list[Token]] = [[]]
    depth = 0
    for t in tokens:
        depth += (t.kind == BEGIN) - (t.kind == END)
        while t.kind == TEXT and depth == 0 and mark in t.text:
            before, t = split(t, t.text.index(mark))
            if before.text:
                found[-1].append(before)
            t = split(t, 1)[1]
            found.append([])
        if t.text or t.kind != TEXT:
            found[-1].append(t)
    return found


def _items(tokens: list[Token]) -> list[list[Token]]:
    return [_open(trimmed(item)) for item in _cut(tokens, ",") if trimmed(item)]


def _parts(item: list[Token]) -> list[list[Token]]:
    return [trimmed(part) for part in _cut(item, "/")]


def _open(item: list[Token]) -> list[Token]:
    """An item without the braces around all of it."""
    depths = list(accumulate((t.kind == BEGIN) - (t.kind == END) for t in item))
    return item[1:-1] if len(item) > 1 and depths[-1] == 0 and all(depths[:-1]) else item


def _counted(tokens: list[Token], token: Token) -> list[Token]:
    """`1,...,5` with its numbers written out."""
    m = _DOTS.fullmatch(re.sub(r"\s", "", spell(tokens)))
    if not m:
        return tokens
    first, last = int(m[1]), int(m[3])
    step = int(m[2]) - first if m[2] else (1 if last >= first else -1)
    values = range(first, last + (1 if step > 0 else -1), step)[:MAX_ITEMS] if step else [first]
    return [token._replace(kind=TEXT, text=",".join(map(str, values)), exact=False)]
