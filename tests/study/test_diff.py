"""`mlintern diff`: planted causes are each named, and so is the first step that differs; the exit code says equal."""

import copy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlintern.cli import main
from mlintern.study.verify.bits import ulp_distance
from mlintern.study.verify.differences import differences
from tests import records

LOSSES = np.linspace(2.3, 0.5, 40, dtype=np.float32)


@pytest.fixture
def recorded():
    """A finished run's record."""
    group = {"_target_": "papers.p.modules.MLP", "hidden": 100}
    return {
        "cell_id": "00aa00aa00aa00aa",
        "status": "finished",
        "slug": "arxiv_0000_00000",
        "variant": "mlp",
        "levels": {"data": "digits", "protocol": "clean"},
        "seed": 0,
        "config": {
            "seed": 0,
            "model": group,
            "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.01},
            "scheduler": {"_target_": "s"},
            "loss": {"_target_": "l"},
            "augment": {},
            "method": {"_target_": "m"},
            "metrics": {"accuracy": {"_target_": "a"}},
            "data": {"preprocess": None, "view": None, "classes": 10, "num_workers": 0},
            "trainer": {"max_steps": 40, "batch_size": 100, "devices": 1},
            "protocol": {"name": "clean", "metric": "accuracy"},
            "determinism": {"level": "strict", "threads": 1},
            "logger": {"kind": "none"},
        },
        "overrides": ["model=mlp", "seed=0"],
        "git": {"commit": "1" * 40, "dirty": False, "diff_sha256": None},
        "pack_sha256": "2" * 64,
        "code_sha256": "3" * 64,
        "prepared": {"train": "4" * 64, "test": "5" * 64},
        "data": {"train": "6" * 64, "valid": "7" * 64, "test": "8" * 64},
        "environment": {
            "lock": "cpu.txt",
            "lock_sha256": "9" * 64,
            "drift": [],
            "python": "CPython 3.11.7",
            "platform": "Linux",
            "host": "host-1",
            "cpu": "AMD",
            "gpu": [],
            "threads": 1,
            "torch": {"version": "2.13.0", "cpu_capability": "AVX512"},
            "determinism": {"OMP_NUM_THREADS": "1"},
        },
        "loss_chain_sha256": "a" * 64,
        "weights_sha256": "b" * 64,
        "metrics": {"test": {"accuracy": 0.68}},
        "evaluations": [],
        "selection": {"split": "valid", "metric": "accuracy", "mode": "max", "step": 20, "value": 0.7},
        "message": "",
        "audit": {"sha256": "c" * 64, "clean": True, "acknowledged": []},
    }


def write(folder: Path, run: dict, losses: np.ndarray = LOSSES) -> str:
    folder.mkdir()
    pq.write_table(pa.table({"loss": losses}), folder / "steps.parquet")
    records.write(folder, run)
    return str(folder)


def changed(run: dict, at: list[str], value: object) -> dict:
    """A copy in which one entry is another."""
    other = copy.deepcopy(run)
    place = other
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = value
    return other


DRIFT = [{"package": "numpy", "locked": "2.4.0", "installed": "2.3.5"}]
PLANTED = [
    (["seed"], 1, "seed", "seed", 0, 1),
    (["config", "optimizer", "lr"], 0.02, "config", "optimizer.lr", 0.01, 0.02),
    (["config", "determinism", "threads"], 2, "config", "determinism.threads", 1, 2),
    (["prepared", "test"], "f" * 64, "data", "test part, as prepared", "5" * 64, "f" * 64),
    (["data", "train"], "f" * 64, "data", "train part, as the cell saw it", "6" * 64, "f" * 64),
    (["code_sha256"], "f" * 64, "code", "the pack's Python code", "3" * 64, "f" * 64),
    (["environment", "threads"], 2, "environment", "threads", 1, 2),
    (["environment", "determinism", "MKL_CBWR"], "AVX2", "environment", "MKL_CBWR", "absent", "AVX2"),
    (["environment", "drift"], DRIFT, "environment", "package numpy", "2.4.0", "2.3.5"),
    (["environment", "torch", "cpu_capability"], "AVX2", "environment", "torch cpu_capability", "AVX512", "AVX2"),
    (["environment", "python"], "CPython 3.12.1", "environment", "python", "CPython 3.11.7", "CPython 3.12.1"),
    (["environment", "cpu"], "Intel", "environment", "cpu", "AMD", "Intel"),
    (["git", "commit"], "f" * 40, "git", "commit", "1" * 40, "f" * 40),
    (["git", "diff_sha256"], "f" * 64, "git", "uncommitted changes", "clean", "diff " + "f" * 12),
]


