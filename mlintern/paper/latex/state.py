"""What every part of the reader shares: the files, the open block, counters, and the notes of what is missing."""

from __future__ import annotations

import re

from mlintern.paper.document.document import BlockKind, MissingPart, Span
from mlintern.paper.latex.expansion.primitives import Primitives, install_conditions
from mlintern.paper.latex.source.commands import KEPT
from mlintern.paper.latex.source.drafts import (
    BlockDraft,
    CellDraft,
    EntryDraft,
    EquationDraft,
    FloatDraft,
    GridDraft,
    SectionDraft,
)
from mlintern.paper.latex.source.files import MAX_TOTAL, TEX_SUFFIXES, Folder
from mlintern.paper.latex.source.tokens import CS, TEXT, Lexer, Token, spell
from mlintern.paper.latex.typesetting.typeset import Typesetter

BEGIN_DOCUMENT = r"\\begin\s*\{document\}"
MAX_LOADS = 50
"""Times one file may be included."""
MAX_LEVELS = 10
"""Counters that are numbered within one another."""
MAX_LOADED = 2 * MAX_TOTAL
"""Characters that are read, a file counted as often as it is included."""


class PaperState(Typesetter):
    """The paper being read: input, text so far, and the parts found so far."""

    def __init__(self, folder: Folder, root: str):
        super().__init__()
        self.folder, self.root = folder, root
        self.g.kept = KEPT
        self.p = Primitives(self.g, self._load, lambda: self.math)
        install_conditions(self.g, self.p)
        self.body = False
        self.title: list[Token] = []
        self.authors: list[list[Token]] = []
        self.abstract: tuple[int, int] | None = None
        self.blocks: list[BlockDraft] = []
        self.block: BlockDraft | None = None
        self.sections: list[SectionDraft] = []
        self.open_sections: list[SectionDraft] = []
        """Those that no heading of their rank has closed yet, outermost first."""
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
        self.missing: list[MissingPart] = []
        self._lacked: set[tuple[str, str]] = set()
        self.deferred: list[Token] = []
        self.graphics_path: list[str] = [""]
        self.target: tuple[str, str, list[str]] = ("section", "", [])
        self.appendix = False
        self.cell: CellDraft | None = None
        self.nested_grids = 0
        """Grids that are being read, one inside the other."""
        self.scope_ids = 0
        self.scope_path: list[int] = [0]
        self.loads: dict[str, int] = {}
        self.loaded = 0
        """Characters of all files included so far."""
        self.stop = False
        self.caption_kind = ""

    def span(self, start: Token, end: Token | None = None) -> Span | None:
        if start.source < 0:
            return None
        stop = end.end if end is not None and end.source == start.source and end.end >= start.end else start.end
        return Span(self.folder.sources[start.source].name, start.start, stop)

    def stray_tab(self, token: Token) -> None:
        """Cells outside any table: an environment that nobody knows is one."""
        if self.body and not (self.math or self.quiet or self.cell is not None):
            env = next((s.name[4:] for s in reversed(self.scopes) if s.name.startswith("env ")), "text")
            why = "cells stand in it, but nothing says that it is a table; they were read as running text"
            self.lack("table", env, why, token)

    def lack(self, kind: str, name: str, why: str, token: Token | None = None) -> None:
        """Notes something the paper lacks, once."""
        if len(self.missing) < 500 and (kind, name) not in self._lacked:
            self._lacked.add((kind, name))
            self.missing.append(MissingPart(kind=kind, name=name, why=why, span=self.span(token) if token else None))  # type: ignore[arg-type]

    def lexer(self, name: str, at_letter: bool = False) -> Lexer | None:
        text = self.folder.text(name)
        self.g.allow(self.folder.read)
        return Lexer(text, self.folder.index(name), at_letter) if text is not None else None

    def _load(self, command: str, names: list[str], token: Token) -> None:
        base = self.folder.sources[token.source].name.rpartition("/")[0] if token.source >= 0 else ""
        name = "/".join(n.strip("/") for n in names)
        if command == "usepackage":
            found = self.folder.find(name, (".sty",), base)
            if found and found not in self.loads:  # LaTeX, too, loads a package once
                self.loads[found] = 1
                self._style_file(found)
            return
        found = self.folder.find(name, TEX_SUFFIXES, base)
        if found is None:
            if command != "InputIfFileExists" and "\\" not in name and name:
                self.lack("input", name, f"\\{command} names a file that the source does not hold", token)
            return
        lexer = self.lexer(found)
        if lexer is None:
            self.loads.setdefault(found, 1)
            self.lack("input", name, "the file is too large to be text of a paper", token)
        elif not self.may_include(found, lexer):
            self.lack("limit", name, "the file includes itself, or is included without end", token)
        else:
            start = outside_comments(BEGIN_DOCUMENT, lexer.text)
            if self.body and start:  # a subfile or standalone: its body alone
                stop = outside_comments(r"\\end\s*\{document\}", lexer.text)
                lexer.at = start.end()
                lexer.text = lexer.text[: stop.start()] if stop else lexer.text
            self.g.frames.append(lexer)

    def may_include(self, name: str, lexer: Lexer) -> bool:
        """Counts a file that is included; False if it includes itself, or is included without end."""
        self.loads[name] = self.loads.get(name, 0) + 1
        self.loaded += len(lexer.text)
        open_now = sum(isinstance(frame, Lexer) for frame in self.g.frames)
        return self.loads[name] <= MAX_LOADS and self.loaded <= MAX_LOADED and name != self.root and open_now <= 40

    def _style_file(self, name: str) -> None:
        """Reads a local package for its definitions; nothing in it is text of the paper."""
        lexer = self.lexer(name, at_letter=True)
        if lexer is None:
            return
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

    def before_text(self, token: Token) -> None:
        if self.block is None and self.body and self.cell is None and not self.quiet:
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
        if given is not None and not re.fullmatch(
            r"\s*[-+]?\s*[\d.]*\s*(?:pt|em|ex|in|cm|mm|sp|bp|pc|\\\w+\s*)\s*(?:plus.*)?", spell(given)
        ):
            self.g.push([Token(TEXT, "[", -1, 0, 0, False), *given, Token(TEXT, "]", -1, 0, 0, False)])

    def number_of(self, counter: str, token: Token, inner: int = 0) -> str:
        """The counter as it prints now: `\\thetable` if the paper defines it, else its usual form."""
        if f"the{counter}" in self.g.macros:
            body, self.body = self.body, True
            try:
                return self.plain([Token(CS, f"the{counter}", token.source, token.start, token.end, False)])
            finally:
                self.body = body
        value = str(self.p.counters.get(counter, 0))
        outer = {"subsection": "section", "subsubsection": "subsection", "paragraph": "subsubsection"}.get(
            counter
        ) or self.p.within.get(counter)
        return f"{self.number_of(outer, token, inner + 1)}.{value}" if outer and inner < MAX_LEVELS else value

    def cmd_value(self, token: Token) -> None:
        self.put(str(self.p.counters.get(spell(self.g.argument()).strip(), 0)), token)

    def settle_floats(self) -> None:
        """Ends the paragraph and sets the floats deferred to its end, which are counted before the next one."""
        self.close_block()
        self.flush_now()

    def flush_now(self) -> None:
        """Sets what was deferred before anything that ends the paragraph."""
        if not self.deferred:
            return
        held, self.deferred = self.deferred, []
        before = self.g.only(held)
        self.run()
        self.g.frames = before


def outside_comments(pattern: str, text: str) -> re.Match[str] | None:
    """The first place where a pattern stands outside any comment."""
    return re.search(pattern, re.sub(r"(?<!\\)%.*", lambda m: " " * len(m[0]), text))
