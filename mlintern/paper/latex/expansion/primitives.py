"""What TeX does before anything is typeset: definitions, conditionals and `\\input`, as primitives of the Gullet."""

from __future__ import annotations

from collections.abc import Callable

from mlintern.paper.latex.expansion.conditions import is_condition
from mlintern.paper.latex.expansion.gullet import Gullet
from mlintern.paper.latex.expansion.loops import Loops
from mlintern.paper.latex.source.tokens import BEGIN, EOF, TEXT, Token, spell


class Primitives(Loops):
    """Installs the primitives into a Gullet.

    `load` is called with a command, the file names in its arguments and its token, and pushes that file's text; `mode`
    says whether a formula is open.
    """

    def __init__(self, gullet: Gullet, load: Callable[[str, list[str], Token], None], mode: Callable[[], bool]):
        super().__init__(gullet, mode)
        self.load = load
        self.included: frozenset[str] | None = None
        """What `\\includeonly` lets `\\include` read; None for everything."""
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
        gullet.primitives["@namedef"], gullet.primitives["@nameuse"] = self.do_csdef, self.do_csuse
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
        gullet.primitives["@for"] = gullet.primitives["@tfor"] = self._for
        gullet.primitives["numberwithin"] = gullet.primitives["counterwithin"] = self._within
        gullet.primitives["counterwithout"] = self._without

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
        if token.text == "include" and self.included is not None and names and names[0] not in self.included:
            return
        if names:
            self.load(token.text, names, token)

    def do_includeonly(self, token: Token) -> None:
        names = spell(self.g.argument()).split(",")
        self.included = frozenset(name.strip() for name in names if name.strip())

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

    class Conditionals(dict[str, Callable[[Token], None]]):
        def get(self, name: str, default: object = None):  # type: ignore[no-untyped-def]
            found = dict.get(self, name)
            if found is None and name[:2] == "if" and is_condition(name):
                return primitives.condition
            return found

    gullet.primitives = Conditionals(table)
