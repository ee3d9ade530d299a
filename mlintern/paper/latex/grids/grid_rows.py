"""The rows of a grid: expanded tokens cut at `&` and `\\\\`, with the rules between rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mlintern.paper.latex.floats import Floats
from mlintern.paper.latex.grids.columns import blank
from mlintern.paper.latex.source.commands import GRIDS, RULE_NAME, RULES, SIGNATURES
from mlintern.paper.latex.source.tokens import BEGIN, CS, END, EOF, PAR, SPACE, TAB, TEXT, Token, figure, spell

MAX_CELLS = 60_000
MAX_KEYS = 300
"""Of tabularray's keys, those that name cells."""
_LENGTH = re.compile(r"\s*[-+]?\s*[\d.]*\s*(?:pt|em|ex|in|cm|mm|sp|bp|pc|\\[a-z]+)\s*", re.I)


_WITH_CAPTIONS = ("long", "xl", "ltab", "deluxe", "super", "x")
"""How environments begin that hold a caption of their own."""
_BELOW = {"tablecomments": 1, "tablerefs": 1, "tablenotetext": 2}


@dataclass
class Row:
    cells: list[list[Token]]
    rules: list[str]


def arguments(reader: Floats, name: str) -> tuple[list[Token], str, list[Token]]:
    """Reads the arguments of the environment; the column specification, tabularray's keys, and the caption and notes
    that longtblr has among its options."""
    spec: list[Token] = []
    captions: list[Token] = []
    keys: list[str] = []
    signature = GRIDS.get(name, "os")
    for letter in signature:
        if letter == "o":
            given = reader.g.optional()
            captions += _captions(given) if given and name in ("longtblr", "talltblr") else []
        elif letter == "m":
            reader.g.argument()
        elif letter == "s":
            spec = reader.g.argument()
        elif letter == "b":
            word = reader.g.peek()
            while word.kind in (TEXT, CS, SPACE) and word.kind != BEGIN:
                reader.g.raw()
                word = reader.g.peek()
            spec = reader.g.argument()
        elif letter == "t":
            spec = reader.g.argument()
            text = spell(spec)
            keys.append(text)
            if "colspec" in text:
                at = next((i for i, t in enumerate(spec) if t.kind == TEXT and "colspec" in t.text), len(spec))
                depth = 0
                inner: list[Any] = []
                for t in spec[at + 1 :]:
                    depth += (t.kind == BEGIN) - (t.kind == END)
                    if depth < 0 or (depth == 0 and inner):
                        break
                    if depth > 1 or (depth == 1 and t.kind != BEGIN):
                        inner.append(t)
                spec = inner
    return spec, "".join(keys), captions


def _captions(options: list[Token]) -> list[Token]:
    """longtblr's `caption={…},label={…},note{a}={…}` as the commands and paragraphs that they stand for."""
    found: list[Token] = []
    at, key = 0, ""
    while at < len(options):
        t = options[at]
        if t.kind == TEXT:
            key = t.text.rpartition(",")[2] if "," in t.text else key + t.text
        word = key.strip(" =")
        if t.kind == BEGIN and key.rstrip().endswith("="):
            stop = _closing(options, at)
            if word in ("caption", "label"):
                found += [t._replace(kind=CS, text=word, exact=False), *options[at : stop + 1]]
            elif word.startswith(("note", "remark")):
                found += [t._replace(kind=PAR, text=" ", exact=False), *options[at + 1 : stop]]
            at = stop
        elif t.kind == BEGIN:  # the name of a note
            at = _closing(options, at)
        at += 1
    return found


def _closing(tokens: list[Token], at: int) -> int:
    """Where the group that begins at a place ends."""
    depth = 0
    for i in range(at, len(tokens)):
        depth += (tokens[i].kind == BEGIN) - (tokens[i].kind == END)
        if depth == 0:
            return i
    return len(tokens)


_CELL_KEY = re.compile(r"\bcell\s*\{([\d,\s]+)\}\s*\{([\d,\s]+)\}\s*=\s*\{([^{}]*)\}")
_LINE_KEY = re.compile(r"\bhline\s*\{([^{}]*)\}")


