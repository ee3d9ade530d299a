"""LaTeX's counters: defined, set, stepped, numbered within one another."""

from __future__ import annotations

import re

from mlintern.paper.latex.expansion.gullet import Gullet
from mlintern.paper.latex.expansion.macro import Macro
from mlintern.paper.latex.source.tokens import TEXT, Token, spell, tokens_of
from mlintern.paper.text.roman import roman


class Counters:
    """Values of counters, and the primitives that change them."""

    def __init__(self, gullet: Gullet):
        self.g = gullet
        self.counters: dict[str, int] = {}
        self.within: dict[str, str] = {}
        """Counter -> the counter that resets it."""
        self.nested = 0
        """Primitives that wait for one another's end: tests inside tests, `\\expandafter` after `\\expandafter`."""

    def do_newcounter(self, token: Token) -> None:
        name = spell(self.g.argument()).strip()
        self.counters.setdefault(name, 0)
        self.g.define(f"the{name}", Macro(tokens_of(rf"\arabic{{{name}}}", token)), globally=True, replace=False)
        if within := self.g.optional():
            self.within[name] = spell(within).strip()

    def do_arabic(self, token: Token) -> None:
        """A counter's value at this moment, in figures or letters."""
        value = self.counters.get(spell(self.g.argument()).strip(), 0)
        letter = chr(64 + value) if 0 < value < 27 else str(value)
        shown = {"Alph": letter, "alph": letter.lower(), "Roman": roman(value), "roman": roman(value).lower()}
        self.g.push([token._replace(kind=TEXT, text=shown.get(token.text, str(value)), exact=False)])

    do_roman = do_Roman = do_alph = do_Alph = do_fnsymbol = do_arabic

    def do_setcounter(self, token: Token) -> None:
        name = spell(self.g.argument()).strip()
        self.counters[name] = self.integer(self.g.argument())

    def do_addtocounter(self, token: Token) -> None:
        name = spell(self.g.argument()).strip()
        self.counters[name] = self.counters.get(name, 0) + self.integer(self.g.argument())

    def do_stepcounter(self, token: Token) -> None:
        self.step(spell(self.g.argument()).strip())

    def _within(self, token: Token) -> None:
        g = self.g
        g.star()
        g.optional()
        name, outer = spell(g.argument()).strip(), spell(g.argument()).strip()
        self.within[name] = outer
        body = tokens_of(rf"\the{outer}.\arabic{{{name}}}", token)
        g.define(f"the{name}", Macro(body), globally=True)

    def _without(self, token: Token) -> None:
        g = self.g
        g.star()
        name = spell(g.argument()).strip()
        g.argument()
        self.within.pop(name, None)
        g.define(f"the{name}", Macro(tokens_of(rf"\arabic{{{name}}}", token)), globally=True)

    def step(self, name: str) -> int:
        """Counts one up and sets the counters below it to zero."""
        self.counters[name] = self.counters.get(name, 0) + 1
        for inner, outer in self.within.items():
            if outer == name and inner != name:
                self.counters[inner] = 0
        return self.counters[name]

    def integer(self, tokens: list[Token]) -> int:
        """A whole number as TeX reads one: digits, a counter's value, a sign; 0 if it is none of these."""
        text = spell(tokens).strip()
        if m := re.fullmatch(r"\\value\s*\{\s*([^{}]*?)\s*\}|\\c@(\w+)\s*", text):
            return self.counters.get(m[1] or m[2], 0)
        m = re.match(r"[-+]?\s*\d{1,9}", text)
        return int("".join(m[0].split())) if m else 0
