"""Documents made by hand, for tests that must not depend on a reader."""

from mlintern.paper.document.document import Cell, Document, Section, Source, Table
from mlintern.paper.numbers import parse_cell

TEXT = """Training

We use the Adam optimizer with a learning rate of 3·10^{-4} and β_1 = 0.9. The batch size is 1,024. Dropout of 10 % is
applied. We train for 100K steps without Nesterov momentum. The MLP has six layers; 1/8 of the heads are pruned.

Results

Our model is best. Weight decay is 0.01 for all models.
"""
GRID = [
    ["Model", "Acc. (%)", "Params"],
    ["CNN", "94 ± 2", "5,210"],
    ["MLP", ">99", "15.2K"],
    ["Old", "", "12, 13"],
]


def table(grid=GRID, id="table-1", label="tab:main", start=0, end=1):
    cells = tuple(
        Cell(row=r, column=c, text=text, numbers=parse_cell(text))
        for r, row in enumerate(grid)
        for c, text in enumerate(row)
    )
    return Table(
        id=id, road="latex", start=start, end=end, label=label, number=id[-1], rows=len(grid), columns=len(grid[0]),
        cells=cells, header_rows=1, header_columns=1, caption="Accuracy and number of parameters",
    )  # fmt: skip


def document(text=TEXT, tables=None):
    at = text.find("Results")
    sections = (
        Section(id="section-1", road="latex", start=0, end=at, level=1, number="1", title="Training"),
        Section(id="section-2", road="latex", start=at, end=len(text), level=1, number="2", title="Results"),
    )
    return Document(
        title="A paper", road="latex", sources=(Source("main.tex", "0" * 64, 1),), text=text, offsets=(),
        tables=(table(),) if tables is None else tables, sections=sections,
    )  # fmt: skip
