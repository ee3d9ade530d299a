"""Commands of table cells: spans, colours, diagonal heads, and siunitx quantities."""

from __future__ import annotations

from typing import Any

from mlintern.paper.latex.source.drafts import CellDraft
from mlintern.paper.latex.source.tokens import BEGIN, END, EOF, PAR, TAB, TEXT, Token, figure, spell, split
from mlintern.paper.latex.state import PaperState
from mlintern.paper.latex.typesetting.units import siunitx_number, unit


class CellCommands(PaperState):
    """Reads commands that say something about the cell they stand in."""

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
        found: list[Any] = []
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

    def cmd_tikz(self, token: Token) -> None:
        """`\\tikz[…]{…}` and `\\tikz \\node {…};`: what it draws is not read, and a cell may show nothing else."""
        g = self.g
        g.optional()
        g.skip_spaces()
        drawn = g.group()
        if drawn is None:
            drawn = []
            while (t := g.raw()).kind not in (EOF, TAB, PAR) and len(drawn) < 500:
                if t.kind == TEXT and ";" in t.text:
                    g.push([split(t, t.text.index(";") + 1)[1]] if not t.text.endswith(";") else [])
                    break
                drawn.append(t)
            else:
                g.push([t] if t.kind != EOF else [])
        if isinstance(self.cell, CellDraft) and any(t.kind == BEGIN for t in drawn):
            self.cell.doubts.append("something drawn in it was not read")

    def cmd_sout(self, token: Token) -> None:
        """Struck-out text stays in the input: what of the cell still counts is for a reader to decide."""
        if isinstance(self.cell, CellDraft):
            self.cell.doubts.append("part of it is struck out")

    cmd_st = cmd_xout = cmd_cancel = cmd_bcancel = cmd_xcancel = cmd_sout

    def cmd_Block(self, token: Token) -> None:
        """nicematrix's `\\Block[options]{rows-columns}{text}`; the text stays in the input."""
        self.g.optional()
        rows, _, count = spell(self._expanded(self.g.argument())).partition("-")
        self.g.optional("<", ">")
        if isinstance(self.cell, CellDraft):
            self.cell.rowspan = figure(rows, 5_000) or 1
            self.cell.colspan = figure(count, 500) or 1

    cmd_backslashbox = cmd_slashbox = cmd_diagboxthree = cmd_diagbox

    def _group(self, tokens: list[Token], token: Token) -> list[Token]:
        like = token._replace(exact=False)
        return [like._replace(kind=BEGIN, text="{"), *tokens, like._replace(kind=END, text="}")]

    def cmd_sisetup(self, token: Token) -> None:
        """Options that hold until the group ends."""
        options = spell(self.g.argument())
        self.scopes[-1].numbers = self.scopes[-1].numbers.changed(options)

    def cmd_num(self, token: Token) -> None:
        style = self.scopes[-1].numbers.changed(spell(self.g.optional() or []))
        arg = self.g.argument()
        text = siunitx_number(spell(self._expanded(arg)).strip(), style)
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
