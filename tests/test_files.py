"""Drafts that nobody can guess, and files that somebody else put there: nothing outside changes, nothing hangs."""

import errno
import hashlib
import json
import os
import resource
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlintern.core import files, plain
from mlintern.core.errors import Absent, Damaged, UserError

MOST = 1 << 16
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
def victim(tmp_path):
    """A file of the host's, outside of what a sandbox writes."""
    path = tmp_path / "victim"
    path.write_bytes(b"mine")
    return path


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def plant(kind, path, victim):
    """Something at `path` that is no plain file."""
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "dangling link":
        path.symlink_to(victim.with_name("not there"))
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path must be short
        try:
            socket.socket(socket.AF_UNIX).bind(path.name)
        finally:
            os.chdir(here)
    elif kind == "device":
        path.symlink_to("/dev/zero")


KINDS = ("link", "dangling link", "pipe", "folder", "socket", "device")


def test_planted_links_under_every_name_that_could_be_guessed_change_nothing_outside(place, victim):
    for pid in range(1, 3000):
        (place / f"..writable.{pid}.tmp").symlink_to(victim)
        (place / f".run.json.{pid}.tmp").symlink_to(victim)
    for pid in (os.getpid(),):
        for name in (f"..writable.{pid}.tmp", f".run.json.{pid}.tmp"):
            if not (place / name).is_symlink():
                (place / name).symlink_to(victim)
    (place / ".writable").symlink_to(victim)
    files.make_writable(place)
    files.write_json(place / "run.json", {"a": 1})
    assert victim.read_bytes() == b"mine"
    assert (place / ".writable").is_symlink()
    assert files.read_json(place / "run.json") == {"a": 1}


@pytest.mark.parametrize("write", ["text", "path"])
def test_a_link_at_the_name_itself_is_replaced_and_not_followed(place, victim, write):
    target = place / "run.json"
    target.symlink_to(victim)
    if write == "text":
        files.write_text(target, "new")
    else:
        with files.atomic_path(target) as draft:
            draft.write_text("new")
    assert victim.read_bytes() == b"mine"
    assert not target.is_symlink()
    assert target.read_text() == "new"


def test_a_hard_link_at_the_name_is_replaced_and_its_file_kept(place, victim):
    os.link(victim, place / "run.json")
    files.write_text(place / "run.json", "new")
    assert victim.read_bytes() == b"mine"


def test_a_folder_that_became_a_link_is_not_written_through(place, victim, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (place / "cell").symlink_to(outside)
    with pytest.raises(UserError, match="a link stands where a folder is meant"):
        files.write_json(place / "cell" / "run.json", {}, below=place)
    with pytest.raises(UserError, match="a link stands"):
        files.remove_drafts(place / "cell", below=place)
    assert not list(outside.iterdir())
    files.write_json(place / "cell" / "note.json", {})  # the user's own link, above what a sandbox writes
    assert (outside / "note.json").is_file()


def test_no_way_up_out_of_a_folder(place):
    with pytest.raises(UserError, match="cannot write"):
        files.write_json(place / "a" / ".." / ".." / "run.json", {}, below=place)


def test_a_draft_that_was_swapped_is_not_renamed(place, victim):
    def swap():
        with files.atomic_path(place / "a") as draft:
            draft.unlink()
            draft.symlink_to(victim)

    with pytest.raises(UserError, match="replaced by another program"):
        swap()
    assert not (place / "a").exists()
    assert victim.read_bytes() == b"mine"


def test_a_failed_write_leaves_nothing(place):
    def fail():
        with files.atomic_file(place / "a") as draft:
            draft.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(place.iterdir())


def test_drafts_of_killed_writers_go_and_nothing_else(place, victim):
    ours = [place / f".{'0' * 32}.tmp", place / ".tmpRx1Mnq"]
    for path in ours:
        path.write_text("half")
    kept = [place / ".mine.tmp", place / ".run.json.12.tmp", place / ".tmp"]
    for path in kept:
        path.write_text("not ours")
    for number, kind in enumerate(KINDS):
        plant(kind, place / f".{number:032x}.tmp", victim) if number else None
    files.remove_drafts(place)
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in kept)
    assert victim.read_bytes() == b"mine"
    files.remove_drafts(place / "not there")


def test_a_name_with_a_new_line_and_other_letters_is_one_line_and_works(tmp_path):
    folder = tmp_path / "rüns\n of 研究"
    files.write_json(folder / "run.json", {"a": "ü"})
    assert files.read_json(folder / "run.json") == {"a": "ü"}
    (folder / "run.json").write_text("[")
    with pytest.raises(UserError) as told:
        files.read_json(folder / "run.json")
    assert "\n" not in str(told.value)


def test_half_a_character_in_a_message_is_written_as_something_readable(place):
    files.write_json(place / "failed.json", {"message": "\udc80"})
    assert files.read_json(place / "failed.json") == {"message": "?"}


