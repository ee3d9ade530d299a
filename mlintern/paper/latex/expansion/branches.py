"""Conditionals whose branches are arguments: ifthen, etoolbox, xparse, and the kernel's look at the next token."""

from __future__ import annotations

import re
from collections.abc import Callable

from mlintern.paper.latex.expansion.conditions import LIKELY_TRUE, Conditions
from mlintern.paper.latex.expansion.macro import name_of
from mlintern.paper.latex.source.tokens import CS, TEXT, Token, spell, trimmed

MAX_TEST = 2_000
"""Characters of a text that is compared with another."""
_XSTRING: dict[str, Callable[[str, str], bool]] = {
    "IfStrEq": str.__eq__,
    "IfSubStr": str.__contains__,
    "IfBeginWith": str.startswith,
    "IfEndWith": str.endswith,
}


class Branches(Conditions):
    """The conditionals that choose one of their arguments."""

    def do_ifthenelse(self, token: Token) -> None:
        g = self.g
        test = spell(g.argument())[:MAX_TEST]
        yes, no = g.argument(), g.argument()
        g.push(yes if self._ifthen(test) else no)

    def _ifthen(self, test: str) -> bool:
        if m := re.search(r"\\equal\s*\{(.*?)\}\s*\{(.*?)\}", test, re.S):
            sides = [self._flat(x) for x in m.groups()]
            result = sides[0] == sides[1]
        elif m := re.search(r"\\boolean\s*\{\s*([\w@]+)\s*\}", test):
            result = self.g.conditions.get("if" + m[1], bool(LIKELY_TRUE.search(m[1])))
        elif m := re.search(r"\\isundefined\s*\{?\s*\\([A-Za-z@]+)", test):
            result = not self._known(m[1])
        elif m := re.search(r"(-?\d{1,9}|\\value\s*\{\w+\})\s*([<>=])\s*(-?\d{1,9}|\\value\s*\{\w+\})", test):
            a, b = (self.counters.get(x[7:-1], 0) if x[0] == "\\" else int(x) for x in (m[1], m[3]))
            result = a < b if m[2] == "<" else a > b if m[2] == ">" else a == b
        else:
            result = False
        return result != bool(re.search(r"\\(?:not|NOT)\b", test))

    def _flat(self, text: str) -> str:
        """Text with parameterless macros replaced once."""
        macros = self.g.macros
        return re.sub(
            r"\\([A-Za-z@]+)\s*",
            lambda m: macros[m[1]].spelled[:MAX_TEST] if m[1] in macros else m[0],
            text[:MAX_TEST],
        ).strip()

    def _choose(self, truth: bool) -> None:
        yes, no = self.g.argument(), self.g.argument()
        self.g.push(yes if truth else no)

    def do_ifstrequal(self, token: Token) -> None:
        self._choose(spell(self.g.argument()) == spell(self.g.argument()))

    def do_IfStrEq(self, token: Token) -> None:
        """xstring's tests of two texts, which expand both."""
        self.g.star()
        a, b = (self._flat(spell(self.g.argument())) for _ in range(2))
        self._choose(_XSTRING[token.text](a, b))

    do_IfSubStr = do_IfBeginWith = do_IfEndWith = do_IfStrEq

    def do_ifstrempty(self, token: Token) -> None:
        self._choose(not trimmed(self.g.argument()))

    do_ifblank = do_ifstrempty

    def do_IfBooleanTF(self, token: Token) -> None:
        self._choose(self._has(self.g.argument(), "BooleanTrue"))

    def do_IfBooleanT(self, token: Token) -> None:
        truth, yes = self._has(self.g.argument(), "BooleanTrue"), self.g.argument()
        self.g.push(yes if truth else [])

    def do_IfBooleanF(self, token: Token) -> None:
        truth, no = self._has(self.g.argument(), "BooleanTrue"), self.g.argument()
        self.g.push([] if truth else no)

    def do_IfNoValueTF(self, token: Token) -> None:
        self._choose(self._has(self.g.argument(), "NoValue"))

    def do_IfValueTF(self, token: Token) -> None:
        self._choose(not self._has(self.g.argument(), "NoValue"))

    def do_IfNoValueF(self, token: Token) -> None:
        none, text = self._has(self.g.argument(), "NoValue"), self.g.argument()
        self.g.push([] if none else text)

    do_IfValueT = do_IfNoValueF

    def do_BooleanTrue(self, token: Token) -> None:
        """xparse's marks of what was given; on their own they print nothing."""

    do_BooleanFalse = do_NoValue = do_BooleanTrue

    @staticmethod
    def _has(tokens: list[Token], name: str) -> bool:
        return any(t.kind == CS and t.text == name for t in tokens)

    def do_ifdef(self, token: Token) -> None:
        self._choose(self._known(name_of(self.g.argument())))

    def do_ifdefempty(self, token: Token) -> None:
        macro = self.g.macros.get(name_of(self.g.argument()))
        self._choose(macro is not None and not trimmed(macro.body))

    def _undefined(self, token: Token) -> None:
        self._choose(not self._known(name_of(self.g.argument())))

    def _toggle(self, token: Token) -> None:
        name = spell(self.g.argument()).strip()
        self._choose(self.g.conditions.get("toggle " + name, bool(LIKELY_TRUE.search(name))))

    def do_newtoggle(self, token: Token) -> None:
        self.g.conditions["toggle " + spell(self.g.argument()).strip()] = False

    def do_toggletrue(self, token: Token) -> None:
        self.g.conditions["toggle " + spell(self.g.argument()).strip()] = True

    def do_togglefalse(self, token: Token) -> None:
        self.g.conditions["toggle " + spell(self.g.argument()).strip()] = False

    def _settoggle(self, token: Token) -> None:
        name = spell(self.g.argument()).strip()
        self.g.conditions["toggle " + name] = spell(self.g.argument()).strip() == "true"

    def _next_is(self, token: Token) -> None:
        """`\\@ifnextchar[{yes}{no}` and `\\@ifstar{yes}{no}`."""
        g = self.g
        want = "*" if token.text == "@ifstar" else spell(g.argument())
        yes, no = g.argument(), g.argument()
        g.skip_spaces()
        after = g.peek()
        found = after.text.startswith(want) if after.kind == TEXT else after.text == want
        if found and token.text == "@ifstar":
            g.star()
        g.push(yes if found else no)
