"""A study runs from a snapshot: what is edited while it runs changes no later cell, and is named."""

import json
import os
import shutil
import time

import pytest

from mlintern.core.errors import UserError
from mlintern.packs import snapshot
from mlintern.study.verify import command
from tests import records
from tests.study import tiny

SLUG = tiny.SLUG
TWO = ["-m", tiny.PAPER, "model=net", "data=blobs", "seed=0,1", "trainer.max_steps=400"]


@pytest.fixture
def project(tmp_path):
    """The project's folders with a small file each, and a pack."""
    folder = tiny.write_pack(tmp_path / "project")
    for name in ("mlintern/__init__.py", "mlintern/engine/cell.py", "conf/config.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("# a\n")
    return folder


def take(project):
    return snapshot.take(project, [SLUG], project / "runs" / snapshot.STORE)


def test_equal_states_share_one_and_others_do_not(project):
    first = take(project)
    assert take(project) == first
    assert (first / "papers" / SLUG / "modules.py").read_text() == tiny.MODULES
    for name in ("mlintern/engine/cell.py", "conf/config.yaml", f"papers/{SLUG}/modules.py", f"papers/{SLUG}/new.npy"):
        with (project / name).open("a") as file:
            file.write("# b\n")
        assert take(project) != first
        first = take(project)


def test_a_disk_that_is_full_half_way_leaves_no_half_of_one(project, small_disk):
    (project / "conf" / "large.yaml").write_text("#" * (3 << 20))
    store = small_disk(1) / snapshot.STORE
    with pytest.raises(UserError, match="the disk is full; free some space"):
        snapshot.take(project, [SLUG], store)
    assert list(store.iterdir()) == []


def test_what_a_killed_command_left_half_written_goes(project):
    place = take(project)
    old, new = (place.with_name(f".abc.{number}.tmp") for number in (1, 2))
    for draft in (old, new):
        draft.mkdir()
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    take(project)
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda place: shutil.rmtree(place / "papers"),
        lambda place: (place / "mlintern/engine/cell.py").unlink(),
        lambda place: (place / "mlintern/engine/cell.py").write_text("# other\n"),
        lambda place: (place / "mlintern/random.py").write_text("# planted\n"),
        lambda place: (place / "mlintern/planted").symlink_to("/tmp"),
        lambda place: (place / snapshot.NOTE_FILE).write_text("{"),
        lambda place: (shutil.rmtree(place), place.write_text("a file")),
    ],
)
def test_what_is_not_whole_is_built_anew(project, spoil):
    place = take(project)
    spoil(place)
    assert take(project) == place
    assert (place / "mlintern/engine/cell.py").read_text() == "# a\n"
    assert sorted(path.name for path in (place / "mlintern").iterdir()) == ["__init__.py", "engine"]
    assert (place / "papers" / SLUG / "modules.py").read_text() == tiny.MODULES
    assert json.loads((place / snapshot.NOTE_FILE).read_text())["project"] == str(project)


def test_bytecode_of_a_pack_is_not_in_it(project):
    planted = project / "papers" / SLUG / "__pycache__" / "modules.cpython-311.pyc"
    planted.parent.mkdir()
    planted.write_bytes(b"planted")
    place = take(project)
    assert not list((place / "papers").rglob("*.pyc"))
    (place / "papers" / SLUG / "__pycache__").mkdir()
    assert take(project) == place
    assert not (place / "papers" / SLUG / "__pycache__").exists()


def test_a_link_in_a_pack_is_one_line(project):
    (project / "papers" / SLUG / "helpers.py").symlink_to("/etc/hostname")
    with pytest.raises(UserError, match=f"papers/{SLUG}/helpers.py: is a link"):
        take(project)


def test_where_it_cannot_be_written_is_one_line(project):
    (project / "runs").write_text("a file")
    with pytest.raises(UserError, match="cannot write"):
        take(project)


def test_old_ones_go_but_not_those_that_a_command_holds(project):
    import fcntl

    held = take(project)
    with open(held / snapshot.LOCK_FILE, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        made = []
        for i in range(snapshot.KEPT + 3):
            (project / "conf/config.yaml").write_text(f"n: {i}\n")
            made.append(take(project))
            os.utime(made[-1], (i, i))
        there = {path for path in held.parent.iterdir() if not path.name.startswith(".")}
    assert held in there
    assert made[-1] in there
    assert made[0] not in there
    assert len(there) <= snapshot.KEPT + 2


def test_an_edit_between_two_cells_changes_nothing_and_is_named(tmp_path):
    folder = tiny.project(tmp_path / "edited")
    process = tiny.start(folder, *TWO)
    deadline = time.monotonic() + 200
    while not list(folder.glob("runs/*/*/run.json")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # the pack would fail, the engine as well, and the configuration would give another cell
    modules = folder / "papers" / SLUG / "modules.py"
    modules.write_text(
        modules.read_text().replace("return self.head(", "raise ValueError('edited')\n        return self.head(")
    )
    (folder / "mlintern/engine/cell.py").write_text("raise ValueError('edited')\n")
    conf = folder / "papers" / SLUG / "conf/paper" / f"{SLUG}.yaml"
    conf.write_text(conf.read_text().replace("lr: 0.01", "lr: 0.5"))
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0, out
    records = tiny.records(folder)
    assert len(records) == 2
    assert {run["config"]["optimizer"]["lr"] for run in records.values()} == {0.01}
    assert "changed while the study ran; the cells ran the state of its start" in out
    assert "mlintern/engine/cell.py" in out
    assert f"papers/{SLUG}/modules.py" in out

    undisturbed = tiny.project(tmp_path / "undisturbed")
    again = tiny.run(undisturbed, *TWO)
    assert tiny.bits(undisturbed) == tiny.bits(folder)
    assert "changed while" not in again


def test_verify_runs_from_a_snapshot_too_where_one_can_be_made(tmp_path, monkeypatch, capsys):
    run, asked = records.whole("00aa", slug="local_x"), []
    records.write(tmp_path / "runs" / "local_x" / "00aa", run)
    (tmp_path / "papers" / "local_x").mkdir(parents=True)
    (tmp_path / "papers" / "local_x" / "modules.py").write_text("")
    monkeypatch.setattr(snapshot, "ROOT", tmp_path)
    monkeypatch.setattr(snapshot, "enter", lambda *given: asked.append(given))
    same = command.Comparison(command.Losses(4, None), True, True)

    def edited(*_):
        (tmp_path / "papers" / "local_x" / "modules.py").write_text("x = 1")
        return same

    monkeypatch.setattr(command, "verify", edited)
    monkeypatch.chdir(tmp_path)
    argv = [str(tmp_path / "runs" / "local_x" / "00aa"), "--runs", str(tmp_path / "runs")]
    assert command.main(argv) == 0
    assert asked == [(["local_x"], tmp_path / "runs", "mlintern", ["verify", *argv])]
    assert "papers/local_x/modules.py changed while the study ran" in " ".join(capsys.readouterr().out.split())

    def refuse(*_):
        raise UserError("cannot write runs")

    monkeypatch.setattr(snapshot, "enter", refuse)
    assert command.main(argv) == 0
    assert "cannot write runs. Going on from the code as it is" in " ".join(capsys.readouterr().out.split())