def apply_keys(keys: str, rows: list[Row], last_rules: list[str], token: Token) -> None:
    """tabularray's `cell{1}{2}={c=3}{c}` and `hline{1,Z}={1pt}`: spans and rules, written where other tables have
    them."""
    for m in islice(_CELL_KEY.finditer(keys), MAX_KEYS):
        lines, columns = ({figure(number, MAX_CELLS) for number in re.findall(r"\d+", x)} for x in (m[1], m[2]))
        for r in lines:
            cells = rows[r - 1].cells if 0 < r <= len(rows) else []
            for c in columns if len(columns) < len(cells) else range(1, len(cells) + 1):
                if 0 < c <= len(cells) and c in columns:
                    cells[c - 1][:0] = _spanning(m[3], token)
    lines = set(range(len(rows) + 1)) if re.search(r"\bhlines\b", keys) else set()
    for m in _LINE_KEY.finditer(keys):
        for word in m[1].split(","):
            word = word.strip()
            if word in ("Z", "-1"):
                lines.add(len(rows))
            else:
                lines.add(figure(word, MAX_CELLS) - 1)
    for line in lines:
        if 0 <= line < len(rows):
            rows[line].rules.append("hline")
        elif line == len(rows):
            last_rules.append("hline")


def collect(reader: Floats, name: str) -> tuple[list[Row], list[str], Token, list[Token]]:
    """Rows of expanded tokens, the rules after the last row, the `\\end` token, and longtable's caption."""
    return _Collector(reader, name).run()


class _Collector:
    """Reads one grid up to its end."""

    def __init__(self, reader: Floats, name: str):
        self.reader = reader
        self.g = reader.g
        self.name = name
        self.rows: list[Row] = []
        self.cells: list[list[Token]] = [[]]
        self.rules: list[str] = []
        self.captions: list[Token] = []
        self.depth = 0
        self.nested: list[str] = []
        self.parts: dict[str, tuple[list[Row], list[Token]]] = {}
        """longtable's heads and feet, by the command that ends each, with their captions."""

    def run(self) -> tuple[list[Row], list[str], Token, list[Token]]:
        total = 0
        while (t := self.g.get()).kind != EOF:
            total += 1
            if total > 3_000_000 or len(self.rows) * max(len(self.cells), 1) > MAX_CELLS:
                why = f"the table has more than {MAX_CELLS} cells; the rest was not read"
                self.reader.lack("limit", self.name, why, t)
                break
            if t.kind == CS and t.text in ("begin", "end"):
                if self._environment(t):
                    break
                continue
            if t.kind == BEGIN:
                self.depth += 1
            elif t.kind == END and self.depth == 0:
                continue  # closes nothing
            elif t.kind == END:
                self.depth -= 1
            elif t.kind == CS and t.text in ("verb", "lstinline"):
                t = self.reader.verbatim(t)
            elif self.depth == 0 and not self.nested:
                if (kept := self._between(t)) is None:
                    continue
                t = kept
            self.cells[-1].append(t)
        self._finish()
        if self.parts:
            self._framed()
        return self.rows, self.rules, t, self.captions

    def _finish(self) -> None:
        """Ends a row."""
        if len(self.cells) > 1 or not blank(self.cells[0]):
            self.rows.append(Row(self.cells, self.rules))
            self.rules = []
        self.cells = [[]]

    @property
    def _at_start(self) -> bool:
        """Whether nothing of the row was read yet."""
        return len(self.cells) == 1 and blank(self.cells[0])

    def _environment(self, t: Token) -> bool:
        """`\\begin` and `\\end` of what is in a cell; True at the end of the grid."""
        arg = self.g.argument()
        inner = spell(arg).strip()
        if t.text == "end" and inner == self.name and not self.nested:
            return True
        whole = [t, _brace(BEGIN, t, t.start), *arg, _brace(END, t, t.start)]
        if t.text == "begin":
            user = self.reader.p.environments.get(inner)
            if user is not None and inner not in GRIDS and self.g.expand(t, user[0]):
                self.nested.append("user " + inner)
                return False
            self.nested.append(inner)
        elif not self.nested:  # of something around the grid, which has no end of its own
            self.g.push([t, _brace(BEGIN, t, t.end), *arg, _brace(END, t, t.end)])
            return True
        elif self.nested[-1] == "user " + inner:
            self.nested.pop()
            self.g.push(self.reader.p.environments[inner][1])
            return False
        elif inner in self.nested:
            while self.nested.pop() != inner:
                pass
        self.cells[-1] += whole
        return False

    def _between(self, t: Token) -> Token | None:
        """A token outside any group: None if it parts cells or rows, or says something of the grid; else what is in the
        cell."""
        if t.kind == TAB:
            self.cells.append([])
            return None
        if t.kind != CS:
            return t
        if t.text in ("\\", "tabularnewline", "cr", "crcr"):
            _after_break(self.reader)
            self._finish()
            return None
        if self._at_start and (t.text in RULES or RULE_NAME.fullmatch(t.text)):
            _rule(self.reader, t, self.rules)
            return None
        if t.text in ("endfirsthead", "endhead", "endfoot", "endlastfoot"):
            self._running(t.text)
            return None
        if t.text in _BELOW:  # AASTeX's notes: paragraphs of the float
            self.captions.append(t._replace(kind=PAR, text=" "))
            for _ in range(_BELOW[t.text]):
                self.captions += self.g.argument()
            return None
        if t.text == "tablecaption":
            t = t._replace(text="caption")
        if t.text in ("caption", "label") and len(self.cells) == 1 and self.name.startswith(_WITH_CAPTIONS):
            self._caption(t)
            return None
        if t.text in ("CodeBefore", "CodeAfter"):  # nicematrix's drawing over and under the cells
            self._drawing(t)
            return None
        if t.text == "SetCell":
            self.cells[-1] += _set_cell(self.reader, t)
            return None
        if t.text == "tablehead":
            like = t._replace(exact=False)
            self.g.push([*self.g.argument(), like._replace(text="\\"), like._replace(text="hline")])
            return None
        return None if t.text in ("startdata", "enddata") else t

    def _drawing(self, t: Token) -> None:
        """Skips `\\CodeBefore … \\Body`, and `\\CodeAfter` up to the end of the grid."""
        while (after := self.g.peek()).kind != EOF:
            if after.kind == CS and after.text == ("Body" if t.text == "CodeBefore" else "end"):
                if after.text == "Body":
                    self.g.raw()
                return
            self.g.raw()

    def _running(self, name: str) -> None:
        """The end of one of longtable's heads and feet, which stand before the rows."""
        self._finish()
        if self.rules:
            self.rows.append(Row([], self.rules))
        self.parts[name] = (self.rows, self.captions)
        self.rows, self.captions, self.rules = [], [], []

    def _framed(self) -> None:
        """Puts what longtable prints once, its first head and last foot, around the rows."""
        nothing: tuple[list[Row], list[Token]] = ([], [])
        head, captions = self.parts.get("endfirsthead") or self.parts.get("endhead", nothing)
        foot, below = self.parts.get("endlastfoot") or self.parts.get("endfoot", nothing)
        if not captions and not below:
            captions = self.parts.get("endhead", nothing)[1]
        rows: list[Row] = []
        rules: list[str] = []
        for row in (*head, *self.rows, Row([], self.rules), *foot):
            row.rules[:0] = rules
            rules = []
            if row.cells:
                rows.append(row)
            else:
                rules = row.rules
        self.rows, self.rules, self.captions = rows, rules, [*captions, *self.captions, *below]

    def _caption(self, t: Token) -> None:
        starred = t.text == "caption" and self.g.star()
        short = self.g.optional() if t.text == "caption" else None
        arg = self.g.argument()
        if (not starred and short is None) or t.text == "label" or arg:
            self.captions += [t, Token(BEGIN, "{", -1, 0, 0, False), *arg, Token(END, "}", -1, 0, 0, False)]


