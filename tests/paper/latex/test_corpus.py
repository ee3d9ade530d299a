"""A corpus of our own in the styles of the venues papers come from, each table with its ground truth beside it.

The papers and their numbers are invented; their constructs are those of real sources. What is wanted: no table lost, no
cell wrong and sure, at most one in fifty doubtful.
"""

from functools import cache
from pathlib import Path

import pytest

from mlintern.paper.document.document import Document
from mlintern.paper.latex.read import read_latex
from tests.paper.truth import judged, truths

PAPERS = sorted(path for path in (Path(__file__).parent / "corpus").iterdir() if path.is_dir())
every_paper = pytest.mark.parametrize("path", PAPERS, ids=[path.name for path in PAPERS])


@cache
def document(path: Path) -> Document:
    return read_latex(path)


@every_paper
def test_no_table_is_lost_and_no_cell_is_wrong_and_sure(path: Path):
    tables = {table.label: table for table in reversed(document(path).tables)}
    wanted = truths(path)
    assert wanted
    wrong = []
    for label, rows in wanted.items():
        table = tables.get(label)
        if table is None:
            wrong.append(f"{label}: lost")
            continue
        if (table.rows, table.columns) != (len(rows), max(map(len, rows))):
            wrong.append(f"{label}: {table.rows} x {table.columns}")
        wrong += [f"{label} row {r} column {c}: {why}" for r, c, why, doubt in judged(table, rows) if why and not doubt]
    assert wrong == []


def test_few_cells_are_doubtful():
    cells = [
        (label, r, c, doubt)
        for path in PAPERS
        for table in document(path).tables
        for label, rows in truths(path).items()
        if table.label == label
        for r, c, _, doubt in judged(table, rows)
    ]
    assert len(cells) > 1_000
    assert sum(doubt for *_, doubt in cells) * 50 <= len(cells)


def test_what_is_switched_off_or_behind_the_end_is_not_read():
    gone = {"tab:gone", "tab:no", "tab:no2", "tab:other", "tab:s1"}
    labels = {table.label for path in PAPERS for table in document(path).tables}
    assert not gone & labels
    assert not any("left over" in document(path).text for path in PAPERS)


def test_what_is_missing_is_said():
    missing = {
        (path.name, m.kind, m.name)
        for path in PAPERS
        for m in document(path).missing
        if m.kind in ("input", "figure", "table", "bibliography", "appendix")
    }
    assert {
        ("ieee", "input", "sections/lost"), ("ieee", "figure", "figs/absent"), ("ieee", "bibliography", "refs"),
        ("ieee", "appendix", "supplementary material"), ("jmlr", "table", "other.csv"), ("jmlr", "input", "other.csv"),
    } <= missing  # fmt: skip


@every_paper
def test_every_cell_is_found_again_where_it_stands(path: Path):
    d = document(path)
    texts = {source.name: read_source(path, source.name, source.encoding) for source in d.sources}
    for table in d.tables:
        for cell in table.cells:
            if not letters(cell.text):
                continue
            assert " ".join(d.text[cell.start : cell.end].split()) == " ".join(cell.text.split())
            quote = d.find_quote(cell.text, cell.start, cell.end)
            assert quote is not None and letters(quote.text) == letters(cell.text), cell
            span = d.source_span(cell.start, cell.end)
            assert span is not None and 0 <= span.start < span.end <= len(texts[span.source]), cell


@every_paper
def test_every_sentence_is_found_again(path: Path):
    d = document(path)
    for block in d.blocks:
        if block.kind in ("paragraph", "caption", "abstract", "heading"):
            found = d.find_quote(d.text[block.start : block.end], block.start, block.end)
            assert found is not None and letters(found.text) == letters(d.text[block.start : block.end])


def letters(text: str) -> str:
    """What of a quote must come back; braces and other marks at its edges need not."""
    return "".join(c for c in text if c.isalnum())


def read_source(path: Path, name: str, encoding: str) -> str:
    return (path / name).read_bytes().decode(encoding)
