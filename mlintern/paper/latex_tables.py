"""Tables: rows and cells out of expanded tokens, spans, rules, nested grids, columns joined by `@{±}`.

Cells are found by walking tokens, so `&` and `\\\\` inside braces or an inner environment never split a cell, and
what a
user macro expands to splits it exactly as TeX would.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlintern.paper.latex_columns import Column, blank, columns
from mlintern.paper.latex_commands import FULL_RULES, GRIDS, RULES, SIGNATURES
from mlintern.paper.latex_drafts import CellDraft, GridDraft
from mlintern.paper.latex_ink import PLAIN
from mlintern.paper.latex_spans import settle
from mlintern.paper.latex_tokens import BEGIN, CS, END, EOF, SPACE, TAB, TEXT, Token, spell, trimmed
from mlintern.paper.latex_units import siunitx_cell

if TYPE_CHECKING:
    from mlintern.paper.latex_paper import PaperReader

MAX_CELLS = 60_000
_LENGTH = re.compile(r"\s*[-+]?\s*[\d.]*\s*(?:pt|em|ex|in|cm|mm|sp|bp|pc|\\[a-z]+)\s*", re.I)


@dataclass
class _Row:
    cells: list[list[Token]]
    rules: list[str]


def read_grid(reader: PaperReader, name: str, token: Token) -> None:
    """Reads an environment that is a grid, its `\\begin` already consumed, and sets it."""
    spec = _arguments(reader, name)
    rows, last_rules, stop, head, captions = _collect(reader, name)
    if not reader.body:
        return
    if reader.cell is not None or (reader.depth and not _layout_parent(reader)):
        _flatten(reader, rows, token)
        return
    loose = reader.begin_loose_float(token) if captions and reader.float is None else None
    if captions:
        before = reader.g.only(captions)
        reader.run()
        reader.g.frames = before
    _place(reader, spec, rows, last_rules, token, stop, head)
    if loose is not None:
        reader.end_float(stop)


def _place(
    reader: PaperReader,
    spec: list[Token],
    rows: list[_Row],
    last_rules: list[str],
    token: Token,
    stop: Token,
    head: int,
) -> None:
    """Sets a grid, or the grids that it only lays out."""
    if _is_layout(rows) or _is_pictures(rows):
        _set_layout(reader, rows, token)
        return
    _set(reader, rows, last_rules, columns(spec, reader.p.columns), token, stop, head)


def _layout_parent(reader: PaperReader) -> bool:
    return reader.scopes[-1].extra.get("layout") is True or any(s.extra.get("layout") for s in reader.scopes)


def _arguments(reader: PaperReader, name: str) -> list[Token]:
    """Reads the arguments of the environment; the column specification."""
    spec: list[Token] = []
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
    return spec


def _collect(reader: PaperReader, name: str) -> tuple[list[_Row], list[str], Token, int, list[Token]]:
    """Rows of expanded tokens, the rules after the last row, the `\\end` token, longtable's header rows and its
    caption."""
    g = reader.g
    rows: list[_Row] = []
    cells: list[list[Token]] = [[]]
    rules: list[str] = []
    captions: list[Token] = []
    depth = total = head = 0
    nested: list[str] = []
    skip_from: int | None = None

    def finish() -> None:
        nonlocal cells, rules
        if len(cells) > 1 or not blank(cells[0]):
            rows.append(_Row(cells, rules))
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
                if t.text in RULES and (len(cells) == 1 and blank(cells[0])):
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


def _set_cell(reader: PaperReader, token: Token) -> list[Token]:
    """tabularray's `\\SetCell[r=2,c=3]{c}` as a multicolumn with a multirow."""
    options = spell(reader.g.optional() or [])
    reader.g.argument()
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


def _after_break(reader: PaperReader) -> None:
    """`\\\\*[2pt]`: the star and the length; a bracket that is no length is the next cell's text."""
    reader.g.star()
    given = reader.g.optional()
    if given is not None and not _LENGTH.fullmatch(spell(given)):
        like = given[0] if given else Token(TEXT, "", -1, 0, 0, False)
        bracket = like._replace(kind=TEXT, text="[", exact=False)
        reader.g.push([bracket, *given, bracket._replace(text="]")])


