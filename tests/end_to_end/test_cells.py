"""Single cells from the command line: the same bits after kills, with other workers, loggers and seeds' siblings."""

import json
import shutil
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from mlintern.core.records.record import seal
from mlintern.core.roots import ROOT
from tests.end_to_end.runs import PAPER, SLUG, bits, kill, records, run, start, wait_for

SHORT = ["trainer.max_steps=400", "trainer.eval_every=100"]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """An MLP of 400 steps, uninterrupted: its folder and record."""
    folder = tmp_path_factory.mktemp("reference")
    out = run(folder, PAPER, "model=mlp", "seed=0", *SHORT)
    assert "test: accuracy" in out
    (record,) = records(folder)
    return folder, record


def test_the_record_is_complete(reference):
    folder, record = reference
    assert record["status"] == "finished"
    assert record["variant"] == "mlp"
    assert record["levels"] == {"data": "mnist1d", "protocol": "clean"}
    assert record["seed"] == 0
    assert record["test_readings"] == 1
    assert len(record["audit"]["sha256"]) == 64
    assert record["audit"]["acknowledged"] == []
    assert set(record["metrics"]) == {"train", "valid", "test"}
    assert {row["split"] for row in record["evaluations"]} == {"train", "valid"}
    assert record["environment"]["determinism"]
    cell = folder / "runs" / SLUG / record["cell_id"]
    assert pq.read_table(cell / "steps.parquet").num_rows == 400
    predictions = pq.read_table(cell / "predictions.parquet").to_pydict()
    assert len(predictions["id"]) == 1000
    assert sum(predictions["accuracy"]) / 1000 == pytest.approx(record["metrics"]["test"]["accuracy"])
    assert (cell / "weights.safetensors").exists()
    assert not list(cell.glob("*.tmp")), "nothing half-written is left"
    assert not (cell / "work").exists()


def test_a_finished_cell_is_not_trained_again(reference):
    folder, record = reference
    out = run(folder, PAPER, "model=mlp", "seed=0", *SHORT, "data.num_workers=2", "logger=csv")
    assert "finished already" in out
    assert records(folder) == [record]


def test_kill_and_control_c_lose_nothing(reference, tmp_path):
    """kill -9 of the command in mid-training, then Ctrl-C, then the end: the bits of an uninterrupted run."""
    argv = [
        PAPER,
        "model=mlp",
        "seed=0",
        *SHORT,
        "run.checkpoint_seconds=0",
        "data.num_workers=1",
        "logger=tensorboard",
    ]
    cells = tmp_path / "runs" / SLUG

    def training():
        return any(cells.glob("*/work/checkpoint.safetensors")) or any(cells.glob("*/run.json"))

    process = start(tmp_path, *argv)
    wait_for(training)
    kill(process)
    assert records(tmp_path) == [], "killed before the end, or the test shows nothing"
    sittings = len(list(cells.glob("*/tensorboard/*")))
    process = start(tmp_path, *argv)
    wait_for(lambda: len(list(cells.glob("*/tensorboard/*"))) > sittings)  # it has gone on from the checkpoint
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode in (130, 0), out
    run(tmp_path, *argv)
    (record,) = records(tmp_path)
    assert bits(record) == bits(reference[1])


def test_multirun_is_one_cell_per_job(reference, tmp_path):
    out = run(tmp_path, "-m", PAPER, "model=logistic,mlp", "seed=0,1", *SHORT)
    assert out.count("Record:") == 4
    found = records(tmp_path)
    assert [(r["variant"], r["seed"]) for r in found] == [("logistic", 0), ("logistic", 1), ("mlp", 0), ("mlp", 1)]
    assert bits(found[2]) == bits(reference[1])
    assert bits(found[2])[2] != bits(found[3])[2]


def test_a_leaking_protocol_is_refused_and_its_mark_carried(tmp_path):
    argv = [PAPER, "model=logistic", "protocol=as_published", *SHORT]
    out = run(tmp_path, *argv, code=1)
    assert "training refused" in out
    assert "preprocessing_scope" in out
    assert "selection_on_test" in out
    assert records(tmp_path) == []
    run(tmp_path, *argv, "audit.acknowledge=[preprocessing_scope,selection_on_test]")
    (record,) = records(tmp_path)
    assert record["audit"]["acknowledged"] == ["preprocessing_scope", "selection_on_test"]
    assert record["test_readings"] == 4
    assert not record["audit"]["clean"]


def test_corrupt_data_are_named_and_nothing_is_trained(reference, tmp_path):
    folder, _ = reference
    (test_part,) = (folder / "data" / SLUG).glob("*/test.npz")
    content = test_part.read_bytes()
    (tmp_path / "data").symlink_to(folder / "data")
    try:
        test_part.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
        out = run(tmp_path, PAPER, "model=mlp", "seed=5", *SHORT, code=2)
    finally:
        test_part.write_bytes(content)
    assert "test.npz" in out
    assert "delete it and run again" in out
    assert "Traceback" not in out
    assert records(tmp_path) == []


def test_config_is_shown_without_running(tmp_path):
    out = run(tmp_path, PAPER, "model=gru", "--cfg", "job")
    assert "modules.GRU" in out
    assert not (tmp_path / "runs").exists()


def test_verify_says_identical_and_names_what_changed(reference, tmp_path):
    folder, record = reference
    where = ["--runs", str(folder / "runs"), "--data", str(folder / "data")]

    def verify(*argv, code=0):
        process = subprocess.run(
            [sys.executable, "-m", "mlintern", "verify", *argv, *where],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert process.returncode == code, process.stdout + process.stderr
        return process.stdout + process.stderr

    assert "IDENTICAL: 400 losses, and the chosen weights" in verify(record["cell_id"][:8])
    copy = tmp_path / record["cell_id"]
    shutil.copytree(folder / "runs" / SLUG / record["cell_id"], copy)
    changed = {
        **record,
        "config": {**record["config"], "seed": 1},
        "prepared": {**record["prepared"], "test": "0" * 64},
    }
    (copy / "run.json").write_text(json.dumps(seal(changed, copy)))
    out = verify(str(copy), "--steps", "3", code=1)
    assert "Not as recorded: data: test part, as prepared" in out
    assert "DIFFERENT from step 0 on" in out
    assert "no finished run" in verify("0000", code=2)
