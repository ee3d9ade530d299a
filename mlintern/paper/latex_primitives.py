"""What TeX does before anything is typeset: definitions, conditionals and `\\input`, as primitives of the Gullet."""

from __future__ import annotations

import re
from collections.abc import Callable

from mlintern.paper.latex_macros import Argument, Gullet, Macro, name_of, parameters, xparse
from mlintern.paper.latex_tokens import BEGIN, CS, END, EOF, PARAM, SPACE, TEXT, Lexer, Token, spell, tokens_of, trimmed

_MACRO_LIKE = frozenset(
    "ifthenelse iftoggle ifstrequal ifstrempty ifdef ifblank ifundef ifcsdef ifcsundef ifdefempty ifdefstring "
    "ifnumcomp "
    "ifnumequal ifboolexpr ifbool ifnumgreater ifnumless ifdefmacro iff ifnextchar ifinlist ifx@ ifdimcomp ifnumodd "
    "ifempty ifcsempty ifcsstring ifcsstrequal ifvoid ifnextcharq ifdefvoid ifcsvoid ifpackageloaded".split()
)
"""Names that begin with `if` and take their branches as arguments; any other `\\if…` runs to its `\\fi`."""
_LIKELY_TRUE = re.compile(r"final|arxiv|preprint|accept|camera|long|full|appendix|pdf", re.I)


def is_condition(name: str) -> bool:
    """Whether a control sequence opens a conditional that `\\fi` closes."""
    return name.startswith("if") and name not in _MACRO_LIKE and "@if" not in name


