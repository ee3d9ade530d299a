"""Expanding LaTeX: user macros, conditionals and included files, in bounded time.

`Gullet` hands out tokens that need no further expansion. What a macro's body produced carries the place of the call,
what
its arguments produced carries the arguments' own place, so every word of a table built by `\\row{94.1}{0.3}` still
leads
to where the authors typed it.

The budget: expansions are counted for each call and for the whole paper, and so are the tokens they make. A call that
never ends (`\\def\\a{\\a\\a}`, or thirty levels of doubling) is dropped, reading goes on, and the Document says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from mlintern.paper.latex_tokens import (
    BEGIN,
    CS,
    END,
    EOF,
    PAR,
    PARAM,
    SPACE,
    STOP,
    TEXT,
    Lexer,
    Token,
    spell,
    trimmed,
)

MAX_EXPANSIONS = 400_000
"""Of the whole paper; the largest papers take some fifty thousand."""
MAX_AT_ONE_PLACE = 5_000
"""Expansions that one call in the source may cause before it counts as endless; what it left to do is dropped."""
MAX_TOKENS = 2_000_000
MAX_BODY = 100_000
"""Tokens of one expansion."""
MAX_ENDLESS = 20
"""Endless calls after which no macro is expanded any more."""
MAX_ARGUMENT = 2_000_000
MAX_FRAMES = 2_000


@dataclass
class Macro:
    """A user's macro: how its arguments are read, and its body (parameters are PARAM tokens whose text is a digit)."""

    body: list[Token]
    arguments: list[Argument] = field(default_factory=list)
    prefix: list[Token] = field(default_factory=list)
    protected: bool = False

    def same(self, other: Macro | None) -> bool:
        """Equal meaning, as `\\ifx` asks."""
        return other is not None and (spell(self.body), len(self.arguments)) == (
            spell(other.body),
            len(other.arguments),
        )


@dataclass
class Argument:
    """`m` mandatory, `o` optional in brackets, `s` star, `d` delimited by other characters, `u` up to some tokens."""

    kind: str = "m"
    default: list[Token] | None = None
    until: list[Token] = field(default_factory=list)
    open: str = ""
    close: str = ""


