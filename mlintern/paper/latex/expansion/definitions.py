"""Definitions: commands, environments, theorems, column types, and what TeX has to build and delay them."""

from __future__ import annotations

from mlintern.paper.latex.expansion.counters import Counters
from mlintern.paper.latex.expansion.gullet import Gullet
from mlintern.paper.latex.expansion.macro import Argument, Macro, name_of, parameters, xparse
from mlintern.paper.latex.source.tokens import (
    BEGIN,
    CS,
    END,
    EOF,
    PAR,
    PARAM,
    SPACE,
    TAB,
    TEXT,
    TIE,
    Lexer,
    Token,
    figure,
    spell,
    split,
    tokens_of,
)

_NO_SPACE_BEFORE = frozenset(",.'/?;:!-)")
_NO_SPACE_BEFORE_COMMAND = frozenset(
    ("/", " ", "\\", "bgroup", "egroup", "space", "xspace", "footnote", "footnotemark", "newline", "par", "end")
)
"""xspace's own list of what it writes no space before."""


class Definitions(Counters):
    """The primitives that give names a meaning."""

    def __init__(self, gullet: Gullet):
        super().__init__(gullet)
        self.environments: dict[str, tuple[Macro, list[Token]]] = {}
        self.wrapped: dict[str, Macro] = {}
        """Environments whose body is an argument."""
        self.columns: dict[str, Macro] = {}
        self.theorems: dict[str, tuple[str, str]] = {}
        """Environment -> (heading, counter)."""

    def do_newcommand(self, token: Token) -> None:
        g = self.g
        g.star()
        name = name_of(g.argument())
        arguments = self._arguments()
        body = parameters(g.argument())
        if name:
            g.define(name, Macro(body, arguments), replace=token.text != "providecommand")

    def _arguments(self) -> list[Argument]:
        """`[2][default]`, behind the name that is defined."""
        g = self.g
        count = figure(spell(g.optional() or []), 9)
        default = g.optional()
        g.skip_spaces()
        found = [Argument("m") for _ in range(count)]
        if default is not None and found:
            found[0] = Argument("o", default)
        return found

    def do_def(self, token: Token) -> None:
        g = self.g
        target = g.raw()
        while target.kind == SPACE:
            target = g.raw()
        pattern: list[Token] = []
        while (t := g.raw()).kind not in (BEGIN, EOF):
            if t.kind == END:
                g.push([t])
                return
            pattern.append(t)
            if len(pattern) > 200:
                return
        body = parameters(g.balanced())
        pattern = parameters(pattern)
        prefix: list[Token] = []
        arguments: list[Argument] = []
        for t in pattern:
            if t.kind == PARAM:
                arguments.append(Argument("m"))
            elif arguments:
                arguments[-1].kind = "u"
                arguments[-1].until.append(t)
            else:
                prefix.append(t)
        if target.kind == CS:
            g.define(target.text, Macro(body, arguments, prefix), globally=token.text in ("gdef", "xdef"))

    def do_let(self, token: Token) -> None:
        g = self.g
        target = g.raw()
        g.skip_spaces()
        value = g.raw()
        if value.kind == TEXT and value.text.startswith("="):
            if len(value.text) > 1:
                value = split(value, 1)[1]
            else:
                g.skip_spaces()
                value = g.raw()
        if value.kind == TEXT and len(value.text) > 1:
            value, rest = split(value, 1)
            g.push([rest])
        self._assign(target, value)

    def do_futurelet(self, token: Token) -> None:
        """`\\futurelet\\next\\look x`: `\\next` becomes `x`, which stays in the input behind `\\look`."""
        g = self.g
        target, look, after = g.raw(), g.raw(), g.raw()
        g.push([t for t in (look, after) if t.kind != EOF])
        self._assign(target, split(after, 1)[0] if after.kind == TEXT and len(after.text) > 1 else after)

    def _assign(self, target: Token, value: Token) -> None:
        g = self.g
        if target.kind != CS or target.text in g.kept or target.text == value.text:
            return
        if value.kind == CS and value.text in g.macros:
            g.define(target.text, g.macros[value.text])
        elif value.kind == CS and (value.text in g.primitives):
            g.primitives[target.text] = g.primitives[value.text]
        elif value.kind not in (CS, EOF):
            g.define(target.text, Macro([value]))
        elif value.kind == CS:
            g.macros.pop(target.text, None)
            g.aliases[target.text] = value

    def do_DeclareMathOperator(self, token: Token) -> None:
        g = self.g
        g.star()
        name = name_of(g.argument())
        body = g.argument()
        like = token._replace(exact=False)
        if name:
            g.define(
                name,
                Macro(
                    [
                        *tokens_of(r"\operatorname", like),
                        like._replace(kind=BEGIN, text="{"),
                        *body,
                        like._replace(kind=END, text="}"),
                    ]
                ),
            )

    def do_NewDocumentCommand(self, token: Token) -> None:
        g = self.g
        name = name_of(g.argument())
        arguments = xparse(g.argument())
        body = parameters(g.argument())
        if name:
            g.define(name, Macro(body, arguments))

    def do_newenvironment(self, token: Token) -> None:
        g = self.g
        g.star()
        name = spell(g.argument()).strip()
        arguments = self._arguments()
        begin = parameters(g.argument())
        self.environments[name] = (Macro(begin, arguments), g.argument())

    def do_NewDocumentEnvironment(self, token: Token) -> None:
        g = self.g
        name = spell(g.argument()).strip()
        arguments = xparse(g.argument())
        begin = parameters(g.argument())
        self.environments[name] = (Macro(begin, arguments), g.argument())

    def do_NewEnviron(self, token: Token) -> None:
        """environ's environments, whose body stands where `\\BODY` is."""
        g = self.g
        name = spell(g.argument()).strip()
        arguments = self._arguments()
        body = parameters(g.argument())
        g.optional()
        self.wrapped[name] = Macro(body, arguments)

    do_RenewEnviron = do_NewEnviron

    def do_newcolumntype(self, token: Token) -> None:
        g = self.g
        name = spell(g.argument()).strip()
        arguments = self._arguments()
        self.columns[name] = Macro(parameters(g.argument()), arguments)

    def do_newlength(self, token: Token) -> None:
        """A register: its name alone, or with a value behind it, prints nothing."""
        if name := name_of(self.g.argument()):
            self.g.registers.add(name)

    do_newdimen = do_newskip = do_newcount = do_newlength

    def do_newtheorem(self, token: Token) -> None:
        g = self.g
        starred = g.star()
        name = spell(g.argument()).strip()
        shared = g.optional()
        title = spell(g.argument()).strip()
        within = g.optional()
        counter = spell(shared).strip() if shared else name
        self.theorems[name] = (title, "" if starred else counter)
        self.counters.setdefault(counter, 0)
        if within:
            self.within[counter] = spell(within).strip()

    def do_csname(self, token: Token) -> None:
        g = self.g
        parts: list[Token] = []
        while (t := g.get()).kind != EOF and not (t.kind == CS and t.text == "endcsname"):
            parts.append(t)
            if len(parts) > 200:
                return
        g.push([Token(CS, spell(parts).strip(), token.source, token.start, token.end, False)])

    def do_csdef(self, token: Token) -> None:
        """`\\@namedef{name}#1{…}`: a definition of a name in words."""
        like = token._replace(kind=CS, exact=False)
        define = {"csedef": "edef", "csgdef": "gdef", "csxdef": "xdef"}.get(token.text, "def")
        name = self.g.argument()
        before = [like._replace(text=text) for text in ("expandafter", define, "csname")]
        self.g.push([*before, *name, like._replace(text="endcsname")])

    do_csedef = do_csgdef = do_csxdef = do_csdef

    def do_csuse(self, token: Token) -> None:
        """`\\@nameuse{name}`: the command of that name."""
        self.g.push([*self.g.argument(), token._replace(kind=CS, text="endcsname", exact=False)])
        self.do_csname(token)

    def do_expandafter(self, token: Token) -> None:
        g = self.g
        first, second = g.raw(), g.raw()
        if second.kind == CS and second.text == "expandafter" and self.nested > 20:
            return
        if second.kind == CS:
            macro = g.macros.get(second.text)
            if macro is not None and g.expand(second, macro):
                g.push([first])
                return
            if second.text in ("csname", "expandafter"):
                self.nested += 1
                g.primitives[second.text](second)
                self.nested -= 1
                g.push([first])
                return
        g.push([t for t in (first, second) if t.kind != EOF])

    def do_noexpand(self, token: Token) -> None:
        pass

    do_relax = do_protect = do_unexpanded = do_global = do_long = do_outer = do_protected = do_leavevmode = do_noexpand
    do_ignorespaces = do_unskip = do_expanded = do_noexpand

    def do_xspace(self, token: Token) -> None:
        """A space, unless what follows the macro is punctuation or a space already."""
        after = self.g.peek()
        closes = after.kind in (SPACE, PAR, TIE, END, BEGIN, TAB, EOF) or (
            after.kind == TEXT and after.text[0] in _NO_SPACE_BEFORE
        )
        if not closes and not (after.kind == CS and after.text in _NO_SPACE_BEFORE_COMMAND):
            self.g.push([token._replace(kind=SPACE, text=" ", exact=False)])

    def do_makeatletter(self, token: Token) -> None:
        for frame in self.g.frames:
            if isinstance(frame, Lexer):
                frame.at_letter = True

    def do_makeatother(self, token: Token) -> None:
        for frame in self.g.frames:
            if isinstance(frame, Lexer):
                frame.at_letter = False

    def do_ExplSyntaxOn(self, token: Token) -> None:
        if self.g.frames and isinstance(top := self.g.frames[-1], Lexer):
            top.until("\\ExplSyntaxOff")