def _rule(reader: PaperReader, token: Token, rules: list[str]) -> None:
    if token.text == "noalign":
        inner = reader.g.argument()
        reader.g.push(inner)
        return
    if token.text == "hhline":
        reader.g.argument()
    else:
        reader.arguments(SIGNATURES.get(token.text, ""))
    rules.append(token.text)


_INNER = frozenset(GRIDS) | {"array"}


def _inner_grids(tokens: list[Token]) -> int:
    """How many real grids (two columns and two rows at least) begin inside a cell."""
    count = 0
    i = 0
    while i < len(tokens):
        t = tokens[i]
        if (
            t.kind == CS
            and t.text == "begin"
            and i + 2 < len(tokens)
            and tokens[i + 1].kind == BEGIN
            and tokens[i + 2].text in GRIDS
        ):
            name = tokens[i + 2].text
            level, tabs, breaks, braces = 1, 0, 0, 0
            j = i + 4
            while j < len(tokens) and level:
                u = tokens[j]
                if u.kind == CS and u.text in ("begin", "end") and j + 2 < len(tokens) and tokens[j + 2].text == name:
                    level += 1 if u.text == "begin" else -1
                elif u.kind == BEGIN:
                    braces += 1
                elif u.kind == END:
                    braces -= 1
                elif braces <= 0 and u.kind == TAB:
                    tabs += 1
                elif braces <= 0 and u.kind == CS and u.text in ("\\", "tabularnewline"):
                    breaks += 1
                j += 1
            if tabs >= 2 and breaks >= 1:
                count += 1
            i = j
        else:
            i += 1
    return count


def _is_layout(rows: list[_Row]) -> bool:
    """Whether a grid only places other grids side by side."""
    filled = [c for r in rows for c in r.cells if not blank(c)]
    holding = sum(_inner_grids(c) > 0 for c in filled)
    return holding > 0 and holding * 2 >= len(filled)


def _is_pictures(rows: list[_Row]) -> bool:
    """Whether a grid places images: pictures in it and hardly a number beside them."""
    filled = [c for r in rows for c in r.cells if not blank(c)]
    images = sum(
        any(t.kind == CS and t.text in ("includegraphics", "subfloat", "includesvg", "subfigure") for t in c)
        for c in filled
    )
    numbers = sum(bool(re.fullmatch(r"\W*\d+\.\d+\W*(?:pm\W*[\d.]+)?\W*", spell(c).strip())) for c in filled)
    return images > 0 and (images * 2 >= len(filled) or numbers < 2)


def _set_layout(reader: PaperReader, rows: list[_Row], token: Token) -> None:
    """Sets the cells of a layout one after the other, each in a scope of its own."""
    for row in rows:
        for cell in row.cells:
            if blank(cell):
                continue
            reader.scope_ids += 1
            reader.scope_path.append(reader.scope_ids)
            before = reader.g.only(cell)
            reader.enter("arg").extra["layout"] = True
            floor, reader.floor = reader.floor, len(reader.scopes)
            reader.run()
            while len(reader.scopes) > reader.floor:
                scope = reader.scopes.pop()
                reader.g.close_group()
                reader.left(scope, token)
            reader.floor = floor
            reader.leave("arg", token)
            reader.g.frames = before
            reader.scope_path.pop()
            if reader.block is not None and reader.block.kind == "paragraph":
                reader.close_block()


def _flatten(reader: PaperReader, rows: list[_Row], token: Token) -> None:
    """A grid inside a cell: its cells one after the other, as text of that cell."""
    cell = reader.cell
    if isinstance(cell, CellDraft) and len(rows) > 1 and any(len(r.cells) > 1 for r in rows):
        cell.doubts.append("a grid inside the cell was read as one text")
    for row in rows:
        for content in row.cells:
            if not blank(content):
                reader.render(trimmed(content))
                reader.ink.space(token)