def _brace(kind: str, t: Token, start: int) -> Token:
    return Token(kind, "{" if kind == BEGIN else "}", t.source, start, t.end, False)


def _set_cell(reader: Floats, token: Token) -> list[Token]:
    """tabularray's `\\SetCell[r=2,c=3]{c}` as a multicolumn with a multirow."""
    options = spell(reader.g.optional() or [])
    reader.g.argument()
    return _spanning(options, token)


def _spanning(options: str, token: Token) -> list[Token]:
    """The spans of `r=2,c=3` as commands in the cell."""
    found: list[Token] = []
    for key, command in (("c", "spancolumns"), ("r", "spanrows")):
        if m := re.search(rf"\b{key}\s*=\s*(\d+)", options):
            like = token._replace(exact=False)
            found += [
                like._replace(kind=CS, text=command),
                like._replace(kind=BEGIN, text="{"),
                like._replace(kind=TEXT, text=m[1]),
                like._replace(kind=END, text="}"),
            ]
    return found


def _after_break(reader: Floats) -> None:
    """`\\\\*[2pt]`: the star and the length; a bracket that is no length is the next cell's text."""
    reader.g.star()
    given = reader.g.optional()
    if given is not None and not _LENGTH.fullmatch(spell(given)):
        like = given[0] if given else Token(TEXT, "", -1, 0, 0, False)
        bracket = like._replace(kind=TEXT, text="[", exact=False)
        reader.g.push([bracket, *given, bracket._replace(text="]")])


def _rule(reader: Floats, token: Token, rules: list[str]) -> None:
    if token.text == "noalign":
        if any(t.kind == CS and t.text == "hrule" for t in reader.g.argument()):
            rules.append("hline")
        return
    if token.text == "hhline":
        reader.g.argument()
    elif token.text in RULES:
        reader.arguments(SIGNATURES.get(token.text, ""))
    else:
        reader.g.optional(), reader.g.group()
        rules.append("hline")
        return
    rules.append(token.text)
