"""When prepared data are old: other code of the engine, or other files that they were made from."""

import os

import pytest

from mlintern.engine import source
from mlintern.study import made


@pytest.fixture
def read(tmp_path):
    """A file and a folder of files that data were made from."""
    (tmp_path / "parts").mkdir()
    for name in ("table.csv", "parts/a.csv"):
        (tmp_path / name).write_text("x,y\n1,2\n")
    return [tmp_path / "table.csv", tmp_path / "parts"]


def test_data_of_the_same_code_and_files_are_current(tmp_path, read):
    assert made.is_current(tmp_path, read) is None
    made.note(tmp_path, read)
    assert made.is_current(tmp_path, read) is True


@pytest.mark.parametrize("name", ["table.csv", "parts/a.csv", "parts/new.csv"])
def test_a_file_that_changed_or_came_makes_them_old(tmp_path, read, name):
    made.note(tmp_path, read)
    (tmp_path / name).write_text("x,y\n1,3\n")
    os.utime(tmp_path / name, (1, 1))  # as large as before, and not newer
    assert made.is_current(tmp_path, read) is False


def test_a_file_that_is_gone_does_not(tmp_path, read):
    made.note(tmp_path, read)
    (tmp_path / "parts/a.csv").unlink()
    assert made.is_current(tmp_path, read) is True


def test_other_code_of_the_engine_does(tmp_path, read, monkeypatch):
    made.note(tmp_path, read)
    monkeypatch.setattr(source, "source_hash", lambda: "0" * 64)
    assert made.is_current(tmp_path, read) is False


@pytest.mark.parametrize("text", ["[]", "{}", '{"engine": 3}', '{"engine": "a", "read": []}'])
def test_a_note_that_says_nothing_shows_nothing(tmp_path, text):
    (tmp_path / made.MADE_FILE).write_text(text)
    assert made.is_current(tmp_path) is False
