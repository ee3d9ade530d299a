"""A study's logs by the real command: rows once after kill -9, one run at W&B, and no key anywhere but there."""

import csv
import os
import signal
import time

import pytest

from tests.loggers import cells
from tests.study import tiny

CELL = [tiny.PAPER, "model=plain", "seed=0", "trainer.eval_every=500", "trainer.max_steps=4000"]

SPY = '''

class Spy(Net):
    """Looks for keys."""

    def __init__(self, width: int = 4):
        super().__init__(width=width)
        import os

        if found := [name for name in os.environ if "KEY" in name or "TOKEN" in name]:
            raise RuntimeError(f"found {found}")
'''


def killed_and_run_again(folder, *logger):
    """One cell, killed with its workers once a checkpoint is there, and run again; its folder."""
    process = tiny.start(folder, *CELL, *logger)
    deadline = time.monotonic() + 120
    while not list(folder.glob("runs/*/*/**/checkpoint.safetensors")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    assert process.poll() is None, "it was over before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    tiny.run(folder, *CELL, *logger)
    (path,) = (folder / "runs").glob("*/*/run.json")
    return path.parent


def curve(run):
    return [
        (row["step"], f"{row['split']}/{name}")
        for row in run["evaluations"]
        for name in row
        if name not in ("step", "split")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("logger", ["csv", "tensorboard", "wandb"])
def test_a_cell_that_was_killed_is_logged_once(tmp_path, logger):
    folder = killed_and_run_again(tiny.project(tmp_path), f"logger={logger}")
    (run,) = tiny.records(tmp_path).values()
    expected = curve(run)
    assert len(expected) == 8 * 2 * 2
    if logger == "csv":
        with open(folder / "curve.csv", newline="") as handle:
            assert [(int(step), name) for step, name, _ in list(csv.reader(handle))[1:]] == expected
    elif logger == "tensorboard":
        (path,) = (folder / "tensorboard").iterdir()
        found = [(step, name) for name, step, _ in cells.scalars(path)]
        assert [row for row in found if row[1].startswith(("train/", "valid/"))] == expected
        assert len(found) == len(set(found))
    else:
        (path,) = (folder / "wandb").glob("offline-run-*/*.wandb")
        rows = [record.history for record in cells.wandb_records(path) if record.WhichOneof("record_type") == "history"]
        names = [[item.key or item.nested_key[0] for item in row.item] for row in rows]
        assert len(rows) == 4000
        assert sum(name.startswith(("train/", "valid/")) for row in names for name in row) == len(expected)


@pytest.mark.slow
def test_a_study_has_its_report_at_wandb_and_its_workers_no_key(tmp_path):
    folder = tiny.project(tmp_path, "    - {model: [spy], data: [blobs]}\n", code=SPY)
    (folder / "papers" / tiny.SLUG / "conf" / "model" / "spy.yaml").write_text(
        "_target_: papers.local_tiny.modules.Spy\n"
    )
    keys = {"WANDB_API_KEY": "0123456789abcdef" * 3, "ANTHROPIC_API_KEY": "secret", "HF_TOKEN": "secret"}
    tiny.run(folder, tiny.PAPER, "logger=wandb", "study.design=none", **keys)
    kinds = []
    for path in sorted((folder / "runs").glob("*/*/wandb/offline-run-*/*.wandb")):
        found = list(cells.wandb_records(path))
        (head,) = [record.run for record in found if record.WhichOneof("record_type") == "run"]
        assert head.run_id == path.parents[2].name
        assert head.run_group == tiny.SLUG
        kinds.append([r.artifact.type for r in found if r.WhichOneof("record_type") == "artifact"])
    assert sorted(kinds) == [["audit"], ["audit", "report"]]