def _set(
    reader: PaperReader,
    rows: list[_Row],
    last_rules: list[str],
    cols: list[Column],
    token: Token,
    stop: Token,
    head: int,
) -> None:
    """Sets the cells of a grid into the text and keeps where each of them stands."""
    draft_block = None
    if reader.depth == 0:
        draft_block = reader.open_block("table")
    grid = GridDraft(token, draft_block.start if draft_block else reader.ink.size, scope=reader.scope_path[-1])
    if draft_block is not None:
        draft_block.owner = grid
    joins = _joins(cols)
    width = 0
    for r, row in enumerate(rows):
        if any(rule in FULL_RULES for rule in row.rules):
            grid.rules.append(r)
        elif row.rules:
            grid.partial.append(r)
        width = max(width, _set_row(reader, grid, r, row, cols, joins))
        reader.ink.cut("")
        reader.ink.parts.append("\n")
        reader.ink.size += 1
    if any(rule in FULL_RULES for rule in last_rules):
        grid.rules.append(len(rows))
    grid.rows, grid.columns, grid.end, grid.stop = len(rows), width, reader.ink.size, stop
    grid.alignment = "".join(c.align for i, c in enumerate(cols) if i not in joins)[:width]
    grid.order = head
    settle(grid)
    if grid.cells and width:
        reader.grids.append(grid)
        if reader.float is not None:
            grid.order = reader.float.order
            reader.float.order += 1
            reader.float.grids.append(grid)
    if draft_block is not None:
        reader.close_block()


def _joins(cols: list[Column]) -> set[int]:
    """Columns that print as one with the column before them (`r@{±}l`)."""
    return {i + 1 for i, c in enumerate(cols) if c.glue is not None and i + 1 < len(cols)}


def _set_row(reader: PaperReader, grid: GridDraft, r: int, row: _Row, cols: list[Column], joins: set[int]) -> int:
    """Sets one row; the number of columns it fills."""
    column = shown = 0
    cell: CellDraft | None = None
    for i, tokens in enumerate(row.cells):
        merged = column in joins and cell is not None and cell.colspan == 1 and not cell.fixed and not _spans(tokens)
        here = cols[column] if column < len(cols) else Column()
        if merged and cell is not None:
            glue = cols[column - 1].glue or []
            if not blank(tokens):
                if cell.end > cell.start:
                    _put(reader, grid, cell, [*glue, *here.before, *trimmed(tokens), *here.after], here)
                else:
                    _put(reader, grid, cell, [*here.before, *trimmed(tokens), *here.after], here)
            column += 1
            continue
        if i:
            reader.ink.cut("")
            reader.ink.parts.append("\t")
            reader.ink.size += 1
        cell = CellDraft(r, shown, tokens=tokens, start=reader.ink.size, end=reader.ink.size)
        plain = not _spans(tokens)
        content = trimmed(tokens)
        _put(reader, grid, cell, [*here.before, *content, *here.after] if plain and content else content, here)
        if column >= len(cols) and cols and content:
            cell.doubts.append("the row has more cells than the table has columns")
        taken = max(cell.colspan, 1)
        covered = sum((column + k) not in joins or k == 0 for k in range(taken))
        cell.colspan = covered
        grid.cells.append(cell)
        shown += covered
        column += taken
        if taken > 1:
            cell.fixed = True
    return shown


def _spans(tokens: list[Token]) -> bool:
    return any(t.kind == CS and t.text in ("multicolumn", "spancolumns") for t in tokens[:40])


def _put(reader: PaperReader, grid: GridDraft, cell: CellDraft, tokens: list[Token], column: Column) -> None:
    """Sets a cell's content and notes where it ended up."""
    before, reader.cell = reader.cell, cell
    known = set(reader.unknown)
    style = reader.scopes[-1].style
    reader.scopes[-1].style = PLAIN
    try:
        number = siunitx_cell(tokens) if column.number else None
        if number is not None:
            reader.put(number[0], number[1])
        else:
            reader.render(tokens)
    finally:
        reader.cell = before
        reader.scopes[-1].style = style
    fresh = [n for n in reader.unknown if n not in known] + [t.text for t in tokens if t.kind == CS and t.text in known]
    if fresh:
        cell.doubts.append("it uses \\" + ", \\".join(dict.fromkeys(fresh)) + ", which the source does not define")
    cell.end = reader.ink.size
