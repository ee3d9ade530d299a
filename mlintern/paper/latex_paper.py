"""What a paper is made of: title, sections, floats, formulas, references. Reads tokens, keeps drafts of the parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mlintern.paper.document import BlockKind, Missing, Span
from mlintern.paper.latex_commands import (
    ARGUMENTS,
    DISPLAYS,
    DRAWINGS,
    FLOATS,
    GRIDS,
    IGNORED,
    KEPT,
    LEVELS,
    ROWED,
    SCOPED,
    VERBATIM,
)
from mlintern.paper.latex_files import TEX_SUFFIXES, Folder
from mlintern.paper.latex_ink import PLAIN
from mlintern.paper.latex_macros import Macro
from mlintern.paper.latex_primitives import Primitives, install_conditions
from mlintern.paper.latex_tables import CellDraft, GridDraft, read_grid, siunitx_number
from mlintern.paper.latex_tokens import BEGIN, CS, END, EOF, TEXT, Lexer, Token, spell, tokens_of
from mlintern.paper.latex_typeset import Scope, Typesetter

_KIND_NAMES = {
    "table": "Table", "figure": "Figure", "section": "Section", "equation": "Equation", "algorithm": "Algorithm", "appendix": "Appendix",
    "listing": "Listing", "footnote": "Footnote", "item": "Item", "chapter": "Chapter", "part": "Part",
}  # fmt: skip
_APPENDIX = re.compile(r"\s*(?:[A-Z]\s+)?(?:appendix|appendices|supplement(?:ary|al)?\b)", re.I)
_CITE = re.compile(r"(?:[a-zA-Z]*cite[a-zA-Z]*|citep|citet|citealp|citeyearpar)")


MAX_LOADS = 50
"""Times one file may be included."""


@dataclass
class BlockDraft:
    kind: BlockKind
    start: int
    end: int = -1
    owner: object = None


@dataclass
class SectionDraft:
    level: int
    number: str
    appendix: bool
    start: int
    token: Token
    title: tuple[int, int] = (0, 0)
    end: int = -1
    labels: list[str] = field(default_factory=list)


@dataclass
class CaptionDraft:
    kind: str
    number: str
    start: int
    end: int
    scope: int
    sub: bool
    order: int
    letter: str = ""
    labels: list[str] = field(default_factory=list)


@dataclass
class FloatDraft:
    kind: str
    token: Token
    start: int
    end: int = -1
    stop: Token | None = None
    captions: list[CaptionDraft] = field(default_factory=list)
    grids: list[GridDraft] = field(default_factory=list)
    images: list[tuple[int, str, Token]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    letters: int = 0
    order: int = 0


@dataclass
class EquationDraft:
    token: Token
    start: int
    end: int = -1
    stop: Token | None = None
    env: str = ""
    rows: list[bool] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    tag: str = ""
    number: str = ""


@dataclass
class EntryDraft:
    key: str
    token: Token
    start: int
    end: int = -1


class PaperReader(Typesetter):
    """One pass over the expanded source; `assemble` makes the Document of what it leaves behind."""

    def __init__(self, folder: Folder, root: str):
        super().__init__()
        self.folder, self.root = folder, root
        self.g.kept = KEPT
        self.p = Primitives(self.g, self._load, lambda: self.math)
        install_conditions(self.g, self.p)
        for command in GRIDS:
            self.handlers.pop(command, None)
        self.body = False
        self.title: list[Token] = []
        self.authors: list[list[Token]] = []
        self.abstract: tuple[int, int] | None = None
        self.blocks: list[BlockDraft] = []
        self.block: BlockDraft | None = None
        self.sections: list[SectionDraft] = []
        self.floats: list[FloatDraft] = []
        self.float: FloatDraft | None = None
        self.grids: list[GridDraft] = []
        self.equations: list[EquationDraft] = []
        self.equation: EquationDraft | None = None
        self.entries: list[EntryDraft] = []
        self.entry: EntryDraft | None = None
        self.bibliographies: list[tuple[list[str], Token]] = []
        self.labels: dict[str, tuple[str, str]] = {}
        self.refs: list[tuple[str, Token]] = []
        self.cites: list[tuple[str, Token]] = []
        self.missing: list[Missing] = []
        self.deferred: list[Token] = []
        self.graphics_path: list[str] = [""]
        self.target: tuple[str, str, list[str]] = ("section", "", [])
        self.appendix = False
        self.cell: CellDraft | None = None
        self.scope_ids = 0
        self.scope_path: list[int] = [0]
        self.loading = 0
        self.loads: dict[str, int] = {}
        self.stop = False
        self.caption_kind = ""
        for name in "ref pageref vref thref hyperref@ labelcref@ namecref@ autopageref zref".split():
            self.handlers[name] = self.cmd_ref
        for name in "Cref autoref Autoref fref Fref tref Vref cpageref labelcref namecref nameCref".split():
            self.handlers[name] = self.cmd_cref
        for name in LEVELS:
            self.handlers[name] = self._section
        for name in "icmltitle papertitle".split():
            self.handlers[name] = self.cmd_title
        for name in "icmlauthor name Author authors".split():
            self.handlers[name] = self.cmd_author
        for name in "arabic roman Roman alph Alph fnsymbol value".split():
            self.handlers[name] = self._counter
        for name in "subtable subfigure subfloat subcaptionbox".split():
            self.handlers[name] = self._sub_box

    # files

    def span(self, start: Token, end: Token | None = None) -> Span | None:
        if start.source < 0:
            return None
        stop = end.end if end is not None and end.source == start.source and end.end >= start.end else start.end
        return Span(self.folder.sources[start.source].name, start.start, stop)

    def lack(self, kind: str, name: str, why: str, token: Token | None = None) -> None:
        """Notes something the paper lacks, once."""
        if len(self.missing) < 500 and not any((m.kind, m.name) == (kind, name) for m in self.missing):
            self.missing.append(Missing(kind=kind, name=name, why=why, span=self.span(token) if token else None))  # type: ignore[arg-type]

    def lexer(self, name: str, at_letter: bool = False) -> Lexer | None:
        text = self.folder.text(name)
        return Lexer(text, self.folder.index(name), at_letter) if text is not None else None

    def _load(self, command: str, names: list[str], token: Token) -> None:
        base = self.folder.sources[token.source].name.rpartition("/")[0] if token.source >= 0 else ""
        name = "/".join(n.strip("/") for n in names)
        if command == "usepackage":
            found = self.folder.find(name, (".sty",), base)
            if found and self.loading < 8:
                self._style_file(found)
            return
        found = self.folder.find(name, TEX_SUFFIXES, base)
        if found is None:
            if command != "InputIfFileExists" and "\\" not in name and name:
                self.lack("input", name, f"\\{command} names a file that the source does not hold", token)
            return
        self.loads[found] = self.loads.get(found, 0) + 1
        lexer = self.lexer(found)
        if lexer is None:
            self.lack("input", name, "the file is too large to be text of a paper", token)
        elif self.loads[found] > MAX_LOADS or found == self.root or sum(isinstance(f, Lexer) for f in self.g.frames) > 40:
            self.lack("limit", name, "the file includes itself, or is included without end", token)
        else:
            if command == "subfile" or command == "subfileinclude":
                start = lexer.text.find("\\begin{document}")
                stop = lexer.text.find("\\end{document}")
                if start >= 0:
                    lexer.at = start + len("\\begin{document}")
                    lexer.text = lexer.text[:stop] if stop > start else lexer.text
            self.g.frames.append(lexer)

    def _style_file(self, name: str) -> None:
        """Reads a local package for its definitions; nothing in it is text of the paper."""
        lexer = self.lexer(name, at_letter=True)
        if lexer is None:
            return
        self.loading += 1
        before, body = self.g.only(lexer), self.body
        self.body, open_now = False, self.p.open
        ink, block = self.ink, self.block
        self.ink = type(ink)()
        depth = len(self.scopes)
        floor, self.floor = self.floor, depth
        try:
            self.run()
        finally:
            del self.scopes[depth:]
            self.floor = floor
            self.g.frames, self.body, self.p.open = before, body, open_now
            self.ink, self.block = ink, block
            self.loading -= 1

    # blocks

    def before_text(self, token: Token) -> None:
        if self.block is None and self.body and self.depth == 0:
            self.open_block("paragraph")

    def put(self, text: str, token: Token, exact: bool = False) -> None:
        if self.body:
            super().put(text, token, exact)

    def open_block(self, kind: BlockKind, owner: object = None) -> BlockDraft:
        self.close_block()
        self.ink.cut("\n\n")
        self.block = BlockDraft(kind, self.ink.size, owner=owner)
        return self.block

    def close_block(self) -> None:
        if self.block is not None:
            self.block.end = self.ink.size
            if self.block.end > self.block.start:
                self.blocks.append(self.block)
            self.ink.cut("\n\n")
            self.block = None

    def paragraph(self, token: Token) -> None:
        if self.cell is not None or self.math or self.depth:
            self.ink.space(token)
            return
        if self.block is not None and self.block.kind in ("caption", "heading", "code", "table"):
            self.ink.space(token)
            return
        self.close_block()
        self.flush()

    def flush(self) -> None:
        """Floats and footnotes that stood inside the paragraph come after it."""
        if self.deferred and self.depth == 0:
            held, self.deferred = self.deferred, []
            self.g.push(held)

    def cmd_par(self, token: Token) -> None:
        self.paragraph(token)

    def line_break(self, token: Token) -> None:
        self.g.star()
        if self.equation is not None and self.scopes[-1].name == self.equation.env:
            self.equation.rows.append(True)
            self._skip_length()
            self.put(" \n", token)
            return
        self._skip_length()
        self.ink.space(token)

    def _skip_length(self) -> None:
        given = self.g.optional()
        if given is not None and not re.fullmatch(r"\s*[-+]?\s*[\d.]*\s*(?:pt|em|ex|in|cm|mm|sp|bp|pc|\\\w+\s*)\s*(?:plus.*)?", spell(given)):
            self.g.push([Token(TEXT, "[", -1, 0, 0, False), *given, Token(TEXT, "]", -1, 0, 0, False)])

    # environments

    def cmd_begin(self, token: Token) -> None:
        name = spell(self.g.argument()).strip()
        if name == "document":
            self.body = True
            return
        if name in VERBATIM | DRAWINGS | IGNORED:
            self._raw_environment(name, token)
            return
        user = self.p.environments.get(name)
        if user is not None and name not in FLOATS and name not in GRIDS and name not in DISPLAYS and len(self.scopes) < 400:
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
        if scope is not None and "end" in scope.extra:
            body = scope.extra.pop("end")
            self.g.push([
                *[t._replace(source=token.source, start=token.start, end=token.end, exact=False) for t in body],  # type: ignore[attr-defined]
                token, *tokens_of("{" + name + "}", token),
            ])  # fmt: skip
            return
        if name in DISPLAYS:
            self._end_display(name, token)
            return
        self.leave("env " + name, token)
        if name in ("quote", "center", "proof", "itemize", "enumerate", "description", "abstract") or name in self.p.theorems:
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
            self.lack("figure", f"{name} at character {token.start}", "drawn by LaTeX itself; what it shows was not read", token)
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

    # front matter and sections

    def cmd_title(self, token: Token) -> None:
        self.g.optional()
        title = self.g.argument()
        if not self.title:
            self.title = title

    def cmd_author(self, token: Token) -> None:
        self.g.optional()
        self.authors.append(self.g.argument())

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

    def number_of(self, counter: str, token: Token) -> str:
        """The counter as it prints now: `\\thetable` if the paper defines it, else its usual form."""
        if f"the{counter}" in self.g.macros:
            body, self.body = self.body, True
            try:
                return self.plain([Token(CS, f"the{counter}", token.source, token.start, token.end, False)])
            finally:
                self.body = body
        value = str(self.p.counters.get(counter, 0))
        outer = {"subsection": "section", "subsubsection": "subsection", "paragraph": "subsubsection"}.get(counter) or self.p.within.get(counter)
        return f"{self.number_of(outer, token)}.{value}" if outer else value

    def _counter(self, token: Token) -> None:
        value = self.p.counters.get(spell(self.g.argument()).strip(), 0)
        letter = chr(64 + value) if 0 < value < 27 else str(value)
        shown = {"Alph": letter, "alph": letter.lower(), "Roman": _roman(value), "roman": _roman(value).lower()}
        self.put(shown.get(token.text, str(value)), token)

    def _section(self, token: Token) -> None:
        starred = self.g.star()
        short = self.g.optional()
        arg = self.g.argument()
        if not self.body or self.depth:
            return
        self.close_block()
        self.flush_now()
        level = LEVELS[token.text]
        number = ""
        if not starred and level <= 3:
            self.p.step(token.text)
            for deeper, depth in LEVELS.items():
                if depth > level:
                    self.p.counters[deeper] = 0
            number = self.number_of(token.text, token)
        for section in self.sections:
            if section.end < 0 and section.level >= level:
                section.end = self.ink.size
        title = spell(arg or short or [])
        appendix = self.appendix or (level <= 1 and _APPENDIX.match(title) is not None)
        draft = SectionDraft(level, number, appendix, self.ink.size, token)
        if any(s.appendix and s.end < 0 for s in self.sections):
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

    def flush_now(self) -> None:
        """Sets what was deferred before anything that ends the paragraph."""
        if not self.deferred:
            return
        held, self.deferred = self.deferred, []
        before = self.g.only(held)
        self.run()
        self.g.frames = before

    def cmd_includegraphics(self, token: Token) -> None:
        self.g.star()
        self.g.optional()
        self.g.optional()
        name = spell(self.g.argument()).strip()
        if not self.body:
            return
        if self.float is not None:
            self.float.images.append((self.scope_path[-1], name, token))
        else:
            alone = FloatDraft("figure", token, self.ink.size, self.ink.size)
            alone.images.append((0, name, token))
            self.floats.append(alone)

    cmd_includesvg = cmd_epsfig = cmd_psfig = cmd_includestandalone = cmd_includegraphics

    def cmd_graphicspath(self, token: Token) -> None:
        self.graphics_path = ["", *re.findall(r"\{([^{}]*)\}", spell(self.g.argument()))]

    def cmd_bibliography(self, token: Token) -> None:
        names = [n.strip() for n in spell(self.g.argument()).split(",") if n.strip()]
        self.bibliographies.append((names, token))
        bbl = self.folder.find(self.root.rsplit(".", 1)[0], (".bbl",))
        if bbl is None:
            others = sorted(n for n in self.folder.names if n.endswith(".bbl"))
            bbl = others[0] if len(others) == 1 else None
        lexer = self.lexer(bbl) if bbl else None
        if lexer is not None and "\\begin{thebibliography}" in lexer.text and self.body:
            lexer.at = lexer.text.index("\\begin{thebibliography}")
            self.g.frames.append(lexer)

    def cmd_addbibresource(self, token: Token) -> None:
        self.g.optional()
        self.bibliographies.append(([spell(self.g.argument()).strip()], token))

    def cmd_printbibliography(self, token: Token) -> None:
        self.g.optional()

    def cmd_bibitem(self, token: Token) -> None:
        self.g.optional()
        key = spell(self.g.argument()).strip()
        self._close_entry()
        block = self.open_block("reference")
        self.entry = EntryDraft(key, token, block.start)
        block.owner = self.entry

    def _close_entry(self) -> None:
        if self.entry is not None:
            self.entry.end = self.ink.size
            self.entries.append(self.entry)
            self.entry = None
            self.close_block()

    def cmd_footnote(self, token: Token) -> None:
        self.g.optional()
        arg = self.g.argument()
        if not self.body:
            return
        if self.cell is not None:
            self.cell.notes.append(self.plain(arg))
            return
        self.deferred += [
            Token(CS, "footnoteblock", token.source, token.start, token.end, False),
            Token(BEGIN, "{", -1, 0, 0, False), *arg, Token(END, "}", -1, 0, 0, False),
        ]  # fmt: skip

    cmd_footnotetext = cmd_tablefootnote = cmd_footnote

    def cmd_footnoteblock(self, token: Token) -> None:
        arg = self.g.argument()
        self.close_block()
        self.open_block("footnote")
        before = self.g.only(arg)
        self.enter("arg")
        self.run()
        self.leave("arg", token)
        self.g.frames = before
        self.close_block()

    def cmd_footnotemark(self, token: Token) -> None:
        given = self.g.optional()
        if given:
            self.put("^{" + self.plain(given) + "}", token)

    def cmd_tnote(self, token: Token) -> None:
        self.put("^{" + self.plain(self.g.argument()) + "}", token)

    # labels and references

    def cmd_label(self, token: Token) -> None:
        key = spell(self.g.argument()).strip()
        if self.float is not None and self.equation is None:
            captions = [c for c in self.float.captions if not c.sub or c.scope == self.scope_path[-1]]
            (captions[-1].labels if captions else self.float.labels).append(key)
            return
        if self.equation is not None:
            self.equation.labels.append(key)
            return
        kind, number, labels = self.target
        labels.append(key)
        self.labels.setdefault(key, (kind, number))

    def cmd_ref(self, token: Token) -> None:
        self.g.star()
        key = spell(self.g.argument()).strip()
        self._reference(key, key, token)

    def cmd_eqref(self, token: Token) -> None:
        self.put("(", token)
        self.cmd_ref(token)
        self.put(")", token)

    def cmd_cref(self, token: Token) -> None:
        self.g.star()
        keys = [k.strip() for k in spell(self.g.argument()).split(",")]
        for i, key in enumerate(keys):
            if i:
                self.put(", ", token)
            self._reference(key, "cref:" + key, token)

    def cmd_nameref(self, token: Token) -> None:
        self.put("[" + spell(self.g.argument()).strip() + "]", token)

    def cmd_crefrange(self, token: Token) -> None:
        first, last = (spell(self.g.argument()).strip() for _ in range(2))
        self._reference(first, "cref:" + first, token)
        self.put("–", token)
        self._reference(last, last, token)

    def _reference(self, key: str, hole: str, token: Token) -> None:
        if self.body:
            self.before_text(token)
            self.ink.hole(hole, token, self.style)
            self.refs.append((key, token))

    def cite(self, token: Token) -> None:
        g = self.g
        g.star()
        g.optional()
        g.optional()
        keys = [k.strip() for k in spell(g.argument()).split(",") if k.strip()]
        if not self.body or token.text == "nocite":
            return
        self.before_text(token)
        last = g.frames[-1].at if g.frames and isinstance(g.frames[-1], Lexer) and g.frames[-1].source == token.source else token.end
        whole = token._replace(end=max(last, token.end) if token.exact else token.end)
        start = self.ink.mark()
        self.put("[" + ", ".join(keys) + "]", whole)
        self.ink.cites.append((start, self.ink.size))
        self.cites += [(k, token) for k in keys]

    # floats

    def _begin_float(self, name: str, token: Token) -> None:
        kind, signature = FLOATS[name]
        if self.block is not None and self.block.kind in ("paragraph", "item", "abstract") and self.ink.size > self.block.start and self.depth == 0:
            self.deferred += [token, *tokens_of("{" + name + "}", token), *self._until_end(name)]
            return
        self.arguments(signature)
        self.close_block()
        self.float = FloatDraft(kind, token, self.ink.size)
        self.enter("env " + name).extra["float"] = self.float

    def _until_end(self, name: str) -> list[Token]:
        """Unexpanded tokens up to and with \\end{name}."""
        held: list[Token] = []
        while (t := self.g.raw()).kind != EOF:
            held.append(t)
            if t.kind == CS and t.text == "end":
                arg = self.g.argument()
                held += [Token(BEGIN, "{", t.source, t.end, t.end, False), *arg, Token(END, "}", t.source, t.end, t.end, False)]
                if spell(arg).strip() == name:
                    break
        return held

    def begin_loose_float(self, token: Token) -> FloatDraft:
        """A float that no environment opens: a longtable with its caption inside."""
        self.close_block()
        self.float = FloatDraft("table", token, self.ink.size)
        return self.float

    def end_float(self, token: Token) -> None:
        draft = self.float
        if draft is None:
            return
        self.close_block()
        draft.end, draft.stop = self.ink.size, token
        self.floats.append(draft)
        self.float = None
        self.caption_kind = ""

    def cmd_caption(self, token: Token) -> None:
        starred = self.g.star()
        self.g.optional()
        self._caption(token, self.g.argument(), self.caption_kind, not starred)

    def cmd_captionof(self, token: Token) -> None:
        starred = self.g.star()
        kind = spell(self.g.argument()).strip()
        self.g.optional()
        self._caption(token, self.g.argument(), kind, not starred)

    def cmd_subcaption(self, token: Token) -> None:
        self.g.star()
        self.g.optional()
        self._caption(token, self.g.argument(), "sub", True)

    def cmd_captionsetup(self, token: Token) -> None:
        self.g.star()
        self.g.optional()
        text = spell(self.g.argument())
        if m := re.search(r"\btype\s*=\s*(\w+)", text):
            self.caption_kind = m[1]

    def _sub_box(self, token: Token) -> None:
        """`\\subfloat[caption]{content}`, `\\subcaptionbox{caption}{content}`."""
        g = self.g
        g.star()
        first, second = g.optional(), g.optional()
        caption = second or first
        if token.text == "subcaptionbox":
            caption = g.argument()
            g.star()
            g.optional(), g.optional()
        self.scope_ids += 1
        self.scope_path.append(self.scope_ids)
        if caption is not None:
            self._caption(token, caption, "sub", True)
        content = g.argument()
        before = g.only(content)
        self.enter("arg").extra["scope"] = True
        self.run()
        self.leave("arg", token)
        g.frames = before

    def _caption(self, token: Token, arg: list[Token], kind: str, numbered: bool) -> None:
        if not self.body:
            return
        loose = None
        if self.float is None:
            loose = self.float = FloatDraft(kind or "figure", token, self.ink.size)
        draft = self.float
        in_sub = any(s.extra.get("sub") for s in self.scopes)
        sub = kind == "sub" or (in_sub and not kind)
        kind = kind if kind and kind != "sub" else draft.kind
        number = letter = ""
        if sub:
            letter = chr(97 + draft.letters % 26)
            draft.letters += 1
        elif numbered:
            self.p.step(kind)
            number = self.number_of(kind, token)
        cell, self.cell = self.cell, None
        depth, self.depth = self.depth, 0
        block = self.open_block("caption", draft)
        caption = CaptionDraft(kind, number, block.start, -1, self.scope_path[-1], sub, draft.order, letter)
        draft.order += 1
        draft.captions.append(caption)
        before = self.g.only(arg)
        self.enter("arg", style=PLAIN, math=False)
        self.run()
        self.leave("arg", token)
        self.g.frames = before
        self.cell, self.depth = cell, depth
        caption.end = self.ink.size
        self.close_block()
        if not sub and draft.labels:
            caption.labels += draft.labels
            draft.labels = []
        if loose is not None:
            loose.end, loose.stop = self.ink.size, token
            self.floats.append(loose)
            self.float = None

    # cells

    def cmd_multicolumn(self, token: Token) -> None:
        count = self.p.integer(self._expanded(self.g.argument()))
        self.g.argument()
        if isinstance(self.cell, CellDraft):
            self.cell.colspan = max(min(count, 500), 1)

    def cmd_multirow(self, token: Token) -> None:
        """`\\multirow[pos]{n}[struts]{width}[move]{text}`; the text stays in the input."""
        g = self.g
        g.optional()
        count = self.p.integer(self._expanded(g.argument()))
        g.optional()
        g.argument()
        g.optional()
        if isinstance(self.cell, CellDraft):
            self.cell.rowspan = max(min(count, 5_000), -5_000) or 1

    def cmd_multirowcell(self, token: Token) -> None:
        count = self.p.integer(self._expanded(self.g.argument()))
        self.g.optional(), self.g.optional()
        if isinstance(self.cell, CellDraft):
            self.cell.rowspan = max(min(count, 5_000), -5_000) or 1

    cmd_multirowthead = cmd_multirowcell

    def cmd_spancolumns(self, token: Token) -> None:
        if isinstance(self.cell, CellDraft):
            self.cell.colspan = max(self.p.integer(self.g.argument()), 1)

    def cmd_spanrows(self, token: Token) -> None:
        if isinstance(self.cell, CellDraft):
            self.cell.rowspan = max(self.p.integer(self.g.argument()), 1)

    def _expanded(self, tokens: list[Token]) -> list[Token]:
        """Tokens of a number with its macros expanded."""
        before = self.g.only(tokens)
        found = []
        while (t := self.g.get()).kind != EOF and len(found) < 50:
            found.append(t)
        self.g.frames = before
        return found

    def cmd_cellcolor(self, token: Token) -> None:
        self.g.optional()
        color = spell(self.g.argument()).strip()
        if isinstance(self.cell, CellDraft):
            self.cell.color = color

    def cmd_diagbox(self, token: Token) -> None:
        g = self.g
        g.optional()
        parts = [self._group(g.argument(), token) for _ in range(2)]
        slash = Token(TEXT, " \\ ", token.source, token.start, token.end, False)
        g.push([*parts[0], slash, *parts[1]])

    cmd_backslashbox = cmd_slashbox = cmd_diagboxthree = cmd_diagbox

    def _group(self, tokens: list[Token], token: Token) -> list[Token]:
        like = token._replace(exact=False)
        return [like._replace(kind=BEGIN, text="{"), *tokens, like._replace(kind=END, text="}")]

    # quantities

    def cmd_num(self, token: Token) -> None:
        self.g.optional()
        arg = self.g.argument()
        text = siunitx_number(spell(self._expanded(arg)).strip())
        if text is None:
            self.render(arg)
        else:
            self.put(text, token)

    cmd_tablenum = cmd_num

    def cmd_SI(self, token: Token) -> None:
        self.cmd_num(token)
        self.g.optional()
        self._unit(token)

    cmd_qty = cmd_SI

    def cmd_si(self, token: Token) -> None:
        self.g.optional()
        self._unit(token)

    cmd_unit = cmd_si

    def _unit(self, token: Token) -> None:
        from mlintern.paper.latex_units import unit

        text = unit(self.g.argument())
        if text:
            self.ink.space(token) if not text.startswith("%") else None
            self.put(text, token)

    def cmd_numrange(self, token: Token) -> None:
        self.cmd_num(token)
        self.put("–", token)
        self.cmd_num(token)

    def cmd_SIrange(self, token: Token) -> None:
        self.cmd_numrange(token)
        self.g.optional()
        self._unit(token)

    cmd_qtyrange = cmd_SIrange

    def cmd_numlist(self, token: Token) -> None:
        self.g.optional()
        self.put(", ".join(x.strip() for x in spell(self.g.argument()).split(";")), token)

    cmd_numproduct = cmd_num

    # displayed formulas

    def display(self, name: str, token: Token) -> None:
        self.equation = EquationDraft(token, self.ink.size, env=name)
        if self.depth == 0 and self.cell is None:
            block = self.open_block("equation", self.equation)
            self.equation.start = block.start
        self.enter(name, math=True)

    def cmd_nonumber(self, token: Token) -> None:
        if self.equation is not None:
            self.equation.rows.append(False)

    cmd_notag = cmd_nonumber

    def cmd_tag(self, token: Token) -> None:
        self.g.star()
        text = self.plain(self.g.argument())
        if self.equation is not None:
            self.equation.tag = text

    def _end_display(self, name: str, token: Token) -> None:
        self.leave(name, token)

    def _finish_equation(self, token: Token) -> None:
        draft = self.equation
        if draft is None:
            return
        self.equation = None
        draft.end, draft.stop = self.ink.size, token
        name = draft.env.rstrip("*")
        if not draft.env.endswith("*") and draft.env not in ("$$", "displaymath") and not draft.tag:
            breaks = draft.rows.count(True)
            silent = draft.rows.count(False)
            count = max(breaks + 1 - silent, 0) if name in ROWED else int(not silent)
            numbers = []
            for _ in range(count):
                self.p.step("equation")
                numbers.append(self.number_of("equation", token))
            draft.number = numbers[0] if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}" if numbers else ""
            for i, key in enumerate(draft.labels):
                self.labels[key] = ("equation", numbers[min(i, len(numbers) - 1)] if numbers else "")
        else:
            draft.number = draft.tag
            for key in draft.labels:
                self.labels[key] = ("equation", draft.tag)
        self.equations.append(draft)
        if self.depth == 0 and self.cell is None:
            self.close_block()

    def command(self, token: Token) -> None:
        name = token.text
        if name not in self.handlers:
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


def _roman(value: int) -> str:
    out = ""
    for size, letters in ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):
        while 0 < size <= value < 200:
            out += letters
            value -= size
    return out or str(value)


def kind_name(kind: str) -> str:
    """What `\\cref` writes before a number."""
    return _KIND_NAMES.get(kind, kind.capitalize())


