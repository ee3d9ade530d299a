"""Files of other kinds than arXiv's: a reader is one file, and everything else asks the room."""

from dataclasses import replace

import pytest

from mlintern.core.errors import UserError
from mlintern.paper import command, readers
from mlintern.paper.ids import LOCAL_SUFFIXES, PaperId
from mlintern.paper.read import read

PAGE = "<html><body><h1>A title</h1><p>We train for 100 steps.</p><img src='figure.png' alt='curve'></body></html>"


def test_a_document_that_was_read_is_read_again(tmp_path):
    (tmp_path / "page.html").write_text(PAGE)
    out = tmp_path / "draft.JSON"
    assert command.main([str(tmp_path / "page.html"), "--out", str(out)]) == 0
    first, again = read(tmp_path / "page.html"), read(out)
    assert again.road == "html"
    bare = tuple(replace(figure, pixels=()) for figure in first.figures)
    assert replace(again, metadata={}) == replace(first, metadata={}, figures=bare)
    assert PaperId.parse(str(out)).slug == "local_draft"


def test_a_json_that_is_no_document_is_one_line(tmp_path):
    (tmp_path / "draft.json").write_text("{}")
    with pytest.raises(UserError, match=r"draft\.json: .*write it again with `mlintern read`"):
        read(tmp_path / "draft.json")


def test_what_no_reader_reads_is_told_what_they_do(tmp_path):
    (tmp_path / "draft.docx").write_text("x")
    with pytest.raises(UserError, match=r"cannot read this kind of file; .*\.json"):
        read(tmp_path / "draft.docx")


def test_no_two_readers_take_one_kind_of_file():
    assert len(set(LOCAL_SUFFIXES)) == len(LOCAL_SUFFIXES)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in readers.SUFFIXES)
