"""W&B: one run for each cell, with everything in it, read back with W&B's own format; online, no row twice."""

import json
import os
import sys
import types

import pytest

from mlintern.loggers import LoggerOptions, open_log, tracker
from mlintern.loggers.log import Artifact, Finished
from mlintern.loggers.wandb_process import OpenRuns
from tests.loggers import cells


def ask(folder, mode):
    """The messages that a cell's log sends, collected."""
    log = open_log(LoggerOptions("wandb", "p", mode), cells.STEPS, folder, cells.FACTS)
    sent = []
    log.logger._send = lambda what, **more: sent.append({"do": what, "cell": log.logger.cell, **more})
    return log, sent


def artifact(folder, kind):
    (folder / f"{kind}.json").write_text("{}")
    return Artifact(kind, f"{kind}-local_tiny", [folder / f"{kind}.json"])


@pytest.mark.slow
def test_a_cell_that_was_killed_is_one_offline_run_with_everything_in_it(tmp_path):
    said = []
    cells.write_record(tmp_path)
    run = json.loads((tmp_path / "run.json").read_text())
    for start, stop, kinds in ((0, 45, None), (40, 60, ["audit"]), (0, 60, ["audit", "report"])):
        log = open_log(LoggerOptions("wandb", "p", "offline"), cells.STEPS, tmp_path, cells.FACTS, said.append)
        log.start()
        for event in cells.events(start, stop):
            log.event(event)
        if kinds is None:
            log.close()
            continue
        log.finish(Finished(run, tmp_path, [artifact(tmp_path, kind) for kind in kinds]))
        tracker.close()
        (folder,) = (tmp_path / "wandb").glob("offline-run-*")
        assert said == []
        check_run(folder, kinds)
    assert not list(tmp_path.glob(".wandb*"))


def check_run(folder, kinds):
    (path,) = folder.glob("*.wandb")
    by_kind = {}
    for record in cells.wandb_records(path):
        by_kind.setdefault(record.WhichOneof("record_type"), []).append(record)
    (head,) = [record.run for record in by_kind["run"]]
    assert head.run_id == cells.FACTS["cell_id"]
    assert (head.display_name, head.run_group) == ("net · blobs · clean · norm=none · seed 3", "local_tiny")
    assert set(head.tags) >= {"local_tiny", "net", "norm:none", "audit:findings", "acknowledged:selection_on_test"}
    config = {item.key: json.loads(item.value_json) for item in head.config.update}
    assert (config["seed"], config["model"], config["variant"]) == (3, {"width": 4}, "net")
    rows = {}
    for record in by_kind["history"]:
        row = {(item.key or item.nested_key[0]): json.loads(item.value_json) for item in record.history.item}
        step = row.pop("_step")
        assert step not in rows
        rows[step] = {name: value for name, value in row.items() if not name.startswith("_")}
    assert sorted(rows) == list(range(1, 61))
    assert all((row["loss"], row["lr"]) == (cells.loss_of(step - 1), 0.1) for step, row in rows.items())
    curve = [(step, name) for step, row in rows.items() for name in row if "/" in name]
    assert len(curve) == len(set(curve)) == 12
    assert rows[40]["valid/accuracy"] == 0.4
    summary = {}
    for record in by_kind["summary"]:
        for item in record.summary.update:
            summary[item.key or item.nested_key[0]] = json.loads(item.value_json)
    assert (summary["final/test/accuracy"], summary["selected_step"]) == (0.6, 40)
    assert [record.artifact.type for record in by_kind["artifact"]] == kinds


class Server:
    """What W&B keeps of runs: rows by step, and what a continued run starts from."""

    def __init__(self):
        self.runs = {}
        self.artifacts = []

    def module(self):
        """A stand-in for the library."""
        server = self

        class Run:
            def __init__(self, id):
                self.rows = server.runs.setdefault(id, {})
                self.step = max(self.rows, default=-1) + 1
                self.summary = {}

            def log(self, values, step):
                assert step >= self.step, "W&B leaves out a row of a step that it has"
                assert step not in self.rows
                self.rows[step] = values
                self.step = step + 1

            def log_artifact(self, made):
                server.artifacts.append(made.kind)

            def finish(self, exit_code=0):
                pass

        class Made:
            def __init__(self, name, type):
                self.kind = type

            def add_file(self, path):
                open(path).close()

        return types.SimpleNamespace(
            init=lambda id, **_: Run(id), Settings=lambda **given: given, Artifact=Made, __name__="wandb"
        )


def told(folder, start, stop, saved):
    log, sent = ask(folder, "online")
    log.start()
    for event in cells.events(start, stop, saved):
        log.event(event)
    return log, sent


