"""Expanding LaTeX: user macros, conditionals and included files, in bounded time.

`Gullet` hands out tokens that need no further expansion. What a macro's body produced carries the place of the call,
what its arguments produced carries the arguments' own place, so every word of a table built by `\\row{94.1}{0.3}` still
leads to where the authors typed it.

A call that never ends (`\\def\\a{\\a\\a}`, or thirty levels of doubling) is dropped after a share of the paper's budget
(`Input`), reading goes on, and the Document says so. All such calls together have the one budget.
"""

from __future__ import annotations

from collections.abc import Callable

from mlintern.paper.latex.expansion.macro import Macro
from mlintern.paper.latex.source.commands import RULE_NAME
from mlintern.paper.latex.source.input import Input
from mlintern.paper.latex.source.tokens import CS, EOF, PARAM, SPACE, TAB, TEXT, Lexer, Token, split

MAX_AT_ONE_PLACE = 5_000
"""Expansions that one call in the source may cause before it counts as endless; what it left to do is dropped."""
SHARE = 8
"""The part of the budget that one call may take: a macro may print as many tokens as the source has characters."""
MAX_NESTED = 60
"""Primitives that wait for each other (`\\csname\\csname…`); deeper ones are dropped, and the Document says so."""


class Gullet(Input):
    """A stack of inputs and a table of macros; `get` gives the next token that cannot be expanded further."""

    def __init__(self) -> None:
        super().__init__()
        self.macros: dict[str, Macro] = {"empty": Macro([]), "@empty": Macro([])}
        self.aliases: dict[str, Token] = {}
        self.conditions: dict[str, bool] = {}
        self.primitives: dict[str, Callable[[Token], None]] = {}
        self.registers: set[str] = set()
        """Lengths and counts that the paper declares."""
        self.kept: frozenset[str] = frozenset()
        """Commands whose meaning for the reader no redefinition changes (`\\section`, `\\caption`)."""
        self.exhausted = ""
        """Name of the first macro that was cut."""
        self._place = (-1, -1)
        self._repeats = self._made_here = self._nested = 0
        self._saved: list[list[tuple[str, Macro | None]]] = [[]]

    def get(self) -> Token:
        """The next token after expansion."""
        while True:
            token = self.raw()
            if token.kind != CS:
                return token
            name = token.text
            macro = self.macros.get(name)
            if macro is not None:
                if not self.expand(token, macro):
                    return token
                continue
            primitive = self.primitives.get(name)
            if primitive is not None:
                self._nested += 1
                try:
                    if self._nested <= MAX_NESTED:
                        primitive(token)
                    else:
                        self.exhausted = self.exhausted or name
                finally:
                    self._nested -= 1
                continue
            alias = self.aliases.get(name)
            if alias is not None:
                return Token(alias.kind, alias.text, token.source, token.start, token.end, False)
            return token

    def expand(self, call: Token, macro: Macro) -> bool:
        """Replaces the call by the macro's body; False if the budget is used up."""
        if self.spent:
            self._give_up(call)
            return False
        place = (call.source, call.start)
        if place != self._place:
            self._repeats = self._made_here = 0
        self._repeats += 1
        self._place = place
        values, end = self.values(call, macro)
        if self._repeats > MAX_AT_ONE_PLACE or self._made_here > self.allowed // SHARE:
            self._give_up(call)
            return True
        out = self.filled(macro, values, call._replace(end=end))
        self._made_here += len(out)
        self.push(out)
        return True

    def filled(self, macro: Macro, values: list[list[Token]], call: Token) -> list[Token]:
        """A macro's body with its arguments in place; what the body itself says stands for the call."""
        out: list[Token] = []
        if len(macro.body) + sum(map(len, values)) * macro.holes > self.allowed // SHARE:
            self._give_up(call)
            return out
        for t in macro.body:
            if t.kind == PARAM and t.text != "#":
                index = ord(t.text) - 49
                if 0 <= index < len(values):
                    out.extend(values[index])
            else:
                out.append(Token(t.kind, t.text, call.source, call.start, call.end, False))
        return out

    def _give_up(self, call: Token) -> None:
        """Drops what an endless call still had to do, so that the rest of the paper is read as usual."""
        self.exhausted = self.exhausted or call.text
        self._repeats = self._made_here = 0
        if self.frames and isinstance(top := self.frames[-1], list):
            while top and (top[-1].source, top[-1].start) == (call.source, call.start):
                top.pop()

    def values(self, call: Token, macro: Macro) -> tuple[list[list[Token]], int]:
        """The arguments of a call, read from the input, and where the call ends in the source."""
        values: list[list[Token]] = []
        end = call.end
        for want in macro.prefix:
            got = self.raw()
            if want.kind == SPACE:
                if got.kind != SPACE:
                    self.push([got] if got.kind != EOF else [])
                continue
            if got.kind == TEXT == want.kind and got.text != want.text and got.text.startswith(want.text):
                self.push([split(got, len(want.text))[1]])
            elif got.kind != EOF and (got.kind, got.text) != (want.kind, want.text):
                self.push([got])
                break
        for argument in macro.arguments:
            if argument.kind == "m":
                value = self.argument()
            elif argument.kind == "s":
                name = "BooleanTrue" if self.star() else "BooleanFalse"
                value = [Token(CS, name, call.source, call.start, call.end, False)]
            elif argument.kind == "u":
                value = self.delimited(argument.until)
            else:
                opening, closing = argument.open or "[", argument.close or "]"
                given = self.group() if argument.kind == "g" else self.optional(opening, closing)
                none = (
                    [Token(CS, "NoValue", call.source, call.start, call.end, False)] if argument.default is None else []
                )
                value = given if given is not None else (argument.default or none)
            for t in reversed(value):
                if t.exact and t.source == call.source and t.end > end:
                    end = t.end + self._read_past(t)  # with what closes the argument
                    break
            values.append(value)
        return values, end

    def _read_past(self, token: Token) -> bool:
        """Whether more of the token's source than the token was read."""
        return any(isinstance(f, Lexer) and f.source == token.source and f.at > token.end for f in self.frames)

    def define(self, name: str, macro: Macro, globally: bool = False, replace: bool = True) -> None:
        """Gives a name a meaning until the group ends (or for good)."""
        if name in self.kept or (not replace and name in self.macros) or _only_rule(name, macro):
            return
        if len(self.macros) > 50_000:
            return
        if not globally and len(self._saved) > 1:
            self._saved[-1].append((name, self.macros.get(name)))
        self.macros[name] = macro
        self.aliases.pop(name, None)

    def open_group(self) -> None:
        self._saved.append([])

    def close_group(self) -> None:
        """Ends a group: definitions made inside it are undone."""
        if len(self._saved) == 1:
            return
        for name, old in reversed(self._saved.pop()):
            if old is None:
                self.macros.pop(name, None)
            else:
                self.macros[name] = old


def _only_rule(name: str, macro: Macro) -> bool:
    """Whether a macro draws a line between rows, by what TeX does below `\\hline`: nothing of it is text."""
    if not RULE_NAME.fullmatch(name):
        return False
    names = {t.text for t in macro.body if t.kind == CS}
    return bool(names & {"noalign", "hrule"}) and all(t.kind != TAB for t in macro.body)
