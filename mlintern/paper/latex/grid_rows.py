"""The rows of a grid: expanded tokens cut at `&` and `\\\\`, with the rules between rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Any

from mlintern.paper.latex.columns import blank
from mlintern.paper.latex.commands import GRIDS, RULE_NAME, RULES, SIGNATURES
from mlintern.paper.latex.floats import Floats
from mlintern.paper.latex.tokens import BEGIN, CS, END, EOF, PAR, SPACE, TAB, TEXT, Token, spell

MAX_CELLS = 60_000
_LENGTH = re.compile(r"\s*[-+]?\s*[\d.]*\s*(?:pt|em|ex|in|cm|mm|sp|bp|pc|\\[a-z]+)\s*", re.I)


_BELOW = {"tablecomments": 1, "tablerefs": 1, "tablenotetext": 2}


@dataclass
class Row:
    cells: list[list[Token]]
    rules: list[str]


def arguments(reader: Floats, name: str) -> tuple[list[Token], str]:
    """Reads the arguments of the environment; the column specification, and tabularray's keys."""
    spec: list[Token] = []
    keys: list[str] = []
    signature = GRIDS.get(name, "os")
    for letter in signature:
        if letter == "o":
            reader.g.optional()
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
    return spec, "".join(keys)


_CELL_KEY = re.compile(r"\bcell\s*\{([\d,\s]+)\}\s*\{([\d,\s]+)\}\s*=\s*\{([^{}]*)\}")
_LINE_KEY = re.compile(r"\bhline\s*\{([^{}]*)\}")


def apply_keys(keys: str, rows: list[Row], last_rules: list[str], token: Token) -> None:
    """tabularray's `cell{1}{2}={c=3}{c}` and `hline{1,Z}={1pt}`: spans and rules, written where other tables have
    them."""
    for m in _CELL_KEY.finditer(keys):
        for r, c in product(*(map(int, re.findall(r"\d+", x)) for x in (m[1], m[2]))):
            if 0 < r <= len(rows) and 0 < c <= len(rows[r - 1].cells):
                rows[r - 1].cells[c - 1][:0] = _spanning(m[3], token)
    lines: set[int] = set(range(len(rows) + 1)) if re.search(r"\bhlines\b", keys) else set()
    for m in _LINE_KEY.finditer(keys):
        for word in m[1].split(","):
            word = word.strip()
            if word in ("Z", "-1"):
                lines.add(len(rows))
            elif word.isdigit():
                lines.add(int(word) - 1)
    for line in lines:
        if 0 <= line < len(rows):
            rows[line].rules.append("hline")
        elif line == len(rows):
            last_rules.append("hline")


def collect(reader: Floats, name: str) -> tuple[list[Row], list[str], Token, int, list[Token]]:
    """Rows of expanded tokens, the rules after the last row, the `\\end` token, longtable's header rows and its
    caption."""
    g = reader.g
    rows: list[Row] = []
    cells: list[list[Token]] = [[]]
    rules: list[str] = []
    captions: list[Token] = []
    depth = total = head = 0
    nested: list[str] = []
    skip_from: int | None = None

    def finish() -> None:
        nonlocal cells, rules
        if len(cells) > 1 or not blank(cells[0]):
            rows.append(Row(cells, rules))
            rules = []
        cells = [[]]

    while True:
        t = g.get()
        if t.kind == EOF:
            break
        total += 1
        if total > 3_000_000 or len(rows) * max(len(cells), 1) > MAX_CELLS:
            reader.lack("limit", name, f"the table has more than {MAX_CELLS} cells; the rest was not read", t)
            break
        if t.kind == BEGIN:
            depth += 1
        elif t.kind == END:
            depth -= 1
            if depth < 0:
                depth = 0
                continue
        elif t.kind == CS and t.text in ("begin", "end"):
            arg = g.argument()
            inner = spell(arg).strip()
            if t.text == "end" and inner == name and not nested:
                finish()
                return rows, rules, t, head, captions
            if t.text == "begin":
                user = reader.p.environments.get(inner)
                if user is not None and inner not in GRIDS:
                    g.expand(t, user[0])
                    nested.append("user " + inner)
                    continue
                nested.append(inner)
            elif nested:
                if nested[-1] == "user " + inner:
                    nested.pop()
                    g.push(reader.p.environments[inner][1])
                    continue
                if inner in nested:
                    while nested.pop() != inner:
                        pass
            else:
                g.push(
                    [
                        t,
                        Token(BEGIN, "{", t.source, t.end, t.end, False),
                        *arg,
                        Token(END, "}", t.source, t.end, t.end, False),
                    ]
                )
                break
            cells[-1] += [
                t,
                Token(BEGIN, "{", t.source, t.start, t.end, False),
                *arg,
                Token(END, "}", t.source, t.start, t.end, False),
            ]
            continue
        elif t.kind == CS and t.text in ("verb", "lstinline"):
            cells[-1].append(reader.verbatim(t))
            continue
        elif depth == 0 and not nested:
            if t.kind == TAB:
                cells.append([])
                continue
            if t.kind == CS:
                if t.text in ("\\", "tabularnewline", "cr", "crcr"):
                    _after_break(reader)
                    finish()
                    continue
                if len(cells) == 1 and blank(cells[0]) and (t.text in RULES or RULE_NAME.fullmatch(t.text)):
                    _rule(reader, t, rules)
                    continue
                if t.text in ("endfirsthead", "endhead", "endfoot", "endlastfoot"):
                    finish()
                    rules = []
                    if t.text == "endfirsthead" or (t.text == "endhead" and skip_from is None):
                        skip_from = head = len(rows)
                    elif skip_from is not None:  # a running head or foot repeats what is there already
                        del rows[skip_from:]
                    continue
                if t.text in _BELOW:  # AASTeX's notes: paragraphs of the float
                    captions.append(t._replace(kind=PAR, text=" "))
                    for _ in range(_BELOW[t.text]):
                        captions += g.argument()
                    continue
                if t.text == "tablecaption":
                    t = t._replace(text="caption")
                if (
                    t.text in ("caption", "label")
                    and len(cells) == 1
                    and name.startswith(("long", "xl", "ltab", "deluxe", "super", "x"))
                ):
                    starred = t.text == "caption" and g.star()
                    short = g.optional() if t.text == "caption" else None
                    arg = g.argument()
                    if (not starred and short is None) or t.text == "label" or arg:
                        captions += [t, Token(BEGIN, "{", -1, 0, 0, False), *arg, Token(END, "}", -1, 0, 0, False)]
                    continue
                if t.text in ("SetCell",):
                    cells[-1] += _set_cell(reader, t)
                    continue
                if t.text in ("tablehead", "startdata", "enddata"):
                    if t.text == "tablehead":
                        g.push(
                            [
                                *g.argument(),
                                Token(CS, "\\", t.source, t.start, t.end, False),
                                Token(CS, "hline", t.source, t.start, t.end, False),
                            ]
                        )
                    continue
        cells[-1].append(t)
    finish()
    return rows, rules, t, head, captions


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