class Gullet:
    """A stack of inputs and a table of macros; `get` gives the next token that cannot be expanded further."""

    def __init__(self) -> None:
        self.frames: list[Lexer | list[Token]] = []
        self.macros: dict[str, Macro] = {}
        self.aliases: dict[str, Token] = {}
        self.conditions: dict[str, bool] = {}
        self.primitives: dict[str, Callable[[Token], None]] = {}
        self.kept: frozenset[str] = frozenset()
        """Commands whose meaning for the reader no redefinition changes (`\\section`, `\\caption`)."""
        self.expansions = 0
        self.made = 0
        self.exhausted = ""
        """Name of the macro on which the budget ran out."""
        self._place = (-1, -1)
        self._repeats = self._made_here = self._endless = 0
        self._saved: list[list[tuple[str, Macro | None]]] = [[]]

    # input

    def raw(self) -> Token:
        """The next token, unexpanded; STOP at the end of all input."""
        frames = self.frames
        while frames:
            top = frames[-1]
            if type(top) is list:
                if top:
                    return top.pop()
            else:
                token = top.next()  # type: ignore[union-attr]
                if token.kind != EOF:
                    return token
            frames.pop()
        return STOP

    def push(self, tokens: list[Token]) -> None:
        """Makes these the next tokens."""
        if not tokens:
            return
        if self.frames and type(self.frames[-1]) is list:
            self.frames[-1].extend(reversed(tokens))
        elif len(self.frames) < MAX_FRAMES:
            self.frames.append(tokens[::-1])

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
                primitive(token)
                continue
            alias = self.aliases.get(name)
            if alias is not None:
                return Token(alias.kind, alias.text, token.source, token.start, token.end, False)
            return token

    def peek(self) -> Token:
        """The next unexpanded token, left in place."""
        token = self.raw()
        if token.kind != EOF:
            self.push([token])
        return token

    def skip_spaces(self) -> None:
        while (token := self.raw()).kind == SPACE:
            pass
        if token.kind != EOF:
            self.push([token])

    # arguments

    def argument(self) -> list[Token]:
        """An undelimited argument: the tokens of a group, or one token."""
        token = self.raw()
        while token.kind in (SPACE, PAR):
            token = self.raw()
        if token.kind == BEGIN:
            return self.balanced()
        if token.kind == EOF:
            return []
        if token.kind == END:
            self.push([token])
            return []
        if token.kind == TEXT and len(token.text) > 1:
            first, rest = self.split(token, 1)
            self.push([rest])
            return [first]
        return [token]

    @staticmethod
    def split(token: Token, at: int) -> tuple[Token, Token]:
        """A text token cut in two."""
        middle = token.start + at if token.exact else token.start
        return (
            token._replace(text=token.text[:at], end=middle if token.exact else token.end),
            token._replace(text=token.text[at:], start=middle),
        )

    def balanced(self) -> list[Token]:
        """Tokens up to the brace that closes a group already opened."""
        found: list[Token] = []
        depth = 0
        while (token := self.raw()).kind != EOF:
            if token.kind == BEGIN:
                depth += 1
            elif token.kind == END:
                if depth == 0:
                    break
                depth -= 1
            found.append(token)
            if len(found) > MAX_ARGUMENT:
                break
        return found

    def optional(self, opening: str = "[", closing: str = "]") -> list[Token] | None:
        """An optional argument in brackets; None, and nothing read, if there is none."""
        held: list[Token] = []
        token = self.raw()
        while token.kind == SPACE:
            held.append(token)
            token = self.raw()
        if token.kind != TEXT or not token.text.startswith(opening):
            self.push(held + ([token] if token.kind != EOF else []))
            return None
        first = token
        if len(token.text) > 1:
            first, rest = self.split(token, 1)
            self.push([rest])
        found: list[Token] = []
        depth = nested = 0
        while (token := self.raw()).kind != EOF:
            if token.kind == BEGIN:
                depth += 1
            elif token.kind == END:
                if depth == 0:
                    self.push([first, *found, token])
                    return None  # the bracket never closes within its group: it is text
                depth -= 1
            elif token.kind == TEXT and depth == 0:
                for i, c in enumerate(token.text):
                    if c == opening and opening != closing:
                        nested += 1
                    elif c == closing:
                        if nested == 0:
                            before, after = self.split(token, i)
                            if before.text:
                                found.append(before)
                            if len(after.text) > 1:
                                self.push([self.split(after, 1)[1]])
                            return found
                        nested -= 1
            elif token.kind == PAR and opening == "[" and len(found) > 2_000:
                break
            found.append(token)
            if len(found) > 2_000:
                break
        self.push([first, *found])
        return None

    def star(self) -> bool:
        """Whether a `*` comes next; it is consumed."""
        token = self.raw()
        if token.kind == TEXT and token.text.startswith("*"):
            if len(token.text) > 1:
                self.push([self.split(token, 1)[1]])
            return True
        if token.kind != EOF:
            self.push([token])
        return False

    # macros

    def expand(self, call: Token, macro: Macro) -> bool:
        """Replaces the call by the macro's body; False if the budget is used up."""
        self.expansions += 1
        if self.expansions > MAX_EXPANSIONS or self.made > MAX_TOKENS or self._endless > MAX_ENDLESS:
            self.exhausted = self.exhausted or call.text
            return False
        place = (call.source, call.start)
        if place != self._place:
            self._repeats = self._made_here = 0
        self._repeats += 1
        self._place = place
        if self._repeats > MAX_AT_ONE_PLACE or self._made_here > 2 * MAX_BODY:
            self._give_up(call)
            return True
        values, end = self._values(call, macro)
        if len(macro.body) + sum(len(v) for v in values) * sum(t.kind == PARAM for t in macro.body) > MAX_BODY:
            self._give_up(call)
            return True
        source, start = call.source, call.start
        out: list[Token] = []
        for t in macro.body:
            if t.kind == PARAM and t.text != "#":
                index = ord(t.text) - 49
                if 0 <= index < len(values):
                    out.extend(values[index])
            else:
                out.append(Token(t.kind, t.text, source, start, end, False))
        self.made += len(out)
        self._made_here += len(out)
        self.push(out)
        return True

    def _give_up(self, call: Token) -> None:
        """Drops what an endless call still had to do, so that the rest of the paper is read as usual."""
        self.exhausted = self.exhausted or call.text
        self._endless += 1
        self._repeats = self._made_here = 0
        if self.frames and isinstance(top := self.frames[-1], list):
            while top and (top[-1].source, top[-1].start) == (call.source, call.start):
                top.pop()

    def _values(self, call: Token, macro: Macro) -> tuple[list[list[Token]], int]:
        values: list[list[Token]] = []
        end = call.end
        for want in macro.prefix:
            got = self.raw()
            if want.kind == SPACE:
                if got.kind != SPACE:
                    self.push([got] if got.kind != EOF else [])
                continue
            if got.kind == TEXT == want.kind and got.text != want.text and got.text.startswith(want.text):
                self.push([self.split(got, len(want.text))[1]])
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
                value = self._until(argument.until)
            else:
                opening, closing = argument.open or "[", argument.close or "]"
                given = self.optional(opening, closing)
                none = (
                    [Token(CS, "NoValue", call.source, call.start, call.end, False)] if argument.default is None else []
                )
                value = given if given is not None else (argument.default or none)
            for t in reversed(value):
                if t.exact and t.source == call.source and t.end > end:
                    end = t.end + 1
                    break
            values.append(value)
        return values, end

    def _until(self, mark: list[Token]) -> list[Token]:
        """A delimited argument of `\\def`: everything up to the tokens of `mark`, outer braces dropped."""
        if not mark:
            return self.argument()
        found: list[Token] = []
        depth = 0
        want = mark[0]
        while (token := self.raw()).kind != EOF:
            if token.kind == BEGIN:
                depth += 1
            elif token.kind == END:
                depth -= 1
                if depth < 0:
                    self.push([token])
                    break
            if depth == 0 and token.kind == want.kind and want.kind != TEXT and token.text == want.text:
                if self._rest(mark[1:]):
                    break
            elif depth == 0 and token.kind == TEXT == want.kind and want.text in token.text:
                at = token.text.index(want.text)
                before, after = self.split(token, at)
                if before.text:
                    found.append(before)
                rest = self.split(after, len(want.text))[1]
                if rest.text:
                    self.push([rest])
                if self._rest(mark[1:]):
                    break
                continue
            found.append(token)
            if len(found) > 50_000:
                break
        if len(found) >= 2 and found[0].kind == BEGIN and found[-1].kind == END:
            inner = found[1:-1]
            level = 0
            for t in inner:
                level += (t.kind == BEGIN) - (t.kind == END)
                if level < 0:
                    return found
            return inner
        return found

    def _rest(self, mark: list[Token]) -> bool:
        """Consumes the remaining tokens of a delimiter."""
        for want in mark:
            got = self.raw()
            if (got.kind, got.text) != (want.kind, want.text) and got.kind != EOF:
                if got.kind == TEXT == want.kind and got.text.startswith(want.text):
                    self.push([self.split(got, len(want.text))[1]])
                    continue
                self.push([got])
        return True

    def define(self, name: str, macro: Macro, globally: bool = False, replace: bool = True) -> None:
        """Gives a name a meaning until the group ends (or for good)."""
        if name in self.kept or (not replace and name in self.macros):
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

    def only(self, tokens: list[Token] | Lexer) -> list[Lexer | list[Token]]:
        """Makes these the only input and returns the input they replace, for `self.frames` to take back afterwards."""
        before = self.frames
        self.frames = [tokens if isinstance(tokens, Lexer) else tokens[::-1]]
        return before


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
                    out.append(Gullet.split(after, 1)[1])
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
            if c == "G":
                _, i = group(i)
            found.append(Argument("m"))
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
