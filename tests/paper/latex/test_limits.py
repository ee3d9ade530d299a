# ruff: noqa: E501  LaTeX fixtures read better unbroken
"""Sources that are larger or deeper than any paper: bounded, and what is not read is said."""

import tracemalloc
from pathlib import Path

import pytest

from mlintern.paper.document.document import Document
from mlintern.paper.latex.read import read_latex
from mlintern.paper.latex.source.input import WORK, WORK_PER_CHARACTER
from mlintern.paper.latex.state import PaperState
from mlintern.paper.latex.typesetting.setting import MAX_DEPTH
from tests.paper.work import calls_in


def read(folder: Path, body: str, before: str = "") -> Document:
    source = "\\documentclass{article}" + before + "\\begin{document}" + body + "\\end{document}"
    (folder / "main.tex").write_text(source)
    return read_latex(folder / "main.tex")


def test_a_footnote_of_a_footnote_of_a_footnote_is_kept(tmp_path: Path) -> None:
    document = read(tmp_path, "Text\\footnote{one\\footnote{two\\footnote{three\\footnote{four}}}}.")
    notes = [document.text[b.start : b.end] for b in document.blocks if b.kind == "footnote"]
    assert notes == ["one", "two", "three", "four"]
    assert document.missing == ()


def test_footnotes_without_end_are_said(tmp_path: Path) -> None:
    depth = MAX_DEPTH + 20
    document = read(tmp_path, "\\footnote{x" * depth + "}" * depth)
    assert [m.kind for m in document.missing] == ["limit"]


def test_a_macro_whose_budget_is_used_up_counts_as_endless_and_not_as_undefined(tmp_path: Path) -> None:
    laughs = "\\newcommand{\\la}{lol }"
    for this, last in zip("bcdefghijklmnopqrstu", "abcdefghijklmnopqrst", strict=True):
        laughs += f"\\newcommand{{\\l{this}}}{{" + f"\\l{last} " * 10 + "}"
    document = read(tmp_path, "Before.\n\n" + "\\lu\n\n" * 25 + "After.", laughs)
    assert document.text.startswith("Before.")
    assert document.text.endswith("After.")
    assert [(m.kind, m.why.startswith("it expands without end")) for m in document.missing] == [("limit", True)]


def test_a_package_that_loads_itself_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_files: list[str] = []
    style_file = PaperState._style_file
    monkeypatch.setattr(PaperState, "_style_file", lambda self, name: (read_files.append(name), style_file(self, name)))
    (tmp_path / "own.sty").write_text("\\usepackage{own}" * 20 + "\\newcommand{\\own}{kept}")
    assert read(tmp_path, "\\own", "\\usepackage{own}" * 3).text == "kept"
    assert read_files == ["own.sty"]


def test_files_included_over_and_over_end_where_the_limit_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlintern.paper.latex.state.MAX_LOADED", 100)
    (tmp_path / "a.tex").write_text("word " * 10)
    document = read(tmp_path, "\\input{a}" * 5)
    assert document.text.split() == ["word"] * 20
    assert [(m.kind, m.name) for m in document.missing] == [("limit", "a")]


def test_primitives_that_wait_for_each_other_without_end_are_said(tmp_path: Path) -> None:
    document = read(tmp_path, "Before. " + "\\csname" * 3000 + " x")
    assert document.text == "Before."
    assert [m.kind for m in document.missing] == ["limit"]


def test_equal_headings_and_formulas_have_ids_of_their_own(tmp_path: Path) -> None:
    document = read(tmp_path, "\\section*{A}x\\[y=1\\]" * 1000)
    for parts in (document.sections, document.equations):
        assert len({part.id for part in parts}) == len(parts) == 1000
    assert [s.id for s in document.sections[:3]] == ["section-a", "section-a-2", "section-a-3"]
    assert all(a.end <= b.start for a, b in zip(document.sections, document.sections[1:], strict=False))