@pytest.mark.parametrize(("at", "value", "kind", "name", "was", "now"), PLANTED, ids=lambda v: str(v)[:24])
def test_a_planted_cause_is_the_one_named(recorded, at, value, kind, name, was, now):
    (found,) = differences(recorded, changed(recorded, at, value))
    assert (found.kind, found.name, found.first, found.second, found.matters) == (kind, name, was, now, True)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (["config", "logger", "kind"], "csv"),
        (["config", "data", "num_workers"], 2),
        (["config", "trainer", "devices"], 2),
        (["overrides"], ["model=mlp"]),
        (["environment", "host"], "host-2"),
    ],
)
def test_what_cannot_change_bits_is_marked(recorded, at, value):
    (found,) = differences(recorded, changed(recorded, at, value))
    assert not found.matters


def test_likeliest_causes_first(recorded):
    other = recorded
    for at, value, *_ in reversed(PLANTED):
        other = changed(other, at, value)
    other = changed(other, ["config", "logger", "kind"], "csv")
    kinds = [difference.kind for difference in differences(recorded, other)]
    order = ["seed", "config", "config", "data", "data", "code", *["environment"] * 6, "git", "git", "config"]
    assert kinds == order


def test_a_package_that_came_back_to_the_lock(recorded):
    drifted = changed(recorded, ["environment", "drift"], DRIFT)
    (found,) = differences(drifted, recorded)
    assert (found.name, found.first, found.second) == ("package numpy", "2.3.5", "2.4.0")
    assert differences(drifted, drifted) == []
    gone = [{**DRIFT[0], "installed": None}]
    (found,) = differences(recorded, changed(recorded, ["environment", "drift"], gone))
    assert found.second == "missing"


def test_equal_runs(recorded, tmp_path, capsys):
    other = changed(recorded, ["config", "logger", "kind"], "csv")
    assert main(["diff", write(tmp_path / "a", recorded), write(tmp_path / "b", other)]) == 0
    out = capsys.readouterr().out
    assert "IDENTICAL" in out
    assert "all 40 common steps agree" in out
    assert "logger.kind" in out
    assert "Likeliest cause" not in out


def test_the_first_step_is_named_with_its_distance(recorded, tmp_path, capsys):
    losses = LOSSES.copy()
    losses[17] = np.nextafter(np.nextafter(losses[17], np.float32(9)), np.float32(9))
    losses[30] = 1.0
    other = changed(recorded, ["environment", "drift"], DRIFT)
    other = {**other, "loss_chain_sha256": "c" * 64, "metrics": {"test": {"accuracy": 0.7}}}
    assert main(["diff", write(tmp_path / "a", recorded), write(tmp_path / "b", other, losses)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "Likeliest cause: environment: package numpy: 2.4.0 | 2.3.5" in out
    assert f"differ from step 17 on: {float(LOSSES[17])!r} | {float(losses[17])!r} (2 ulp apart)" in out
    assert "the 17 steps before agree" in out
    assert "DIFFERENT: loss_chain_sha256, metrics" in out
    assert "+0.02" in out


def test_other_weights_with_nothing_else_different_send_to_verify(recorded, tmp_path, capsys):
    other = {**recorded, "weights_sha256": "c" * 64}
    assert main(["diff", write(tmp_path / "a", recorded), write(tmp_path / "b", other)]) == 1
    assert "mlintern verify" in capsys.readouterr().out


def test_by_id_below_runs_and_mistakes(recorded, tmp_path, capsys):
    slug = tmp_path / recorded["slug"]
    slug.mkdir()
    write(slug / "00aa", recorded)
    write(slug / "11bb", recorded)
    where = ["--runs", str(tmp_path)]
    assert main(["diff", "00", "11", *where]) == 0
    assert main(["diff", "00", "22", *where]) == 2
    assert "22: no finished run of that id" in capsys.readouterr().err
    (slug / "11bb" / "steps.parquet").write_bytes(b"PAR1 not really")
    assert main(["diff", "00", "11", *where]) == 2
    assert "steps.parquet: is not what its record names" in capsys.readouterr().err
    (slug / "11bb" / "steps.parquet").unlink()
    assert main(["diff", "00", "11", *where]) == 2
    assert "copy both" in capsys.readouterr().err


def test_ulp_distance():
    one = np.float32(1.0)
    assert ulp_distance(one, one) == 0
    assert ulp_distance(one, np.nextafter(one, np.float32(2))) == 1
    assert ulp_distance(np.float32(0.0), np.float32(-0.0)) == 0
    assert ulp_distance(np.float32(-1e-45), np.float32(1e-45)) == 2
