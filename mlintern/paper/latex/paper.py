"""A whole paper: environments, front matter and sections over floats, cells, formulas and references."""

from __future__ import annotations

import re

from mlintern.paper.latex.expansion.macro import Macro
from mlintern.paper.latex.floats import Floats
from mlintern.paper.latex.formulas import Formulas
from mlintern.paper.latex.grids.cells import CellCommands
from mlintern.paper.latex.grids.data_files import DataFiles
from mlintern.paper.latex.grids.tables import read_grid
from mlintern.paper.latex.references import References
from mlintern.paper.latex.source.commands import (
    ARGUMENTS,
    DISPLAYS,
    DRAWINGS,
    FLOATS,
    GRIDS,
    IGNORED,
    KEPT,
    LEVELS,
    SCOPED,
    VERBATIM,
)
from mlintern.paper.latex.source.drafts import SectionDraft
from mlintern.paper.latex.source.files import Folder
from mlintern.paper.latex.source.ink import PLAIN
from mlintern.paper.latex.source.tokens import BEGIN, CS, END, EOF, TEXT, Lexer, Token, spell, tokens_of
from mlintern.paper.latex.typesetting.setting import Scope

_APPENDIX = re.compile(r"\s*(?:[A-Z]\s+)?(?:appendix|appendices|supplement(?:ary|al)?\b)", re.I)
_PSEUDOCODE = {
    name.lower(): word.replace("_", " ")
    for name, _, word in (
        entry.partition(":")
        for entry in (
            "State: Statex: For:for ForAll:for_all While:while If:if ElsIf:else_if ElseIf:else_if Else:else "
            "EndFor: EndWhile: "
            "EndIf: Return:return Require:Require: Ensure:Ensure: Input:Input: Output:Output: Procedure:procedure "
            "EndProcedure: Function:function EndFunction: Call: Comment:▷ Repeat:repeat Until:until Loop:loop EndLoop: "
            "KwIn:Input: KwOut:Output: KwData:Data: KwResult:Result: KwRet:return KwTo:to ForEach:for_each uIf:if "
            "eIf:if "
            "lIf:if uElse:else lElse:else uElseIf:else_if tcp:▷ tcc:▷ ; Print:print Initialize:Initialize: Break:break "
            "Continue:continue To:to And:and Or:or Not:not True:true False:false lFor:for Begin: With: EndWith:"
        ).split()
    )
    if name != ";"
}
_ALGORITHMS = frozenset(f"env {name}" for name in "algorithm algorithm* algorithmic algorithm2e".split())
_CITE = re.compile(r"(?:[a-zA-Z]*cite[a-zA-Z]*|citep|citet|citealp|citeyearpar)")


