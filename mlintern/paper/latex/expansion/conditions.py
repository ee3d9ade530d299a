"""TeX's conditionals: `\\if… \\else \\fi`, their tests, and skipping the branch that does not count."""

import re
from collections.abc import Callable

from mlintern.paper.latex.expansion.definitions import Definitions
from mlintern.paper.latex.expansion.gullet import Gullet
from mlintern.paper.latex.expansion.macro import name_of
from mlintern.paper.latex.source.tokens import BEGIN, CS, EOF, SPACE, TEXT, Token, spell, split

_MACRO_LIKE = frozenset(
    "ifthenelse iftoggle ifstrequal ifstrempty ifdef ifblank ifundef ifcsdef ifcsundef ifdefempty ifdefstring "
    "ifnumcomp "
    "ifnumequal ifboolexpr ifbool ifnumgreater ifnumless ifdefmacro iff ifnextchar ifinlist ifx@ ifdimcomp ifnumodd "
    "ifempty ifcsempty ifcsstring ifcsstrequal ifvoid ifnextcharq ifdefvoid ifcsvoid ifpackageloaded".split()
)
"""Names that begin with `if` and take their branches as arguments; any other `\\if…` runs to its `\\fi`."""
LIKELY_TRUE = re.compile(r"final|arxiv|preprint|accept|camera|long|full|appendix|pdf", re.I)
"""Names of switches that the published version of a paper has on, where the source does not set them."""


_UNIT = re.compile(r"(?:pt|em|ex|in|cm|mm|sp)(?![a-z])")


def is_condition(name: str) -> bool:
    """Whether a control sequence opens a conditional that `\\fi` closes."""
    return name.startswith("if") and name not in _MACRO_LIKE and "@if" not in name


