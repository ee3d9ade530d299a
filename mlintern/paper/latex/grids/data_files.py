"""Tables that LaTeX makes from a data file: read where the file is printed as it stands, else said to be missing.

csvsimple's `\\csvautotabular` prints a file cell by cell, its `\\csvreader` a row of the authors' own for each line.
What the other commands print is not read, and the Document says so: they format numbers by rules of their own
(pgfplotstable rounds to two digits unless it is told otherwise), and csvsimple's filters choose lines.
"""

from __future__ import annotations

import csv
import re

from mlintern.paper.latex.source.drafts import CellDraft
from mlintern.paper.latex.source.tokens import BEGIN, END, Token, spell, tokens_of
from mlintern.paper.latex.state import PaperState
from mlintern.paper.text.roman import roman

MAX_CELLS = 20_000
_SUFFIXES = ("", ".csv", ".txt", ".dat", ".tsv")
_SEPARATORS = {"comma": ",", "semicolon": ";", "pipe": "|", "tab": "\t"}
_CSV_GRIDS = {"tabular": "tabular", "centered tabular": "tabular", "longtable": "longtable"}
_CSV_OPTIONS = frozenset(
    [
        *_CSV_GRIDS,
        *("table head", "table foot", "head to column names", "late after line", "late after last line"),
        *("separator", "no head", "head", "column count", "respect all", "respect percent", "respect underscore"),
        *("respect and", "respect sharp", "respect dollar"),
    ]
)
"""What the reader follows; any other option (a filter, an order, a range) may change what is printed."""


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

    def do_csvreader(self, token: Token) -> None:
        """`\\csvreader[options]{file}{name=\\macro, ...}{row}`; a primitive, because it stands between the rows of a
        table, too."""
        options = _options(spell(self.g.optional() or []))
        name = spell(self.g.argument()).strip()
        macros = _options(spell(self.g.argument()))
        row = self.g.argument()
        text = self._data(name, token) if self.body else None
        lines = _lines(text or "", _SEPARATORS.get(options.get("separator", "comma"), ""))
        head = [] if "no head" in options or options.get("head") == "false" else lines[:1]
        rows = [line for line in lines[len(head) :] if len(line) == len(lines[0])]  # csvsimple leaves the others out
        columns = {str(number): index for index, number in enumerate(range(1, len(lines[0]) + 1))} if lines else {}
        columns |= {title: index for index, title in enumerate(head[0])} if head else {}
        if not lines or not _CSV_OPTIONS.issuperset(options) or not columns.keys() >= macros.keys():
            self._unread(name, token)
            return
        if sum(map(len, rows)) > MAX_CELLS or len(rows) * len(row) > 20 * MAX_CELLS:
            self.lack("limit", name, f"it has more than {MAX_CELLS} cells and was not read", token)
            return
        names = {macro.removeprefix("\\").strip(): columns[key] for key, macro in macros.items()}
        names |= {"csvcol" + roman(index + 1).lower(): index for index in range(len(lines[0]))}
        if head and "head to column names" in options:
            names |= {title: index for index, title in enumerate(head[0]) if title.isalpha()}
        grid = next((key for key in _CSV_GRIDS if key in options), None)
        after = options.get("late after line", r"\\" if grid else "")
        literal = any(option.startswith("respect ") for option in options)
        like = token._replace(exact=False)
        out: list[Token] = []
        if grid:
            out += tokens_of(rf"\begin{{{_CSV_GRIDS[grid]}}}{{{options[grid]}}}{options.get('table head', '')}", token)
        for number, line in enumerate(rows, 1):
            given = {name: line[index] for name, index in names.items()}
            given |= {"thecsvrow": str(number), "csvlinetotablerow": " & ".join(line)}
            for macro, value in given.items():
                value = re.sub(r"(?<!\\)([%_&#$])", r"\\\1", value) if literal and macro in names else value
                out += [like._replace(text="gdef"), like._replace(text=macro), like._replace(kind=BEGIN, text="{")]
                out += [*tokens_of(value, token), like._replace(kind=END, text="}")]
            out += row
            last = number == len(rows)
            out += tokens_of(options.get("late after last line", after) if last else after, token)
        if grid:
            out += tokens_of(rf"{options.get('table foot', '')}\end{{{_CSV_GRIDS[grid]}}}", token)
        self.g.push(out)

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
        self.g.allow(self.folder.read)
        self.g.work += len(text or "") // 4  # read anew by each command that names it
        if self.g.spent:
            self.g.exhausted = self.g.exhausted or token.text
            return None
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


def _parts(text: str, separator: str) -> list[str]:
    """The text cut at a separator outside braces; braces around all of a part are dropped."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text + separator):
        depth += (character == "{") - (character == "}")
        if character == separator and (depth == 0 or at == len(text)):
            parts.append(_bare(text[start:at].strip()))
            start = at + 1
    return parts


def _bare(text: str) -> str:
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[1:-1] if text[0] == "{" and 0 < index == len(text) - 1 else text
    return text


def _options(text: str) -> dict[str, str]:
    """`key=value, flag` as keys and values."""
    pairs = (part.partition("=") for part in _parts(text, ",") if part)
    return {" ".join(key.split()): _bare(value.strip()) for key, _, value in pairs}


def _lines(text: str, separator: str) -> list[list[str]]:
    """The cells of a file's lines, as csvsimple cuts them; none where the separator is not known."""
    return [_parts(line, separator) for line in text.splitlines() if line.strip()] if separator else []