class Primitives:
    """Installs the primitives into a Gullet. `load` is called with a command and a file name and pushes that file's
    text."""

    def __init__(self, gullet: Gullet, load: Callable[[str, list[str], Token], None], mode: Callable[[], bool]):
        self.g = gullet
        self.load = load
        self.math = mode
        self.environments: dict[str, tuple[Macro, list[Token]]] = {}
        self.columns: dict[str, Macro] = {}
        self.theorems: dict[str, tuple[str, str]] = {}
        """Environment -> (heading, counter)."""
        self.counters: dict[str, int] = {}
        self.within: dict[str, str] = {}
        """Counter -> the counter that resets it."""
        self.open = 0
        self.nested = 0
        for name in dir(self):
            if name.startswith("do_"):
                gullet.primitives[name[3:]] = getattr(self, name)
        for name in "renewcommand providecommand DeclareRobustCommand newrobustcmd renewrobustcmd CheckCommand".split():
            gullet.primitives[name] = self.do_newcommand
        for name in "gdef edef xdef protected@edef protected@xdef".split():
            gullet.primitives[name] = self.do_def
        for name in (
            "RenewDocumentCommand ProvideDocumentCommand DeclareDocumentCommand NewExpandableDocumentCommand "
            "DeclareExpandableDocumentCommand"
        ).split():
            gullet.primitives[name] = self.do_NewDocumentCommand
        for name in "RenewDocumentEnvironment ProvideDocumentEnvironment DeclareDocumentEnvironment".split():
            gullet.primitives[name] = self.do_NewDocumentEnvironment
        gullet.primitives["renewenvironment"] = self.do_newenvironment
        gullet.primitives["renewtheorem"] = self.do_newtheorem
        gullet.primitives["ifcsdef"] = self.do_ifdef
        gullet.primitives["newcounter*"] = self.do_newcounter
        gullet.primitives["iftoggle"] = gullet.primitives["ifbool"] = self._toggle
        gullet.primitives["ifundef"] = gullet.primitives["ifcsundef"] = gullet.primitives["@ifundefined"] = (
            self._undefined
        )
        gullet.primitives["settoggle"] = gullet.primitives["setbool"] = self._settoggle
        gullet.primitives["newbool"] = gullet.primitives["providetoggle"] = self.do_newtoggle
        gullet.primitives["booltrue"] = self.do_toggletrue
        gullet.primitives["boolfalse"] = self.do_togglefalse
        for name in "include subfile subfileinclude import subimport inputminted@ loadglsentries".split():
            gullet.primitives[name] = self.do_input
        gullet.primitives["@input"] = gullet.primitives["subincludefrom"] = gullet.primitives["includefrom"] = (
            self.do_input
        )
        gullet.primitives["RequirePackage"] = gullet.primitives["usepackage"] = self._package
        gullet.primitives["numberwithin"] = gullet.primitives["counterwithin"] = self._within
        gullet.primitives["counterwithout"] = self._without

    # definitions

    def do_newcommand(self, token: Token) -> None:
        g = self.g
        g.star()
        name = name_of(g.argument())
        count = spell(g.optional() or []).strip()
        default = g.optional()
        g.skip_spaces()
        body = parameters(g.argument())
        arguments = [Argument("m") for _ in range(min(int(count), 9))] if count.isdigit() else []
        if default is not None and arguments:
            arguments[0] = Argument("o", default)
        if name:
            g.define(name, Macro(body, arguments), replace=token.text != "providecommand")

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
                value = g.split(value, 1)[1]
            else:
                g.skip_spaces()
                value = g.raw()
        if value.kind == TEXT and len(value.text) > 1:
            value, rest = g.split(value, 1)
            g.push([rest])
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
        count = spell(g.optional() or []).strip()
        default = g.optional()
        g.skip_spaces()
        begin = parameters(g.argument())
        g.skip_spaces()
        end = g.argument()
        arguments = [Argument("m") for _ in range(min(int(count), 9))] if count.isdigit() else []
        if default is not None and arguments:
            arguments[0] = Argument("o", default)
        self.environments[name] = (Macro(begin, arguments), end)

    def do_NewDocumentEnvironment(self, token: Token) -> None:
        g = self.g
        name = spell(g.argument()).strip()
        arguments = xparse(g.argument())
        begin = parameters(g.argument())
        self.environments[name] = (Macro(begin, arguments), g.argument())

    def do_newcolumntype(self, token: Token) -> None:
        g = self.g
        name = spell(g.argument()).strip()
        count = spell(g.optional() or []).strip()
        g.optional()
        body = parameters(g.argument())
        self.columns[name] = Macro(body, [Argument("m") for _ in range(int(count))] if count.isdigit() else [])

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
    do_ignorespaces = do_unskip = do_expanded = do_xspace = do_noexpand

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

    # counters

    def do_newcounter(self, token: Token) -> None:
        name = spell(self.g.argument()).strip()
        self.counters.setdefault(name, 0)
        if within := self.g.optional():
            self.within[name] = spell(within).strip()

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
        return int(m[0].replace(" ", "")) if m else 0

    # conditionals

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
            return self._compare()
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
        return bool(_LIKELY_TRUE.search(name))

    def _known(self, name: str) -> bool:
        g = self.g
        return name in g.macros or name in g.primitives or name in g.aliases or name in g.kept

    def _one(self, expanded: bool) -> Token:
        g = self.g
        t = g.get() if expanded else g.raw()
        while t.kind == SPACE:
            t = g.get() if expanded else g.raw()
        if t.kind == TEXT and len(t.text) > 1:
            t, rest = g.split(t, 1)
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
        return (a.kind, a.text if name != "ifcat" else "") == (b.kind, b.text if name != "ifcat" else "")

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
                t, rest = g.split(t, m.end())
                g.push([rest])
        return [t]

    def _word(self) -> Token:
        t = self.g.get()
        while t.kind == SPACE:
            t = self.g.get()
        return t

    def _compare(self) -> bool:
        g = self.g
        left = spell(self._number())
        sign = self._word()
        text = sign.text
        if sign.kind == TEXT and len(text) > 1:
            sign, rest = g.split(sign, 1)
            g.push([rest])
        right = spell(self._number())
        values = [re.match(r"[-+]?\d*\.?\d+", x.strip()) for x in (left, right)]
        if not all(values):
            return False
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

    def do_ifthenelse(self, token: Token) -> None:
        g = self.g
        test = spell(g.argument())
        yes, no = g.argument(), g.argument()
        g.push(yes if self._ifthen(test) else no)

    def _ifthen(self, test: str) -> bool:
        if m := re.search(r"\\equal\s*\{(.*?)\}\s*\{(.*?)\}", test, re.S):
            sides = [self._flat(x) for x in m.groups()]
            result = sides[0] == sides[1]
        elif m := re.search(r"\\boolean\s*\{\s*([\w@]+)\s*\}", test):
            result = self.g.conditions.get("if" + m[1], bool(_LIKELY_TRUE.search(m[1])))
        elif m := re.search(r"\\isundefined\s*\{?\s*\\([A-Za-z@]+)", test):
            result = not self._known(m[1])
        elif m := re.search(r"(-?\d+|\\value\s*\{\w+\})\s*([<>=])\s*(-?\d+|\\value\s*\{\w+\})", test):
            a, b = (self.counters.get(x[7:-1], 0) if x[0] == "\\" else int(x) for x in (m[1], m[3]))
            result = a < b if m[2] == "<" else a > b if m[2] == ">" else a == b
        else:
            result = False
        return result != bool(re.search(r"\\(?:not|NOT)\b", test))

    def _flat(self, text: str) -> str:
        """Text with parameterless macros replaced once."""
        return re.sub(
            r"\\([A-Za-z@]+)\s*", lambda m: spell(self.g.macros[m[1]].body) if m[1] in self.g.macros else m[0], text
        ).strip()

    def _choose(self, truth: bool) -> None:
        yes, no = self.g.argument(), self.g.argument()
        self.g.push(yes if truth else no)

    def do_ifstrequal(self, token: Token) -> None:
        self._choose(spell(self.g.argument()) == spell(self.g.argument()))

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
        self._choose(self.g.conditions.get("toggle " + name, bool(_LIKELY_TRUE.search(name))))

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

    # files

    def do_input(self, token: Token) -> None:
        g = self.g
        g.skip_spaces()
        names = []
        if g.peek().kind == BEGIN:
            wanted = 2 if token.text in ("import", "subimport", "subincludefrom", "includefrom") else 1
            names = [spell(g.argument()).strip() for _ in range(wanted)]
        else:  # \input file.tex
            while (t := g.raw()).kind in (TEXT, "_", "~"):
                names = [(names[0] if names else "") + t.text]
            if t.kind != EOF:
                g.push([t])
        if names:
            self.load(token.text, names, token)

    def do_IfFileExists(self, token: Token) -> None:
        self.g.argument()
        self._choose(False)

    def do_InputIfFileExists(self, token: Token) -> None:
        g = self.g
        name = spell(g.argument()).strip()
        g.argument(), g.argument()
        self.load("InputIfFileExists", [name], token)

    def _package(self, token: Token) -> None:
        g = self.g
        g.optional()
        names = spell(g.argument())
        g.optional()
        for name in names.split(","):
            if name.strip():
                self.load("usepackage", [name.strip()], token)


def install_conditions(gullet: Gullet, primitives: Primitives) -> None:
    """Lets `Gullet.get` meet `\\if…`: every such name that no macro defines is a conditional."""
    gullet.primitives["@ifnextchar"] = gullet.primitives["@ifstar"] = primitives._next_is
    gullet.primitives["kernel@ifnextchar"] = primitives._next_is
    table = gullet.primitives

    class Table(dict[str, Callable[[Token], None]]):
        def get(self, name: str, default: object = None):  # type: ignore[no-untyped-def]
            found = dict.get(self, name)
            if found is None and name[:2] == "if" and is_condition(name):
                return primitives.condition
            return found

    gullet.primitives = Table(table)
