"""A cell's life on the host: its lock, and what it refuses of what a training left."""

import fcntl
import json
import os
import types
from pathlib import Path

import pytest

from mlintern.core.errors import UserError
from mlintern.engine import told as telling
from mlintern.engine.assemble import contradictions
from mlintern.study.folders.locks import LOCK_FILE
from mlintern.study.run import life, readings_of_test
from mlintern.study.run.life import TICK, Life, Work
from mlintern.study.run.tabled import Tabled
from mlintern.study.workers.pool import Event, Pool, Task
from tests import configs

AS_PUBLISHED = {
    "trainer": {"max_steps": 40, "eval_every": 20},
    "protocol": {"name": "as_published", "select_on": "test", "metric": "accuracy"},
}
CONFIG = configs.config(**AS_PUBLISHED)
VALID = configs.config(**AS_PUBLISHED | {"protocol": {"name": "as_published"}})
TOLD = telling.Told(40, 20, 0.5, [{"step": 20, "split": "valid", "loss": 1.0}], "ab" * 32, 0.1, 5, 7, [])


def test_a_cell_in_other_hands_is_waited_for_and_not_trained_again(tmp_path, monkeypatch):
    folder = tmp_path / "cell"
    folder.mkdir()
    with open(folder / LOCK_FILE, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        tabled = Tabled("key", life.Path(), {}, {}, {}, False)
        one = Life(Work("cell", CONFIG, folder, tabled, tmp_path, {}), Pool(1, {}), None)
        one.start()
        one.take(TICK)
        assert [(event.kind, event.task.name) for event in one.told] == [("waiting", "cell")]
        assert one.over is None and one.waits_for_lock
    monkeypatch.setattr(life, "is_finished", lambda folder: True)  # what the other process leaves
    one.take(TICK)
    assert one.over.kind == "done" and one.over.result == {"status": "finished elsewhere"}  # type: ignore[attr-defined]


def test_a_cell_that_failed_stays_so_whatever_comes_after(tmp_path):
    """The answer to another question of its may come in the same turn as what ended it."""
    tabled = Tabled("key", life.Path(), {}, {}, {}, False)
    one = Life(Work("cell", CONFIG, tmp_path / "cell", tabled, tmp_path, {}), Pool(1, {}), None)

    def failing():
        yield
        raise life.Failed("failed", "outputs: they break off")

    one._steps = failing()
    one.start()
    one.take(TICK)
    one.take(TICK)
    assert (one.over.kind, one.over.message) == ("failed", "outputs: they break off")


def test_what_a_training_tells_is_read_back(tmp_path):
    TOLD.write(tmp_path)
    assert telling.read(tmp_path) == TOLD
    shaky = telling.dataclasses.replace(TOLD, history=[{"step": 20, "split": "valid", "loss": float("inf")}])
    shaky.write(tmp_path)
    assert telling.read(tmp_path) == shaky


@pytest.mark.parametrize(
    "changed",
    [
        {"value": "nan"},
        {"value": True},
        {"steps": -1},
        {"steps": 1 << 70},
        {"parameters": "7"},
        {"wall_s": "inf"},
        {"loss_chain_sha256": "x"},
        {"history": [{"step": 20, "split": "test", "loss": 1.0}]},
        {"history": [{"step": 20, "split": "valid", "loss": [1.0]}]},
        {"history": {}},
        {"probes": [1]},
        {"more": 1},
    ],
)
def test_what_is_no_telling_is_refused(tmp_path, changed):
    path = tmp_path / telling.TOLD_FILE
    path.write_text(json.dumps({**telling.plain(TOLD), **changed}))
    with pytest.raises(UserError, match="not what a training tells"):
        telling.read(tmp_path)


def test_looks_at_test_are_the_protocols_and_counted(tmp_path):
    assert readings_of_test.checked(20, "a", [], CONFIG) == 20
    for step in (0, 7, 41, 60, "20", True, None, 20.0):
        with pytest.raises(UserError, match="none of its evaluations"):
            readings_of_test.checked(step, "a", [], CONFIG)
    readings_of_test.note(tmp_path, readings_of_test.Reading(20, "a", {"step": 20, "split": "test", "accuracy": 0.5}))
    readings_of_test.note(tmp_path, readings_of_test.Reading(20, "a", {}))
    looks = readings_of_test.read(tmp_path)
    assert [(look.step, look.weights) for look in looks] == [(20, "a")]
    assert readings_of_test.checked(20, "a", looks, CONFIG) == 20
    with pytest.raises(UserError, match="scored on test before, with other weights"):
        readings_of_test.checked(20, "b", looks, CONFIG)
    with pytest.raises(UserError, match="never chooses on"):
        readings_of_test.checked(20, "a", [], VALID)


def test_a_ledger_that_is_off_is_named(tmp_path: Path):
    for line in ("[1]", "5", "null", '{"step": null, "weights": "a", "row": {}}', "[" * 5000, "{"):
        (tmp_path / readings_of_test.READINGS_FILE).write_text(f"{line}\n")
        with pytest.raises(UserError, match="not readable"):
            readings_of_test.read(tmp_path)


@pytest.mark.timeout(20)
def test_a_list_of_looks_that_is_no_file_is_one_line(tmp_path):
    os.mkfifo(tmp_path / readings_of_test.READINGS_FILE)
    with pytest.raises(UserError, match="a pipe, not a file; delete the cell's folder"):
        readings_of_test.read(tmp_path)


def test_what_is_not_finite_contradicts_and_is_written():
    scored = {"valid": {"loss": float("nan")}, "test": {}}
    found = contradictions(TOLD, scored, VALID)
    assert found == [{"part": "valid", "name": "loss", "told": 1.0, "computed": None}]
    assert contradictions(TOLD, {"valid": {"loss": 1.0}}, CONFIG) == []
    assert contradictions(TOLD, {"valid": {"loss": 1.0 + 1e-7}}, CONFIG) != []
    loose = configs.config(determinism={"level": "fast"}, **AS_PUBLISHED)
    assert contradictions(TOLD, {"valid": {"loss": 1.0 + 1e-7}}, loose) == []


class Asked:
    """A question that is answered once its frames have ended."""

    writing = 0
    answer: dict | None = None
    error = None

    def close(self):
        pass


def test_what_a_model_warns_of_while_it_predicts_is_told_of_the_cell(tmp_path, monkeypatch):
    asked = Asked()
    pool, desk = Pool(1, {}), types.SimpleNamespace(ask=lambda *_, **__: asked)
    desk.ended = lambda question: setattr(question, "answer", {"metrics": {}})
    monkeypatch.setattr(pool, "add", lambda *_, **__: None)
    tabled = Tabled("key", life.Path(), {}, {}, {}, False)
    one = Life(Work("cell", CONFIG, tmp_path, tabled, tmp_path, {}), pool, desk)
    steps = one._asked("predict", {}, "score", {})
    next(steps)
    (task,) = [item for item in one.concerns if isinstance(item, Task)]
    steps.send(Event("warning", task, message="a broadcast"))
    with pytest.raises(StopIteration):
        steps.send(Event("done", task))
    assert [(event.kind, event.task, event.message) for event in one.told] == [("warning", one.task, "a broadcast")]


def test_losses_are_counted_before_they_are_read(tmp_path: Path):
    """A small file of repeated values may claim to be more than the trusted process holds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mlintern.core.records import packed

    path = tmp_path / "steps.parquet"
    pq.write_table(pa.table({"loss": pa.nulls(1 << 22, pa.float32())}), path)
    packed.check_rows(path, 1 << 22, "run again")
    with pytest.raises(UserError, match="has 4,194,304 rows, where 2 are expected"):
        packed.check_rows(path, 2, "run again")
    path.write_bytes(b"PAR1" + b"\xff" * 64 + b"PAR1")
    with pytest.raises(UserError, match="not readable as a table"):
        packed.check_rows(path, 2, "run again")
