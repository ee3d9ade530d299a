"""Labels and what refers to them, citations, footnotes, the bibliography."""

from __future__ import annotations

from mlintern.paper.latex.source.drafts import EntryDraft
from mlintern.paper.latex.source.tokens import BEGIN, CS, END, Lexer, Token, spell
from mlintern.paper.latex.state import PaperState

_KIND_NAMES = {
    "table": "Table",
    "figure": "Figure",
    "section": "Section",
    "equation": "Equation",
    "algorithm": "Algorithm",
    "appendix": "Appendix",
    "listing": "Listing",
    "footnote": "Footnote",
    "item": "Item",
    "chapter": "Chapter",
    "part": "Part",
}


class References(PaperState):
    """Reads everything that points somewhere else."""

    def cmd_bibliography(self, token: Token) -> None:
        names = [n.strip() for n in spell(self.g.argument()).split(",") if n.strip()]
        self.bibliographies.append((names, token))
        bbl = self.folder.find(self.root.rsplit(".", 1)[0], (".bbl",))
        if bbl is None:
            others = sorted(n for n in self.folder.names if n.endswith(".bbl"))
            bbl = others[0] if len(others) == 1 else None
        lexer = self.lexer(bbl) if bbl and self.body else None
        printed = lexer is not None and "\\begin{thebibliography}" in lexer.text
        if bbl and lexer and printed and self.may_include(bbl, lexer):
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
            Token(BEGIN, "{", -1, 0, 0, False),
            *arg,
            Token(END, "}", -1, 0, 0, False),
        ]

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
        if given := self.g.optional():
            self._mark(self.plain(given), token)

    def cmd_tnote(self, token: Token) -> None:
        self._mark(self.plain(self.g.argument()), token)

    cmd_tablenotemark = cmd_tnote

    def _mark(self, mark: str, token: Token) -> None:
        """A footnote's mark; a cell keeps one of digits as a note alone, where it could pass for a power."""
        if self.cell is not None and mark.isdigit():
            self.cell.notes.append(mark)
        else:
            self.put("^{" + mark + "}", token)

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
        last = (
            g.frames[-1].at
            if g.frames and isinstance(g.frames[-1], Lexer) and g.frames[-1].source == token.source
            else token.end
        )
        whole = token._replace(end=max(last, token.end) if token.exact else token.end)
        start = self.ink.mark()
        self.put("[" + ", ".join(keys) + "]", whole)
        self.ink.cites.append((start, self.ink.size))
        self.cites += [(k, token) for k in keys]


def kind_name(kind: str) -> str:
    """What `\\cref` writes before a number."""
    return _KIND_NAMES.get(kind, kind.capitalize())