class Conditions(Definitions):
    """The conditionals that `\\fi` closes."""

    def __init__(self, gullet: Gullet, mode: Callable[[], bool]):
        super().__init__(gullet)
        self.math = mode
        self.open = 0
        """Conditionals whose branch is being read."""
        self.guessed: dict[str, tuple[Token, bool]] = {}
        """Tests that the source does not decide, where each was first met and what was taken for it."""

    def condition(self, token: Token) -> None:
        """`\\if…`: reads the test, then skips to `\\else` or `\\fi` if it is false."""
        if self.nested > 20:  # a test inside a test inside a test: no paper's
            return
        self.nested += 1
        truth = self._test(token)
        self.nested -= 1
        if truth:
            self.open += 1
        else:
            self._skip(stop_at_else=True)

    def _skip(self, stop_at_else: bool, stop_at_or: int = 0) -> None:
        """Skips a branch; nested conditionals are skipped whole."""
        depth = 0
        g = self.g
        while (t := g.raw()).kind != EOF:
            if t.kind != CS:
                continue
            if t.text == "fi":
                if depth == 0:
                    return
                depth -= 1
            elif t.text == "else" and depth == 0 and stop_at_else:
                self.open += 1
                return
            elif t.text == "or" and depth == 0 and stop_at_or:
                stop_at_or -= 1
                if stop_at_or == 0:
                    self.open += 1
                    return
            elif is_condition(t.text) and (t.text not in g.macros):
                depth += 1

    def do_else(self, token: Token) -> None:
        if self.open:
            self.open -= 1
            self._skip(stop_at_else=False)

    do_or = do_else

    def do_fi(self, token: Token) -> None:
        self.open = max(self.open - 1, 0)

    def _test(self, token: Token) -> bool:
        g, name = self.g, token.text
        if name in ("iftrue", "iffalse"):
            return name == "iftrue"
        if name in g.conditions:
            return g.conditions[name]
        if name == "ifdefined":
            t = g.raw()
            return self._known(t.text)
        if name == "ifcsname":
            parts = []
            while (t := g.get()).kind != EOF and not (t.kind == CS and t.text == "endcsname"):
                parts.append(t)
            return self._known(spell(parts).strip())
        if name == "ifmmode":
            return self.math()
        if name in ("ifx", "if", "ifcat"):
            return self._same(name)
        if name in ("ifnum", "ifdim"):
            return self._compare(token)
        if name == "ifodd":
            return self.integer(self._number()) % 2 == 1
        if name == "ifcase":
            wanted = self.integer(self._number())
            if wanted:
                self._skip(stop_at_else=True, stop_at_or=wanted)
                self.open -= 1  # `condition` counts it again
            return True
        if name in ("ifvmode", "ifinner", "ifeof", "ifvoid", "ifhbox", "ifvbox"):
            return False
        return self._guess(token, bool(LIKELY_TRUE.search(name)))

    def _guess(self, token: Token, truth: bool) -> bool:
        self.guessed.setdefault(token.text, (token, truth))
        return truth

    def _known(self, name: str) -> bool:
        g = self.g
        return name in g.macros or name in g.primitives or name in g.aliases or name in g.kept

    def _one(self, expanded: bool) -> Token:
        g = self.g
        t = g.get() if expanded else g.raw()
        while t.kind == SPACE:
            t = g.get() if expanded else g.raw()
        if t.kind == TEXT and len(t.text) > 1:
            t, rest = split(t, 1)
            g.push([rest])
        return t

    def _same(self, name: str) -> bool:
        g = self.g
        a, b = self._one(name != "ifx"), self._one(name != "ifx")
        if a.kind == CS == b.kind and name == "ifx":
            x, y = g.macros.get(a.text), g.macros.get(b.text)
            if x is None and y is None:
                return a.text == b.text or not (self._known(a.text) or self._known(b.text))
            return x is not None and x.same(y)
        if name == "ifx":
            a, b = self._character(a), self._character(b)
        return (a.kind, a.text if name != "ifcat" else "") == (b.kind, b.text if name != "ifcat" else "")

    def _character(self, token: Token) -> Token:
        """The character that `\\let` or `\\futurelet` made a control sequence stand for, else the token itself."""
        macro = self.g.macros.get(token.text) if token.kind == CS else None
        return macro.body[0] if macro is not None and not macro.arguments and len(macro.body) == 1 else token

    def _number(self) -> list[Token]:
        """Tokens of a number at the start of a test, up to what is no part of it."""
        g = self.g
        t = self._word()
        if t.kind == CS and t.text in ("value", "c@page"):
            name = spell(g.argument()).strip()
            return [t._replace(kind=TEXT, text=str(self.counters.get(name, 0)))]
        if t.kind == TEXT:
            m = re.match(r"[-+]?\d*\.?\d+(?:pt|em|ex|in|cm|mm|sp)?", t.text)
            if m and m.end() < len(t.text):
                t, rest = split(t, m.end())
                g.push([rest])
            elif m and (after := g.peek()).kind == TEXT and (unit := _UNIT.match(after.text)):
                g.raw()  # `#1pt`: the unit is a token of its own
                if unit.end() < len(after.text):
                    g.push([split(after, unit.end())[1]])
        return [t]

    def _word(self) -> Token:
        t = self.g.get()
        while t.kind == SPACE:
            t = self.g.get()
        return t

    def _compare(self, token: Token) -> bool:
        g = self.g
        left = spell(self._number())
        sign = self._word()
        text = sign.text
        if sign.kind == TEXT and len(text) > 1:
            sign, rest = split(sign, 1)
            g.push([rest])
        right = spell(self._number())
        values = [re.match(r"[-+]?\d*\.?\d+", x.strip()) for x in (left, right)]
        if not all(values):
            return self._guess(token, False)
        a, b = (float(v[0]) for v in values if v)
        return a < b if sign.text == "<" else a > b if sign.text == ">" else a == b

    def do_newif(self, token: Token) -> None:
        t = self.g.raw()
        while t.kind == SPACE:
            t = self.g.raw()
        name = t.text if t.kind == CS else name_of(self.g.balanced()) if t.kind == BEGIN else ""
        if not name.startswith("if"):
            return
        conditions = self.g.conditions
        conditions[name] = False
        self.g.primitives[name[2:] + "true"] = lambda _: conditions.__setitem__(name, True)
        self.g.primitives[name[2:] + "false"] = lambda _: conditions.__setitem__(name, False)