def test_a_file_that_is_too_large_for_the_disk_is_one_line_and_leaves_the_old_one(place):
    files.write_text(place / "a", "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(UserError, match="cannot write .*/a: the file would be larger than allowed"):
            files.write_text(place / "a", "x" * (1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in place.iterdir()] == ["a"]
    assert (place / "a").read_text() == "old"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_is_named_and_never_waited_for(place, victim, kind):
    path = place / "run.json"
    plant(kind, path, victim)
    with pytest.raises(Damaged, match=r"run\.json: (a link|a pipe|a folder|a socket), not a file; remove it"):
        plain.read_plain(path, MOST)
    with pytest.raises(Damaged, match=r"run\.json"):
        files.copy_sealed(path, place / "copy", MOST)
    assert not (place / "copy").exists()


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device", "dangling link"])
def test_what_a_user_names_may_be_a_link_but_only_to_a_file(place, victim, kind):
    path = place / "run.json"
    plant(kind, path, victim)
    with pytest.raises(UserError, match=r"run\.json"):
        files.read_json(path)
    victim.write_text("{}")
    (place / "link").symlink_to(victim)
    assert files.read_json(place / "link") == {}


def test_a_link_that_takes_the_place_of_a_file_while_it_is_opened_is_not_followed(place, victim, monkeypatch):
    path = place / "run.json"
    path.write_text("[]")
    opened = os.open

    def swap(name, flags, *more, **options):
        path.unlink()
        path.symlink_to(victim)
        return opened(name, flags, *more, **options)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(Damaged, match="cannot be read"):
        plain.read_plain(path, MOST)


def test_another_file_that_takes_its_place_while_it_is_opened_is_refused(place, victim, monkeypatch):
    path = place / "run.json"
    path.write_text("[]")
    opened = os.open

    def swap(name, flags, *more, **options):
        os.replace(victim, path)
        return opened(name, flags, *more, **options)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(Damaged, match="was replaced while it was opened"):
        plain.read_plain(path, MOST)


def test_a_copy_has_the_hash_of_what_was_copied(place):
    content = os.urandom(3 << 20)
    (place / "work").write_bytes(content)
    found = files.copy_sealed(place / "work", place / "cell" / "weights", 4 << 20, below=place)
    assert found == hashlib.sha256(content).hexdigest() == files.sha256_file(place / "cell" / "weights")


def test_a_copy_is_of_a_file_with_one_name_and_of_the_size_expected(place, victim):
    os.link(victim, place / "work")
    with pytest.raises(Damaged, match="another name elsewhere"):
        files.copy_sealed(place / "work", place / "weights", MOST)
    with open(place / "sparse", "wb") as sparse:
        sparse.truncate(1 << 40)
    with pytest.raises(Damaged, match="where at most"):
        files.copy_sealed(place / "sparse", place / "weights", MOST)
    assert not (place / "weights").exists()


def test_a_file_that_grows_while_it_is_copied_ends(place, monkeypatch):
    path = place / "work"
    path.write_bytes(b"x" * 10)
    read = files._read

    def growing(handle, name):
        with open(path, "ab") as more:
            more.write(b"x" * MOST)
        return read(handle, name)

    monkeypatch.setattr(files, "_read", growing)
    with pytest.raises(Damaged, match="grew to more than"):
        files.copy_sealed(path, place / "weights", MOST)
    assert not (place / "weights").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff{}", b"[NaN]", b"[-Infinity]", b"[" * 100_000, b"[" * 200 + b"]" * 200, b'{"a":' * 50_000,
     b'["\\ud800"]', b"1" * 5000, b"\x00", b"{}{}"],
)  # fmt: skip
def test_json_that_is_none_is_one_line(place, content):
    path = place / "run.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"run\.json: not readable as JSON \(.*\); delete it and run again"):
        files.read_json(path)


@given(JSON)
def test_json_comes_back_as_it_was_written(value):
    content = json.dumps(value).encode()
    try:
        assert plain.parse_json(content, "x") == value
    except Damaged:
        assert "\\ud" in content.decode()  # half of a surrogate pair


def test_a_missing_file_is_told_from_a_damaged_one(place):
    with pytest.raises(Absent, match="no such file"):
        files.read_json(place / "run.json")


def test_two_writers_of_one_file_leave_one_whole(place):
    """Two commands at the same time: each draft is its own."""
    texts = ["a" * 100_000, "b" * 100_000]
    writers = [
        threading.Thread(target=lambda t=t: [files.write_text(place / "f", t) for _ in range(20)]) for t in texts
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (place / "f").read_text() in texts
    assert [path.name for path in place.iterdir()] == ["f"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.EROFS, "read-only"), (errno.ENOSPC, "the disk is full"), (errno.EACCES, "no permission to write there")],
)
def test_a_folder_that_cannot_be_written_is_one_line(place, monkeypatch, number, reason):
    opened = os.open

    def refused(name, flags, *more, **options):
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return opened(name, flags, *more, **options)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(UserError, match=f"cannot write .*{reason}"):
        files.make_writable(place / "cell")


@pytest.mark.parametrize("plant", [os.symlink, os.link])
def test_even_a_name_that_was_guessed_is_not_opened(place, victim, monkeypatch, plant):
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "guessed")
    plant(victim, place / ".guessed.tmp")
    with pytest.raises(UserError, match="cannot write"):
        files.write_text(place / "run.json", "new")
    assert victim.read_bytes() == b"mine"


def test_reading_asks_for_the_memory_that_the_file_takes_and_not_for_the_bound(place):
    (place / "small").write_text("{}")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (64 << 30, before[1]))
    try:
        assert plain.read_plain(place / "small", 1 << 50) == b"{}"
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
