"""When prepared data are old: other code of the engine, or other files that they were made from."""

import os
import threading

import numpy as np
import pytest

from mlintern.core.errors import Damaged, UserError
from mlintern.core.turns import alone
from mlintern.data import prepare
from mlintern.engine import source
from mlintern.study.folders import made


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


def test_an_edit_that_puts_size_and_time_back_does_too(tmp_path, read):
    made.note(tmp_path, read)
    before = read[0].stat()
    read[0].write_text("x,y\n1,3\n")
    os.utime(read[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert made.is_current(tmp_path, read) is False


def test_a_file_that_is_gone_does_not(tmp_path, read):
    made.note(tmp_path, read)
    (tmp_path / "parts/a.csv").unlink()
    assert made.is_current(tmp_path, read) is True


def test_other_code_of_the_engine_does(tmp_path, read, monkeypatch):
    made.note(tmp_path, read)
    monkeypatch.setattr(source, "source_hash", lambda: "0" * 64)
    assert made.is_current(tmp_path, read) is False


def test_a_link_is_no_note(tmp_path, read):
    (tmp_path / "elsewhere").mkdir()
    made.note(tmp_path / "elsewhere", read)
    (tmp_path / made.MADE_FILE).symlink_to(tmp_path / "elsewhere" / made.MADE_FILE)
    with pytest.raises(Damaged, match=r"made\.json: a link, not a file"):
        made.is_current(tmp_path, read)
    (tmp_path / made.MADE_FILE).unlink()
    (tmp_path / made.MADE_FILE).symlink_to(tmp_path / "nowhere")
    with pytest.raises(Damaged, match=r"made\.json: a link, not a file"):
        made.is_current(tmp_path, read)


@pytest.mark.parametrize("text", ["[]", "{}", '{"engine": 3}', '{"engine": "a", "read": []}'])
def test_a_note_that_says_nothing_shows_nothing(tmp_path, text):
    (tmp_path / made.MADE_FILE).write_text(text)
    assert made.is_current(tmp_path) is False


def dataset(folder, **more):
    """A prepared dataset, as its source may have left it: with what `more` makes beside it."""
    draw = np.random.default_rng(0)
    parts = {n: {"features": draw.normal(size=(6, 2)), "labels": np.arange(6) % 2} for n in ("train", "test")}
    prepare.prepare(lambda: parts, folder)
    for name, make in more.items():
        make(folder / name)
    return folder


def tree(path):
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "file").write_text("x")


def test_what_a_source_leaves_beside_its_data_goes(tmp_path):
    (tmp_path / "outside").write_text("stays")
    kinds = {
        "file": lambda path: path.write_text("x"),
        "audit.json": lambda path: path.write_text("{}"),
        "valid.npz": lambda path: path.write_bytes(b"declared by nobody"),
        ".hidden": tree,
        "pipe": os.mkfifo,
        "link": lambda path: path.symlink_to(tmp_path / "outside"),
        "folder_link": lambda path: path.symlink_to(tmp_path),
    }
    folder = dataset(tmp_path / "data", **kinds)
    assert made.tidy(folder, whole=True) == sorted(kinds)
    assert sorted(os.listdir(folder)) == ["dataset.json", "test.npz", "train.npz"]
    assert (tmp_path / "outside").read_text() == "stays"
    prepare.load_parts(folder)


def test_after_a_source_that_failed_what_was_there_before_stays(tmp_path):
    folder = dataset(tmp_path / "data", file=lambda path: path.write_text("x"))
    made.note(folder)
    assert made.tidy(folder, whole=False) == ["file"]
    assert sorted(os.listdir(folder)) == ["dataset.json", "made.json", "test.npz", "train.npz"]


def test_what_cannot_be_removed_is_one_line(tmp_path, monkeypatch):
    folder = dataset(tmp_path / "data", deep=tree)

    def never(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("shutil.rmtree", never)
    with pytest.raises(UserError, match=r"data: code of the pack left 'deep' there \(a tree too deep\); remove"):
        made.tidy(folder, whole=True)


def test_commands_that_make_something_in_one_folder_take_turns(tmp_path):
    said, order = [], []
    held = threading.Event()

    def second():
        with alone(tmp_path, lambda: (said.append(1), held.set())):
            order.append("second")

    with alone(tmp_path, lambda: said.append(0)):
        thread = threading.Thread(target=second)
        thread.start()
        assert held.wait(20)
        order.append("first")
    thread.join(20)
    assert (order, said) == (["first", "second"], [1])
