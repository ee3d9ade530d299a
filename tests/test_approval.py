"""An approval is of every file of a pack, and is kept outside it: nothing that comes with a pack approves it."""

import importlib.machinery
import os
import shutil
import subprocess
import sys

import pytest

from mlintern.commands import approve
from mlintern.core.errors import UserError
from mlintern.core.roots import PACKS, ROOT
from mlintern.packs import approval

SLUG = "local_lesion_attention"


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """The user's state folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def pack(tmp_path, monkeypatch):
    """A copy of a pack in a project of its own."""
    folder = tmp_path / "project" / "papers" / SLUG
    shutil.copytree(PACKS / SLUG, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("mlintern.packs.snapshot.project", lambda: tmp_path / "project")
    return folder


def write(path, content="x = 1\n"):
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)


CHANGES = {
    "a file more": lambda pack: write(pack / "evil.py"),
    "an option named like what the tool makes": lambda pack: write(pack / "conf/model/composed.yaml", "_target_: x\n"),
    "a package's first file": lambda pack: write(pack / "__init__.py"),
    "a compiled module in a folder": lambda pack: write(pack / "modules" / "net.so"),
    "a compiled module": lambda pack: write(pack / f"modules{importlib.machinery.EXTENSION_SUFFIXES[0]}"),
    "a cache": lambda pack: write(pack / "__pycache__" / "modules.cpython-311.pyc"),
    "a YAML that changed": lambda pack: write(pack / "conf/data/with_ruler.yaml", "extra: 1\n"),
    "what the tool makes": lambda pack: write(pack / "composed.yaml", "extra: 1\n"),
    "a hidden file": lambda pack: write(pack / ".modules.py"),
    "an empty folder": lambda pack: (pack / "conf" / "loss").mkdir(),
    "a link out of the pack": lambda pack: (pack / "conf" / "more.yaml").symlink_to("/etc/passwd"),
    "a file less": lambda pack: (pack / "provenance.yaml").unlink(),
    "a lock that came with it": lambda pack: write(pack / "pack.lock", "approved_by: maintainers\nfiles: {}\n"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_not_approved(pack, what):
    approve.main([SLUG, "--by", "ada"])
    assert approval.current(pack).by == "ada"
    CHANGES[what](pack)
    assert approval.current(pack) is None
    assert "changed since ada approved it" in approval.said(pack)


def test_a_renamed_file_is_a_change_and_moving_it_back_is_none(pack):
    approve.main([SLUG])
    (pack / "spec.yaml").rename(pack / "spec.yml")
    assert approval.current(pack) is None
    (pack / "spec.yml").rename(pack / "spec.yaml")
    assert approval.current(pack) is not None


def test_nothing_of_it_is_in_the_pack_and_the_folder_is_the_users(pack, state):
    before = sorted(path.name for path in pack.rglob("*"))
    approve.main([SLUG])
    assert sorted(path.name for path in pack.rglob("*")) == before
    assert [path.parent.name for path in state.rglob("*.json")] == [SLUG]


def test_a_lock_that_comes_with_a_pack_approves_nothing(pack):
    write(pack / "pack.lock", "approved_by: maintainers\nfiles: {modules.py: whatever}\n")
    assert approval.current(pack) is None
    with pytest.raises(UserError, match="not approved: 1 finding"):
        approve.main([SLUG])


@pytest.mark.parametrize("what", ["a file more", "a compiled module", "a hidden file", "a link out of the pack"])
def test_what_the_linter_finds_is_not_approved(pack, what, capsys):
    CHANGES[what](pack)
    with pytest.raises(UserError, match="not approved: 1 finding of the linter"):
        approve.main([SLUG])
    assert f"papers/{SLUG}/" in capsys.readouterr().err
    assert approval.current(pack) is None


def test_what_has_changed_since_is_named(pack, capsys):
    approve.main([SLUG, "--by", "ada"])
    with (pack / "modules.py").open("a") as file:
        file.write("# more\n")
    write(pack / "notes.md", "words\n")
    approve.main([SLUG, "--by", "bob"])
    out = capsys.readouterr().out
    assert "approved by bob as it is now" in out and "new notes.md; changed modules.py" in out
    assert "runs in the sandbox all the same" in out


def test_without_an_approval_it_is_of_the_release_or_unread(pack):
    assert "came with this release, unchanged" in approval.said(pack)
    CHANGES["a file more"](pack)
    assert "nobody here has said that they read it" in approval.said(pack)


@pytest.mark.parametrize("slug", ["../main", "a/b", "", ".", "x.y"])
def test_what_is_no_slug_reaches_no_folder(slug):
    with pytest.raises(UserError, match="no slug"):
        approve.main([slug])


def test_the_command_says_what_it_did(state):
    done = subprocess.run(
        [sys.executable, "-m", "mlintern", "approve", SLUG, "--by", "ada"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"papers/{SLUG}: approved by ada as it is now" in done.stdout
    assert str(state) in done.stdout
