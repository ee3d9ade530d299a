"""Tables: a grid's environment from its arguments to its cells.

Cells are found by walking expanded tokens, so `&` and `\\\\` inside braces or an inner environment never split a cell,
and what a user macro expands to splits it exactly as TeX would.
"""

from __future__ import annotations

from mlintern.paper.latex.floats import Floats
from mlintern.paper.latex.grids.columns import columns
from mlintern.paper.latex.grids.grid_cells import set_cells
from mlintern.paper.latex.grids.grid_layout import flatten, inside_layout, is_layout, is_pictures, set_layout
from mlintern.paper.latex.grids.grid_rows import Row, apply_keys, arguments, collect
from mlintern.paper.latex.source.tokens import Token

MOST_NESTED = 8
"""Grids inside grids. A deeper one, as a macro without end makes them, is read as text: each reads all in it again.
One that stands in another is so, too, once the budget is spent."""


def read_grid(reader: Floats, name: str, token: Token) -> None:
    """Reads an environment that is a grid, its `\\begin` already consumed, and sets it."""
    spec, keys, above = arguments(reader, name)
    if reader.nested_grids >= (1 if reader.g.spent else MOST_NESTED):
        return
    reader.nested_grids += 1
    try:
        _read(reader, name, token, spec, keys, above)
    finally:
        reader.nested_grids -= 1


def _read(reader: Floats, name: str, token: Token, spec: list[Token], keys: str, above: list[Token]) -> None:
    rows, last_rules, stop, captions = collect(reader, name)
    captions = above + captions
    if not reader.body:
        return
    apply_keys(keys, rows, last_rules, token)
    if reader.cell is not None or (reader.depth and not inside_layout(reader)):
        flatten(reader, rows, token)
        return
    loose = reader.begin_loose_float(token) if captions and reader.float is None else None
    if captions:
        before = reader.g.only(captions)
        reader.run()
        reader.g.frames = before
    _place(reader, spec, rows, last_rules, token, stop)
    if loose is not None:
        reader.end_float(stop)


def _place(
    reader: Floats,
    spec: list[Token],
    rows: list[Row],
    last_rules: list[str],
    token: Token,
    stop: Token,
) -> None:
    """Sets a grid, or the grids that it only lays out."""
    if is_layout(rows) or is_pictures(rows):
        set_layout(reader, rows, token)
        return
    set_cells(reader, rows, last_rules, columns(spec, reader.p.columns), token, stop)