CALLS_PER_TOKEN = 30
ENDLESS = {
    "many endless macros": "".join(f"\\def\\{c}{{{c}\\{c}\\{c}}}" for c in "qwertyuiop")
    + "\\q\\w\\e\\r\\t\\y\\u\\i\\o\\p" * 30,
    "macros that open tables": "\\begin{tabular}{c}\\def\\y#1.{\\begin{tabular}{lcr}\\y\\x}\\y\\x" * 10,
    "macros that double their arguments": "\\def\\y#1#2{\\y{#1#1}{#2#1}}"
    + "\\y{a}{b} \\begin{tabular}{c}\\y ab\\end{tabular}" * 20,
    "ends of environments": "\\newenvironment{e}{}{\\begin{e}\\end{e}\\begin{e}\\end{e}}" + "\\begin{e}\\end{e}" * 20,
    "ends of environments in a table": "\\newenvironment{e}{}{\\begin{e}\\end{e}\\begin{e}\\end{e}}\\begin{tabular}{c}\\begin{e}\\end{e}\\end{tabular}",
    "bodies of environments": "\\NewEnviron{e}{\\begin{e}\\BODY\\BODY\\end{e}}\\begin{e}a\\end{e}" * 5,
    "loops in loops": "\\foreach \\a in {1,...,1000}{\\foreach \\b in {1,...,1000}{\\a\\b}}" * 3,
    "branches in branches": "\\ifstrempty{}{" * 500,
    "brackets": "\\sqrt[" * 500,
    "scripts of commands": "^\\textbf{" * 500,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDLESS)
def test_the_work_is_bounded_by_the_length_of_the_source(tmp_path: Path, name: str) -> None:
    """All endless calls have one budget together, in calls of Python's functions and not in seconds."""
    source = ENDLESS[name]
    calls = calls_in(lambda: read(tmp_path, source + " the rest"))
    assert calls < CALLS_PER_TOKEN * (WORK + WORK_PER_CHARACTER * len(source))


def test_what_stands_behind_endless_macros_is_read(tmp_path: Path) -> None:
    """Ten of them use up the budget: macros are inert from there on, and tables are read as ever."""
    table = (
        "\\begin{table}\\caption{C}\\label{t}\\begin{tabular}{lc}a & 1.5 \\\\ \\hline b & 2.5\\end{tabular}\\end{table}"
    )
    document = read(tmp_path, ENDLESS["many endless macros"] + "\n\n" + table + "\n\nThe end.")
    assert [t.grid() for t in document.tables] == [[["a", "1.5"], ["b", "2.5"]]]
    assert document.text.endswith("The end.")
    assert [m.kind for m in document.missing] == ["limit"]


def test_a_few_endless_macros_leave_the_others_their_meaning(tmp_path: Path) -> None:
    document = read(tmp_path, "\\a\\b\n\n\\c", "\\def\\a{\\a\\a}\\def\\b{x\\b}\\def\\c{kept}")
    assert document.text.endswith("kept")


@pytest.mark.parametrize(
    "source",
    [
        "\\newcommand{\\x}[²]{a}\\newcolumntype{Q}[999999999]{c}\\begin{tabular}{*{²}{c}Q{}}a&b\\end{tabular}",
        "\\setcounter{a}{-\n\n5}\\num{1e" + "9" * 6000 + "}\\ifthenelse{" + "9" * 6000 + ">1}{a}{b}",
        "\\sisetup{round-mode=places,round-precision=40}\\num{" + "1" * 40 + "}",
        "\\newtheorem{t}{T}[s]\\newtheorem{s}{S}[t]\\begin{t}x\\end{t}",
        '\\char"D800 x',
    ],
    ids=["counts", "digits", "rounding", "counters in a circle", "half a character"],
)
def test_numbers_that_are_none_end_nothing(tmp_path: Path, source: str) -> None:
    document = read(tmp_path, source + " the rest")
    assert document.text.endswith("the rest")
    assert document.to_json().encode()


def test_spans_of_many_columns_take_no_place_for_each_position(tmp_path: Path) -> None:
    """Twelve thousand characters that span thirty million positions."""
    wide = "\\multirow{250}{*}{\\multicolumn{500}{c}{x}}&" * 240
    source = "\\begin{tabular}{c}" + wide + "\\\\" + "&\\\\" * 250 + "\\end{tabular}"
    tracemalloc.start()
    try:
        read(tmp_path, source)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_a_bibliography_that_asks_for_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "main.bbl").write_text(
        "\\begin{thebibliography}{9}\\bibitem{a}One.\\bibliography{x}\\end{thebibliography}"
    )
    assert read(tmp_path, "\\bibliography{x}").references


def test_a_style_that_redefines_sizes_and_the_abstract_is_no_endless_one(tmp_path: Path) -> None:
    style = "\\def\\large{\\@setsize\\large{14pt}\\xiipt\\@xiipt}\\renewenvironment{abstract}{\\large Abstract:}{}"
    (tmp_path / "own.sty").write_text(style)
    document = read(tmp_path, "\\begin{abstract}\\large We show.\\end{abstract} Text.", "\\usepackage{own}")
    assert document.abstract == "We show."
    assert not [m for m in document.missing if m.kind == "limit"]
