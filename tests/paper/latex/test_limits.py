"""Sources that are larger or deeper than any paper: bounded, and what is not read is said."""

from pathlib import Path

import pytest

from mlintern.paper.document.document import Document
from mlintern.paper.latex.read import read_latex
from mlintern.paper.latex.state import PaperState
from mlintern.paper.latex.typesetting.setting import MAX_DEPTH


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
