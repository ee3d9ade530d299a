"""Tables that LaTeX makes from a data file: read where the file is printed as it stands, else said to be missing.

csvsimple's `\\csvautotabular` prints a file cell by cell. The other commands choose columns and format numbers by rules
of their own (pgfplotstable rounds to two digits unless it is told otherwise), so what they print is not read.
"""

from __future__ import annotations

import csv

from mlintern.paper.latex.drafts import CellDraft
from mlintern.paper.latex.state import PaperState
from mlintern.paper.latex.tokens import Token, spell, tokens_of

MAX_CELLS = 20_000
_SUFFIXES = ("", ".csv", ".txt", ".dat", ".tsv")


class DataFiles(PaperState):
    """Reads the commands that typeset a file of values."""

    def cmd_csvautotabular(self, token: Token) -> None:
        self.g.star()
        self.g.optional()
        name = spell(self.g.argument()).strip()
        text = self._data(name, token)
        rows = [row for row in csv.reader(text.splitlines(), skipinitialspace=True) if row] if text else []
        width = max((len(row) for row in rows), default=0)
        if not rows or width * len(rows) > MAX_CELLS:
            if rows:
                self.lack("limit", name, f"it has more than {MAX_CELLS} cells and was not read", token)
            return
        lines = [" & ".join(cell.strip() for cell in row) + r" \\" for row in rows]
        lines.insert(1, r"\hline ")
        self.g.push(tokens_of(rf"\begin{{tabular}}{{*{{{width}}}{{l}}}}" + " ".join(lines) + r"\end{tabular}", token))

    cmd_csvautobooktabular = cmd_csvautolongtable = cmd_csvautobooklongtable = cmd_csvautotabular

    def cmd_csvreader(self, token: Token) -> None:
        self.g.optional()
        name = spell(self.g.argument()).strip()
        self.g.argument(), self.g.argument()
        self._unread(name, token)

    def cmd_pgfplotstabletypeset(self, token: Token) -> None:
        self.g.optional()
        self._unread(spell(self.g.argument()).strip(), token)

    cmd_pgfplotstabletypesetfile = cmd_DTLdisplaydb = cmd_DTLdisplaylongdb = cmd_pgfplotstabletypeset

    def cmd_pgfplotstableread(self, token: Token) -> None:
        self.g.optional()
        self.g.argument(), self.g.argument()

    cmd_DTLloaddb = cmd_pgfplotstableread

    def _data(self, name: str, token: Token) -> str | None:
        found = self.folder.find(name, _SUFFIXES)
        text = self.folder.text(found) if found else None
        if text is None:
            self.lack("input", name, f"\\{token.text} names a file that the source does not hold", token)
        return text

    def _unread(self, name: str, token: Token) -> None:
        if not self.body:
            return
        inline = len(name) > 100 or "\n" in name
        shown = "its data" if inline else name
        if "\\" not in name and not inline:
            self._data(name, token)
        self.lack(
            "table", shown, f"\\{token.text} formats the values of a data file; what it prints was not read", token
        )
        if isinstance(self.cell, CellDraft):
            self.cell.doubts.append(f"its row comes from {shown}, which was not read")
