"""A cell that cannot be built ends as one line that names the key, before anything is trained or written."""

import numpy as np
import pytest

from mlintern.config import Composer
from mlintern.core.errors import UserError
from mlintern.data.splits import Examples, Splits
from mlintern.engine import rows
from mlintern.engine.loop import Loop
from mlintern.engine.training import BuiltCell


@pytest.fixture(scope="module")
def splits():
    features = np.random.RandomState(0).randn(60, 40).astype(np.float32)
    everyone = Examples(ids=np.array([f"row-{i}" for i in range(60)]), features=features, labels=np.arange(60) % 10)
    parts = [everyone.take(np.arange(at, at + 20)) for at in (0, 20, 40)]
    return Splits("small", *parts, preprocessor=None, fit_on=("train",), classes=10)


def loop(splits, *overrides):
    """The loop of a logistic regression on 20 rows with these overrides."""
    with Composer("arxiv_2011_14439") as composer:
        config, _ = composer.compose(["model=logistic", "determinism=fast", "trainer.batch_size=20", *overrides])
    cell = BuiltCell(config, *rows.seen(config, splits))
    return cell, Loop(cell.fabric, cell.module, cell.feed, lambda step: {"valid": cell.score("valid", step)}, cell.plan)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("+optimizer.foreach=true", "optimizer: torch.optim.Adam cannot be built (RuntimeError: `fused` and `foreach`"),
        ("optimizer.betas=[0.9]", "optimizer.betas=[0.9]: must be two numbers"),
        ("trainer.batch_size=21", "trainer.batch_size=21: there are 20 training rows"),
        ("protocol.metric=colour", "protocol.metric=colour: choose accuracy, loss"),
    ],
)
def test_what_cannot_be_built_is_named(splits, override, says):
    with pytest.raises(UserError) as refused:
        loop(splits, override)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_gpu_that_is_not_there(splits, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="trainer.accelerator=cuda: torch finds no CUDA device"):
        loop(splits, "trainer=gpu")


def test_a_checkpoint_can_be_chosen_on_the_loss(splits):
    _, running = loop(
        splits, "protocol.metric=loss", "protocol.mode=min", "trainer.max_steps=30", "trainer.eval_every=1"
    )
    state = running.run()
    losses = {row["step"]: row["loss"] for row in state.history if row["split"] == "valid"}
    assert state.best == min(losses.values())
    assert losses[state.selected_step] == state.best
