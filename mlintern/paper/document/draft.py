"""A Document in the making: what the roads share that read a file from its first page to its last (HTML, PDF)."""

from dataclasses import dataclass, replace
from typing import Any

from mlintern.paper.document.document import (
    Cell,
    Document,
    Equation,
    Figure,
    MissingKind,
    MissingPart,
    Reference,
    Road,
    Section,
    Source,
    Span,
    Table,
)
from mlintern.paper.document.text_builder import TextBuilder
from mlintern.paper.numbers.commas import settle_commas
from mlintern.paper.text.unique_ids import UniqueIds


@dataclass(frozen=True)
class Grid:
    """A table's cells and shape."""

    rows: int
    columns: int
    cells: tuple[Cell, ...]
    header_rows: int
    header_columns: int
    rules: tuple[int, ...]
    alignment: str = ""
    confidence: float = 1.0
    """How sure a reader is that the cells are what the paper shows, where that differs from table to table."""
    cut: bool = False
    """Whether the grid was larger than a reader can use and was cut."""


def doubted(cell: Cell, why: str) -> Cell:
    """The cell and its numbers, doubtful for one more reason."""
    numbers = tuple(number.doubted(why) for number in cell.numbers)
    return replace(cell, doubtful=True, why=f"{cell.why}; {why}" if cell.why else why, numbers=numbers)


def settled(cells: list[Cell]) -> list[Cell]:
    """The cells of one table, with what all of them together say of each one's commas."""
    numbers = settle_commas({(cell.row, cell.column): cell.numbers for cell in cells})
    return [replace(cell, numbers=numbers[(cell.row, cell.column)]) for cell in cells]


class Draft:
    """The text of one file so far, and the parts found so far."""

    road: Road

    def __init__(self, source: Source):
        self.source = source
        self.builder = TextBuilder()
        self.sections: list[Section] = []
        self.tables: list[Table] = []
        self.figures: list[Figure] = []
        self.equations: list[Equation] = []
        self.references: list[Reference] = []
        self.missing: list[MissingPart] = []
        self.ids = UniqueIds()
        self.title = ""
        self.in_appendix = False

    def lost(self, kind: MissingKind, name: str, why: str, span: Span | None = None) -> None:
        """Record what the paper has and this Document lacks."""
        self.missing.append(MissingPart(kind=kind, name=name, why=why, span=span))

    def add_table(self, grid: Grid, id: str, start: int, **facts: Any) -> None:
        """Make a table of what was written since `start`."""
        self.builder.add_block("table", start, id)
        self.tables.append(
            Table(
                id=self.ids.take(id), road=self.road, start=start, end=self.builder.size, rows=grid.rows,
                columns=grid.columns, header_rows=grid.header_rows, header_columns=grid.header_columns,
                rules=grid.rules, alignment=grid.alignment, **{"cells": grid.cells, **facts},
            )
        )  # fmt: skip

    def document(self, **facts: Any) -> Document:
        """All of it; `facts` is what a road says of the paper as a whole."""
        return Document(
            road=self.road,
            sources=(self.source,),
            text=self.builder.text(),
            offsets=tuple(self.builder.pieces),
            sections=tuple(self.sections),
            blocks=tuple(self.builder.blocks),
            tables=tuple(self.tables),
            figures=tuple(self.figures),
            equations=tuple(self.equations),
            references=tuple(self.references),
            missing=tuple(self.missing),
            **facts,
        )
