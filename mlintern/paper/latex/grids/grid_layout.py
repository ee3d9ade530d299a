"""Grids that hold no data: they place other grids or pictures side by side, or stand inside a cell."""

from __future__ import annotations

import re

from mlintern.paper.latex.floats import Floats
from mlintern.paper.latex.grids.columns import blank
from mlintern.paper.latex.grids.grid_rows import Row
from mlintern.paper.latex.source.commands import GRIDS
from mlintern.paper.latex.source.drafts import CellDraft
from mlintern.paper.latex.source.tokens import BEGIN, CS, END, TAB, Token, spell, trimmed

_NUMBER = re.compile(r"\W*\d+\.\d+\W*(?:pm\W*[\d.]+)?\W*")


def inside_layout(reader: Floats) -> bool:
    return any(s.extra.get("layout") for s in reader.scopes)


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


def is_layout(rows: list[Row]) -> bool:
    """Whether a grid only places other grids side by side."""
    filled = [c for r in rows for c in r.cells if not blank(c)]
    holding = sum(_inner_grids(c) > 0 for c in filled)
    return holding > 0 and holding * 2 >= len(filled)


def is_pictures(rows: list[Row]) -> bool:
    """Whether a grid places images: pictures in it and hardly a number beside them."""
    filled = [c for r in rows for c in r.cells if not blank(c)]
    images = sum(
        any(t.kind == CS and t.text in ("includegraphics", "subfloat", "includesvg", "subfigure") for t in c)
        for c in filled
    )
    numbers = sum(len(c) < 50 and bool(_NUMBER.fullmatch(spell(c).strip())) for c in filled)
    return images > 0 and (images * 2 >= len(filled) or numbers < 2)


def set_layout(reader: Floats, rows: list[Row], token: Token) -> None:
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


def flatten(reader: Floats, rows: list[Row], token: Token) -> None:
    """A grid inside a cell: its cells one after the other, as text of that cell."""
    cell = reader.cell
    if isinstance(cell, CellDraft) and len(rows) > 1 and any(len(r.cells) > 1 for r in rows):
        cell.doubts.append("a grid inside the cell was read as one text")
    for row in rows:
        for content in row.cells:
            if not blank(content):
                reader.render(trimmed(content))
                reader.ink.space(token)
