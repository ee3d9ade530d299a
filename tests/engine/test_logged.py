"""A training that was killed is logged as one that was not, and a logger changes no bit of it."""

import csv
import itertools
import os
import signal

import numpy as np
import pyarrow.parquet as pq
import pytest

from mlintern.config import Composer
from mlintern.core.errors import Interrupted
from mlintern.data.splits import Examples, Splits
from mlintern.engine import rows as engine_rows
from mlintern.engine.cell import run_cell
from mlintern.engine.training import train
from tests.loggers import cells

SHORT = ["model=logistic", "determinism=fast", "trainer.batch_size=20", "trainer.max_steps=60", "trainer.eval_every=20"]
SAVED = "run.checkpoint_seconds=0"
RARELY = "run.checkpoint_seconds=1000"


@pytest.fixture(scope="module")
def splits():
    features = np.random.RandomState(0).randn(60, 40).astype(np.float32)
    everyone = Examples(ids=np.array([f"row-{i}" for i in range(60)]), features=features, labels=np.arange(60) % 10)
    parts = [everyone.take(np.arange(at, at + 20)) for at in (0, 20, 40)]
    return Splits("small", *parts, preprocessor=None, fit_on=("train",), classes=10)


def rows_of(splits):
    """What training sees."""
    return {name: part for name, part in engine_rows.of_splits(splits).items() if name != "test"}


def compose(*overrides):
    with Composer("arxiv_2011_14439") as composer:
        return composer.compose([*SHORT, *overrides])[0]


def killed_at(step, config, splits, folder):
    """Train in a process that is killed at a step."""
    pid = os.fork()
    if pid == 0:
        run_cell(config, splits, folder, {}, lambda at: os.kill(os.getpid(), signal.SIGKILL) if at == step else None)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


def rows(folder):
    with open(folder / "curve.csv", newline="") as handle:
        return [tuple(line) for line in csv.reader(handle)][1:]


@pytest.mark.parametrize(("cadence", "kills"), [(SAVED, [45]), (RARELY, [45]), (SAVED, [25, 45, 59])])
@pytest.mark.parametrize("logger", ["csv", "tensorboard"])
def test_rows_are_there_once_after_kills(tmp_path, splits, logger, cadence, kills):
    config = compose(f"logger={logger}", cadence)
    for step in kills:
        killed_at(step, config, splits, tmp_path / "killed")
    run = run_cell(config, splits, tmp_path / "killed", {})
    plain = run_cell(compose("logger=none"), splits, tmp_path / "plain", {})
    names = ("loss_chain_sha256", "weights_sha256", "evaluations", "metrics", "selection")
    assert [run[name] for name in names] == [plain[name] for name in names]
    curve = [
        (str(row["step"]), f"{row['split']}/{name}", repr(value))
        for row in run["evaluations"]
        for name, value in row.items()
        if name not in ("step", "split")
    ]
    assert len(curve) == 12
    if logger == "csv":
        assert rows(tmp_path / "killed") == curve
        assert len((tmp_path / "killed" / "steps.csv").read_text().splitlines()) == 61
    else:
        (path,) = (tmp_path / "killed" / "tensorboard").iterdir()
        found = [(str(step), name) for name, step, _ in cells.scalars(path) if name.startswith(("train/", "valid/"))]
        assert found == [row[:2] for row in curve]


def test_training_that_goes_on_tells_what_is_behind_it(tmp_path, splits):
    """The curve grows row by row, and after an interruption it is whole at once."""
    config = compose("logger=csv", RARELY)
    at = [0]
    with pytest.raises(Interrupted):
        run_cell(config, splits, tmp_path, {}, lambda step: at.__setitem__(0, step), lambda: at[0] >= 45)
    seen = []
    run_cell(config, splits, tmp_path, {}, lambda step: seen.append((step, len(rows(tmp_path)))))
    assert seen == [(step, 4 * (step // 20)) for step in range(46, 61)]


def test_steps_are_told_in_pieces_once_each(tmp_path, splits, monkeypatch):
    """What W&B gets while training goes on: every step before a checkpoint, again from the start after a kill."""
    monkeypatch.setattr("mlintern.engine.training.STEPS_AT_ONCE", 7)
    config, parts = compose(RARELY), rows_of(splits)
    at, told = [0], []

    def saved(step, first, losses, lrs):
        assert step == first + len(losses)
        assert len(losses) == len(lrs) <= 7
        told.append((first, losses, lrs))

    options = {"on_progress": lambda step: at.__setitem__(0, step), "on_saved": saved}
    with pytest.raises(Interrupted):
        train(config, parts, tmp_path, should_stop=lambda: at[0] >= 45, **options)
    assert told[0][0] == 0
    assert all(a + len(losses) == b for (a, losses, _), (b, *_) in itertools.pairwise(told))
    told.clear()
    train(config, parts, tmp_path, **options)
    first = told[:7]
    assert [piece[0] for piece in first] == [0, 7, 14, 21, 28, 35, 42]  # all that the checkpoint covers
    steps = pq.read_table(tmp_path / "steps.parquet").to_pydict()
    assert [loss for _, losses, _ in first for loss in losses] == steps["loss"][:45]
    assert [lr for *_, lrs in first for lr in lrs] == steps["lr"][:45]
