"""The shared papers against a checked-in list of facts: tables, shapes, and cells compared by value.

The papers' texts are no part of this repository. They are looked for beside it, in ../shared/papers; without them these
tests are skipped, and tests/paper/test_latex_tables.py alone proves the reader.
"""

import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlintern.paper.document.document import Document, Table
from mlintern.paper.latex.read import read_latex

EXPECTED = sorted((Path(__file__).parent / "expected").glob("*.yaml"))
PAPERS = Path(__file__).resolve().parents[3].parent / "shared" / "papers"

pytestmark = pytest.mark.skipif(
    not PAPERS.is_dir(), reason="the shared papers are not beside the repository (../shared/papers)"
)


@cache
def expected(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


@cache
def document(path: Path) -> Document:
    return read_latex(PAPERS / expected(path)["paper"])


def every_paper(function):
    return pytest.mark.parametrize("path", EXPECTED, ids=[p.stem for p in EXPECTED])(function)


@every_paper
def test_no_table_is_lost_and_shapes_agree(path: Path):
    found = [(t.number, t.part, t.label, [t.rows, t.columns], t.header_rows) for t in document(path).tables]
    wanted = [(t["number"], t["part"], t["label"], t["shape"], t["header_rows"]) for t in expected(path)["tables"]]
    assert found == wanted


@every_paper
def test_counts_of_other_parts(path: Path):
    d, want = document(path), expected(path)
    assert (len(d.sections), len(d.figures), len(d.equations)) == (want["sections"], want["figures"], want["equations"])


def wrong_and_doubtful(table: Table, cells: list[dict[str, Any]]) -> tuple[list[str], int]:
    """Cells that are wrong and not marked doubtful, and how many are marked doubtful."""
    wrong, doubtful = [], 0
    for want in cells:
        cell = table.cell(want["row"], want["column"])
        place = f"{table.id} row {want['row']} column {want['column']}"
        if cell is None:
            wrong.append(f"{place}: no cell")
            continue
        if cell.doubtful or any(n.doubtful for n in cell.numbers):
            doubtful += 1
            continue
        if "text" in want and cell.text != want["text"]:
            wrong.append(f"{place}: {cell.text!r}, not {want['text']!r}")
        if "values" in want and [n.value for n in cell.numbers] != want["values"]:
            wrong.append(f"{place}: {cell.numbers}")
        if want.get("bold", False) != cell.bold and "text" not in want:
            wrong.append(f"{place}: bold is {cell.bold}")
        for key in ("value", "spread", "low", "high", "change", "bound", "unit"):
            if key not in want:
                continue
            got = getattr(cell.number, key) if cell.number else None
            same = math.isclose(got, want[key], rel_tol=1e-12) if isinstance(got, float) else got == want[key]
            if not same:
                wrong.append(f"{place}: {key} is {got}, not {want[key]}")
    return wrong, doubtful


@every_paper
def test_sampled_cells_by_value(path: Path):
    wrong: list[str] = []
    total = doubtful = 0
    for table, want in zip(document(path).tables, expected(path)["tables"], strict=True):
        cells = want.get("cells", [])
        bad, unsure = wrong_and_doubtful(table, cells)
        wrong += bad
        total += len(cells)
        doubtful += unsure
    assert wrong == []
    assert doubtful <= 0.01 * total


@every_paper
def test_every_cell_is_found_again_in_its_source(path: Path):
    d = document(path)
    texts = {s.name: (PAPERS / expected(path)["paper"] / s.name).read_text() for s in d.sources}
    for table in d.tables:
        for cell in table.cells:
            if cell.raw and cell.span:
                assert cell.raw in texts[cell.span.source][cell.span.start : cell.span.end]
            for n in cell.numbers:
                digits = "".join(c for c in n.raw if c.isdigit())
                assert digits[:1] in cell.raw or "\\" in cell.raw


@every_paper
def test_json_gives_the_document_back(path: Path):
    assert Document.from_json(document(path).to_json()) == document(path)