class PaperReader(Floats, CellCommands, DataFiles, Formulas, References):
    """One pass over the expanded source; `assemble` makes the Document of what it leaves behind."""

    def __init__(self, folder: Folder, root: str):
        super().__init__(folder, root)
        self.g.primitives["csvreader"] = self.do_csvreader
        for name in "ref pageref vref thref autopageref zref".split():
            self.handlers[name] = self.cmd_ref
        for name in "Cref autoref Autoref fref Fref tref Vref cpageref labelcref namecref nameCref".split():
            self.handlers[name] = self.cmd_cref
        for name in LEVELS:
            self.handlers[name] = self._section
        for name in "icmltitle papertitle".split():
            self.handlers[name] = self.cmd_title
        for name in "icmlauthor name Author authors".split():
            self.handlers[name] = self.cmd_author
        for name in "subtable subfigure subfloat subcaptionbox".split():
            self.handlers[name] = self._sub_box

    def cmd_begin(self, token: Token) -> None:
        name = spell(self.g.argument()).strip()
        if name == "document":
            self.body = True
            self.p.guessed.clear()  # what a preamble chooses between is not the paper's text
            return
        if name in VERBATIM | DRAWINGS | IGNORED:
            self._raw_environment(name, token)
            return
        own = len(self.scopes) < 400 and not self.g.spent
        if own and self.body and (wrapped := self.p.wrapped.get(name)):
            self._wrapped(name, wrapped, token)
            return
        user = self.p.environments.get(name) if own and name not in KEPT else None
        if user is not None:
            scope = self.enter("env " + name)
            scope.extra["end"] = user[1]
            self.g.expand(token, user[0])
            return
        if not self.body and name not in ("abstract",):
            self.arguments(ARGUMENTS.get(name, ""))
            self.enter("env " + name)
            return
        if name in GRIDS:
            read_grid(self, name, token)
        elif name in FLOATS:
            self._begin_float(name, token)
        elif name in DISPLAYS:
            self.arguments(ARGUMENTS.get(name, ""))
            self.display(name, token)
        elif name in self.p.theorems:
            self._begin_theorem(name, token)
        elif name in ("itemize", "enumerate", "description", "compactitem", "compactenum", "inparaenum"):
            self.arguments("o")
            self.enter("env " + name).extra["count"] = 0
        elif name == "abstract":
            self.body = True
            block = self.open_block("abstract")
            self.enter("env abstract").extra["block"] = block
        elif name == "thebibliography":
            self.g.argument()
            self.close_block()
            self.enter("env thebibliography")
        elif name in ("appendix", "appendices", "subappendices"):
            self.cmd_appendix(token)
            self.enter("env " + name)
        elif name in ("verse", "quote", "quotation", "center", "proof"):
            if name == "proof":
                self.g.optional()
                self.paragraph(token)
                self.put("Proof.", token)
            self.enter("env " + name)
        else:
            self._begin_other(name, token)

    def _wrapped(self, name: str, macro: Macro, token: Token) -> None:
        """Puts the body of an environment where its definition has `\\BODY`, in a group."""
        g = self.g
        values = g.values(token, macro)[0]
        body = self.until_end(name)
        at = next((i for i in range(len(body) - 1, -1, -1) if body[i].kind == CS and body[i].text == "end"), len(body))
        like = token._replace(exact=False)
        g.push([like._replace(kind=BEGIN, text="{"), like._replace(kind=CS, text="wrapped body")])
        g.define("BODY", Macro(body[:at]), globally=True)
        g.macros["wrapped body"] = Macro([*g.filled(macro, values, token), like._replace(kind=END, text="}")])

    def _begin_other(self, name: str, token: Token) -> None:
        if name == "array" and self.float is not None and self.float.kind == "table" and self.cell is None:
            read_grid(self, name, token)
            return
        self.arguments(ARGUMENTS.get(name, ""))
        scope = self.enter("env " + name)
        if name in SCOPED:
            self.scope_ids += 1
            self.scope_path.append(self.scope_ids)
            scope.extra["scope"] = True
            scope.extra["sub"] = name.startswith("sub")
        if name in ("bfseries", "bf"):
            self.restyle({"bold": True})

    def cmd_end(self, token: Token) -> None:
        name = spell(self.g.argument()).strip()
        if name == "document":
            self.stop = True
            self.g.frames = []
            return
        scope = next((s for s in reversed(self.scopes[self.floor :]) if s.name == "env " + name), None)
        if scope is not None and "end" in scope.extra and not self.g.spent:
            body = scope.extra.pop("end")
            self.g.push(
                [
                    *[t._replace(source=token.source, start=token.start, end=token.end, exact=False) for t in body],  # type: ignore[attr-defined]
                    token,
                    *tokens_of("{" + name + "}", token),
                ]
            )
            return
        if name in DISPLAYS:
            self.leave(name, token)
            return
        self.leave("env " + name, token)
        if (
            name in ("quote", "center", "proof", "itemize", "enumerate", "description", "abstract")
            or name in self.p.theorems
        ):
            self.paragraph(token)

    def left(self, scope: Scope, token: Token) -> None:
        if scope.extra.get("scope"):
            self.scope_path.pop()
        if "float" in scope.extra:
            self.end_float(token)
        if "block" in scope.extra:
            block = scope.extra["block"]
            self.abstract = (block.start, self.ink.size)  # type: ignore[attr-defined]
        if scope.name == "env thebibliography":
            self._close_entry()
        if scope.name in ("$$",) or scope.name in DISPLAYS:
            self._finish_equation(token)

    def _raw_environment(self, name: str, token: Token) -> None:
        frame = self.g.frames[-1] if self.g.frames else None
        mark = "\\end{" + name + "}"
        if isinstance(frame, Lexer):
            text, start = frame.until(mark)
            at = Token(TEXT, text, frame.source, start, start + len(text))
        else:
            held: list[Token] = []
            while (t := self.g.raw()).kind != EOF:
                if t.kind == CS and t.text == "end" and spell(self.g.argument()).strip() == name:
                    break
                held.append(t)
            text = spell(held)
            at = token._replace(text=text, exact=False)
        if not self.body or name in IGNORED:
            return
        if name in DRAWINGS:
            if self.float is not None:
                self.float.images.append((self.scope_path[-1], "", token))
            self.lack(
                "figure",
                f"{name} at character {token.start}",
                "drawn by LaTeX itself; what it shows was not read",
                token,
            )
            return
        if self.depth or self.cell is not None:
            self.put(text.strip(), at)
            return
        lead = len(text) - len(text.lstrip("\n"))
        self.open_block("code")
        shown = text[lead:].rstrip()
        if shown and at.exact:
            at = at._replace(start=at.start + lead, end=at.start + lead + len(shown))
        self.ink.put(shown, at, PLAIN, at.exact)
        self.close_block()

    def _begin_theorem(self, name: str, token: Token) -> None:
        title, counter = self.p.theorems[name]
        self.close_block()
        number = ""
        if counter:
            self.p.step(counter)
            number = self.number_of(counter, token)
            self.target = (title or name, number, [])
        note = self.g.optional()
        self.put(f"{title} {number}".strip(), token)
        if note:
            self.put(" (", token)
            self.g.push([*note, Token(TEXT, ")", -1, 0, 0, False), Token(TEXT, ".", -1, 0, 0, False)])
        else:
            self.put(".", token)
        self.ink.space(token)
        self.enter("env " + name)

    def cmd_item(self, token: Token) -> None:
        given = self.g.optional()
        if self.cell is None and self.depth == 0:
            self.open_block("item")
        scope = next((s for s in reversed(self.scopes) if s.name.startswith("env ") and "count" in s.extra), None)
        if given:
            self.render(given)
        elif scope is not None and "enum" in scope.name:
            scope.extra["count"] = int(scope.extra["count"]) + 1  # type: ignore[call-overload]
            self.target = ("item", str(scope.extra["count"]), [])
            self.put(f"{scope.extra['count']}.", token)
        else:
            self.put("•", token)
        self.ink.space(token)

    def cmd_title(self, token: Token) -> None:
        self.g.optional()
        title = self.g.argument()
        if not self.title:
            self.title = title

    def cmd_author(self, token: Token) -> None:
        self.g.optional()
        self.authors.append(self.g.argument())
        if token.text == "icmlauthor":
            self.g.argument()  # the keys of the affiliations

    def cmd_twocolumn(self, token: Token) -> None:
        """`\\twocolumn[…]` sets title, authors or abstract across both columns; they stay in the input."""
        self.g.push(self.g.optional() or [])

    def cmd_abstract(self, token: Token) -> None:
        """The command form: `\\abstract{…}`."""
        arg = self.g.argument()
        self.body = True
        block = self.open_block("abstract")
        before = self.g.only(arg)
        self.run()
        self.g.frames = before
        self.abstract = (block.start, self.ink.size)
        self.close_block()

    def cmd_appendix(self, token: Token) -> None:
        if self.appendix:
            return
        self.appendix = True
        self.p.counters["section"] = 0
        for name in ("chapter", "section"):
            if name == "section" or self.p.counters.get("chapter"):
                self.g.macros[f"the{name}"] = Macro(tokens_of(rf"\Alph{{{name}}}", token))

    def _section(self, token: Token) -> None:
        starred = self.g.star()
        short = self.g.optional()
        arg = self.g.argument()
        if not self.body or self.depth:
            return
        self.settle_floats()
        level = LEVELS[token.text]
        number = ""
        if not starred and level <= 3:
            self.p.step(token.text)
            for deeper, depth in LEVELS.items():
                if depth > level:
                    self.p.counters[deeper] = 0
            number = self.number_of(token.text, token)
        while self.open_sections and self.open_sections[-1].level >= level:
            self.open_sections.pop().end = self.ink.size
        title = spell(arg or short or [])
        appendix = self.appendix or (level <= 1 and _APPENDIX.match(title) is not None)
        draft = SectionDraft(level, number, appendix, self.ink.size, token)
        if any(s.appendix for s in self.open_sections):
            draft.appendix = True
        block = self.open_block("heading", draft)
        draft.start = block.start
        self.target = ("appendix" if self.appendix else "section", number, draft.labels)
        if number:
            self.put(number, token)
            self.ink.space(token)
        start = self.ink.mark()
        before = self.g.only(arg)
        self.enter("arg")
        self.run()
        self.leave("arg", token)
        self.g.frames = before
        draft.title = (start, self.ink.size)
        self.close_block()
        self.sections.append(draft)
        self.open_sections.append(draft)

    def _algorithmic(self, token: Token) -> None:
        """A keyword of pseudocode, on a line of its own; its condition follows as text."""
        word = _PSEUDOCODE[token.text.lower()]
        if token.text.lower() not in ("comment", "tcp", "tcc", "call", "to", "and", "or", "not", "true", "false"):
            self.ink.space(token)
        if word:
            self.put(word, token)
            self.ink.space(token._replace(exact=False))

    def command(self, token: Token) -> None:
        name = token.text
        if name not in self.handlers:
            if name.lower() in _PSEUDOCODE and any(s.name in _ALGORITHMS for s in self.scopes):
                self._algorithmic(token)
                return
            if name == "[":
                self.display("$$", token)
                return
            if name == "]":
                self.leave("$$", token)
                return
            if name == "(":
                self.open_formula()
                return
            if name == ")":
                self.close_formula("$", token)
                return
            if "cite" in name and _CITE.fullmatch(name):
                self.cite(token)
                return
            if name.startswith("the") and name[3:] in self.p.counters:
                self.put(self.number_of(name[3:], token), token)
                return
            if name.startswith("end") and name[3:] in (*DISPLAYS, *GRIDS):
                self.leave("env " + name[3:], token)
                return
        super().command(token)

    def too_deep(self, token: Token) -> None:
        self.lack("limit", "nesting", "the source nests deeper than a paper does; what lies deeper was not read", token)

    def unknown_command(self, token: Token) -> None:
        if self.body:
            super().unknown_command(token)