def test_online_rows_wait_for_a_checkpoint(tmp_path):
    _, sent = told(tmp_path, 0, 45, saved=(10, 30))
    assert [message["do"] for message in sent] == ["open", "rows", "rows"]
    assert [step for message in sent for step, _ in message.get("rows", [])] == list(range(1, 31))  # 40 is not covered
    assert sent[2]["rows"][9] == [
        20,
        {"loss": cells.loss_of(19), "lr": 0.1}
        | {f"{part}/{k}": v for part in ("train", "valid") for k, v in cells.values(20, part).items()},
    ]


def test_online_what_is_behind_a_training_comes_in_stretches_and_in_order(tmp_path):
    log, sent = ask(tmp_path, "online")
    log.start()
    for event in [e for e in cells.events(0, 60) if e["event"] == "evaluated"]:
        log.event(event)
    for first, stop in ((0, 25), (25, 30), (10, 40), (0, 25), (30, 60)):  # one that overlaps, one told twice
        losses = [cells.loss_of(step) for step in range(first, stop)]
        log.saved(stop, first, losses, [0.1] * len(losses))
    steps = [[step for step, _ in message["rows"]] for message in sent[1:]]
    assert steps == [list(range(1, 26)), list(range(26, 31)), list(range(31, 61))]
    rows = {step: row for message in sent[1:] for step, row in message["rows"]}
    assert [step for step, row in rows.items() if "valid/accuracy" in row] == [20, 40, 60]


@pytest.mark.parametrize(
    "sittings",
    [
        [(0, 60, (10, 30))],
        [(0, 45, (10, 30)), (30, 60, (30, 50))],
        [(0, 45, (10, 30)), (0, 25, (5, 15)), (15, 60, (15, 50))],  # a checkpoint was lost: what is there stays
        [(0, 5, ()), (0, 60, ())],
    ],
)
def test_online_a_step_is_sent_once_whatever_was_killed(tmp_path, monkeypatch, sittings):
    server = Server()
    monkeypatch.setitem(sys.modules, "wandb", server.module())
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path))
    run = cells.write_record(tmp_path)
    for number, (start, stop, saved) in enumerate(sittings):
        log, sent = told(tmp_path, start, stop, saved)
        if number == len(sittings) - 1:
            log.finish(Finished(run, tmp_path, [artifact(tmp_path, "audit")]))
        runs = OpenRuns()  # a process that was killed with the command
        for message in json.loads(json.dumps(sent)):
            runs.take(message)
    (rows,) = server.runs.values()
    assert sorted(rows) == list(range(1, 61))
    assert all(row["loss"] == cells.loss_of(step - 1) for step, row in rows.items())
    assert [step for step, row in rows.items() if "valid/accuracy" in row] == [20, 40, 60]
    assert server.artifacts == ["audit"]


def test_the_process_gets_a_key_and_its_end_is_waited_for_but_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "a key")
    said = []
    script = (
        "import os, sys, time; sys.stdin.readline(); print(os.environ['WANDB_API_KEY'], flush=True); time.sleep(60)"
    )
    one = tracker.Tracker(said.append, [sys.executable, "-c", script])
    one.send({"big": "x" * (1 << 20)})  # more than a pipe holds: whoever sends does not wait
    one.close(1.0)
    assert said == ["a key", "logger=wandb: not everything reached W&B; the records have it all"]
    assert not one.alive


def test_what_fails_at_wandb_is_one_line_and_the_record_is_tried_again(tmp_path, monkeypatch, capfd):
    server = Server()
    module = server.module()
    whole = module.init

    def refuse(**_):
        raise RuntimeError("no\nroute")

    module.init = refuse
    monkeypatch.setitem(sys.modules, "wandb", module)
    log, sent = told(tmp_path, 0, 45, saved=(10, 30))
    log.finish(Finished(cells.write_record(tmp_path), tmp_path))
    read, write = os.pipe()
    os.write(write, b"".join(json.dumps(message).encode() + b"\n" for message in sent[:-1]))
    os.close(write)
    monkeypatch.setattr(sys, "stdin", os.fdopen(read))
    from mlintern.loggers import wandb_process

    monkeypatch.setattr(os, "dup2", lambda *_: None)
    wandb_process.main()
    name = "net · blobs · clean · norm=none · seed 3"
    assert capfd.readouterr().out == f"{name}: W&B: RuntimeError: no route; the run goes on without it\n"
    runs = OpenRuns()
    runs.broken.add(cells.FACTS["cell_id"])
    module.init = whole
    runs.take(json.loads(json.dumps(sent[-1])))
    (rows,) = server.runs.values()
    assert sorted(rows) == list(range(1, 61))
