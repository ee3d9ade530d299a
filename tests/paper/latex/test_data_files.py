"""Tables that LaTeX makes from a file of values."""

from pathlib import Path

import pytest

from mlintern.paper.document.document import Document
from mlintern.paper.latex.read import read_latex

VALUES = "name,acc,note\nbase,71.25,{a, b}\nlarge,75.0,50\\%\nshort,1\nxl,77.5,c\n"


def read(folder: Path, body: str, values: str = VALUES) -> Document:
    (folder / "data.csv").write_text(values)
    (folder / "main.tex").write_text(f"\\documentclass{{article}}\\begin{{document}}{body}\\end{{document}}")
    return read_latex(folder / "main.tex")


BODY = [["base", "71.25"], ["large", "75.0"], ["xl", "77.5"]]


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (r"\csvreader[tabular=lc,table head=\toprule Model & Acc\\\midrule,table foot=\bottomrule]{data.csv}"
         r"{name=\n,2=\a}{\n & \a}", [["Model", "Acc"], *BODY]),
        (r"\begin{tabular}{lc}Model & Acc\\\hline\csvreader[head to column names, late after line=\\]{data.csv}{}"
         r"{\name & \acc}\end{tabular}", [["Model", "Acc"], *BODY]),
        (r"\csvreader[tabular=|l|l|,late after line=\\\hline]{data}{}{\thecsvrow & \csvcoliii}",
         [["1", "a, b"], ["2", "50%"], ["3", "c"]]),
        (r"\csvreader[no head,tabular=lll]{data.csv}{}{\csvlinetotablerow}",
         [["name", "acc", "note"], ["base", "71.25", "a, b"], ["large", "75.0", "50%"], ["xl", "77.5", "c"]]),
    ],
)  # fmt: skip
def test_csvreader_sets_a_row_for_each_line(tmp_path: Path, body: str, rows: list[list[str]]) -> None:
    document = read(tmp_path, body)
    assert [table.grid() for table in document.tables] == [rows]
    assert document.missing == ()


def test_separators_and_characters_that_stand_for_themselves(tmp_path: Path) -> None:
    body = r"\csvreader[tabular=ll,separator=semicolon,respect all]{data.csv}{}{\csvcoli & \csvcolii}"
    document = read(tmp_path, body, "a;b\nx_1;50%\n")
    assert [table.grid() for table in document.tables] == [[["x_1", "50%"]]]


@pytest.mark.parametrize(
    "body",
    [
        r"\csvreader[tabular=ll,filter={\equal{\name}{xl}}]{data.csv}{}{\csvcoli & \csvcolii}",
        r"\csvreader[tabular=ll]{data.csv}{nosuchcolumn=\x}{\x & \csvcolii}",
        r"\csvreader[tabular=ll,separator=\x]{data.csv}{}{\csvcoli & \csvcolii}",
        r"\pgfplotstabletypeset[col sep=comma]{data.csv}",
        r"\DTLdisplaydb{data.csv}",
    ],
)
def test_what_is_chosen_or_formatted_by_rules_is_said_to_be_missing(tmp_path: Path, body: str) -> None:
    document = read(tmp_path, body)
    assert document.tables == ()
    assert [(m.kind, m.name) for m in document.missing] == [("table", "data.csv")]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    document = read(tmp_path, r"\csvreader[tabular=ll]{other.csv}{}{\csvcoli & \csvcolii}")
    assert {(m.kind, m.name) for m in document.missing} == {("input", "other.csv"), ("table", "other.csv")}


def test_a_file_of_too_many_cells_is_cut_off(tmp_path: Path) -> None:
    body = r"\csvreader[tabular=ll]{data.csv}{}{\csvcoli & \csvcolii}"
    document = read(tmp_path, body, "a,b\n" + "1,2\n" * 10_001)
    assert document.tables == ()
    assert [(m.kind, m.name) for m in document.missing] == [("limit", "data.csv")]
