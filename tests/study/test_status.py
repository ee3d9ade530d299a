"""`mlintern status`: every state a planned cell can be in, read off the disk."""

import fcntl

import pytest

from mlintern.core.errors import UserError
from mlintern.core.records import sealed
from mlintern.study.folders import failures
from mlintern.study.run import status
from mlintern.study.run.budget import write_plan
from tests import records


@pytest.fixture
def folder(tmp_path):
    """A study of five cells, of which one each is finished, diverged, failed, small, and waiting."""
    folder = tmp_path / "runs" / "local_x"
    rows = [
        {"cell_id": f"c{i}", "variant": "net", "levels": {"data": "d", "protocol": "clean", "norm": "none"}, "seed": i}
        for i in range(5)
    ]
    write_plan(
        folder / "study.plan.json",
        rows,
        [{**rows[0], "cell_id": "left"}],
        {f"c{i}": 60.0 for i in range(5)},
        1.0,
        2,
        "hash",
    )
    for name, state in (("c0", "finished"), ("c1", "diverged"), ("small", "finished")):
        run = records.whole(name, status=state, message="no" if state == "diverged" else "")
        records.write(folder / name, run)
    failures.note(folder / "c2", "ValueError: shapes")
    pieces = {"instead": {"shards": 2, "eval_batch_size": 4}, "before": {"shards": 1, "eval_batch_size": 8}}
    sealed.write(folder / "c3" / "out_of_memory.json", {"cell_id": "small", "message": "", **pieces})
    return folder


def said(folder, capsys):
    code = status.main(["local_x", "--runs", str(folder.parent)])
    return code, capsys.readouterr().out


def test_every_state_is_told(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out = said(folder, capsys)
    assert code == 1
    assert "5 cells planned: 2 finished, 1 diverged, 1 failed, 1 waiting, 1 left out for the budget" in out
    assert "net · d · clean · norm=none · seed 2: failed: ValueError: shapes" in out
    assert "about 30 s left (nothing is running; the same command continues)" in out


def test_a_locked_cell_is_running(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (folder / "c4").mkdir()
    with open(folder / "c4" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, out = said(folder, capsys)
    assert "1 running" in out
    assert "about 30 s left (1 at a time)" in out
    assert "1 waiting" in said(folder, capsys)[1]


def test_complete_is_zero(folder, capsys):
    failures.forget(folder / "c2")
    for name in ("c2", "c4"):
        records.write(folder / name)
    code, out = said(folder, capsys)
    assert code == 0
    assert "nothing is left to do" in out


def test_a_paper_without_a_study_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no study was started"):
        status.main(["local_y", "--runs", str(tmp_path)])
