"""A number out of its range, or in another unit, ends as one line before data are prepared: key, value, fix."""

import math

import pytest
from rich.console import Console

from hydra_plugins.mlintern.joblib_launcher import JoblibLauncher
from mlintern.config import Composer, ranges
from mlintern.core import roots
from mlintern.core.errors import UserError
from mlintern.core.ranges import Range
from mlintern.engine import schedules
from mlintern.study.sweeps import search

STEPS = ["scheduler=step_decay", "trainer.max_steps=60"]
COSINE = ["scheduler=warmup_cosine", "trainer.max_steps=60"]


@pytest.fixture(scope="module")
def compose():
    with Composer("arxiv_2011_14439") as composer:
        yield lambda overrides: composer.compose(["model=logistic", *overrides])[0]


def refusal(compose, overrides):
    """The line that a cell with these overrides ends in."""
    with pytest.raises(UserError) as refused:
        ranges.check_cell(compose(overrides))
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        # a share where steps are meant, and steps that do not come
        ([*COSINE, "scheduler.warmup_steps=0.1"], "scheduler.warmup_steps=0.1: must be a whole number at least 0; it"),
        ([*COSINE, "scheduler.warmup_steps=true"], "scheduler.warmup_steps=True: must be a whole number"),
        ([*COSINE, "scheduler.warmup_steps=-5"], "scheduler.warmup_steps=-5: must be a whole number at least 0"),
        ([*COSINE, "scheduler.warmup_steps=100"], "scheduler.warmup_steps=100: training ends at trainer.max_steps=60"),
        ([*COSINE, "scheduler.final=1.5"], "scheduler.final=1.5: must be a number at least 0 and at most 1; it is"),
        ([*COSINE, "scheduler.final=-0.1"], "scheduler.final=-0.1: must be a number at least 0"),
        ([*STEPS, "scheduler.milestones=[0.5,0.75]"], "scheduler.milestones=[0.5, 0.75]: 0.5 must be a whole number"),
        ([*STEPS, "scheduler.milestones=[30,60]"], "scheduler.milestones=[30, 60]: 60 is not reached, for training"),
        ([*STEPS, "scheduler.milestones=[0,30]"], "scheduler.milestones=[0, 30]: 0 must be a whole number at least 1"),
        ([*STEPS, "scheduler.milestones=30"], "scheduler.milestones=30: must be a list of steps"),
        ([*STEPS, "scheduler.milestones=[]"], "scheduler.milestones=[]: must be a list of steps"),
        (
            [*STEPS, "scheduler.milestones=[30]", "scheduler.gamma=10"],
            "scheduler.gamma=10: must be a number above 0 and",
        ),
        ([*STEPS, "scheduler.milestones=[30]", "scheduler.gamma=0"], "scheduler.gamma=0: must be a number above 0"),
        (["+scheduler.warmup=3"], "scheduler: mlintern.engine.schedules.Constant cannot be built (Constant() takes no"),
        # methods, losses, augmentations
        (["method=mixup", "method.alpha=0"], "method.alpha=0: must be a number above 0"),
        (["method=mixup", "method.alpha=-1"], "method.alpha=-1: must be a number above 0"),
        (["loss.label_smoothing=1.5"], "loss.label_smoothing=1.5: must be a number at least 0 and below 1"),
        (["loss.label_smoothing=-0.1"], "loss.label_smoothing=-0.1: must be a number at least 0"),
        (["augment=gaussian_noise", "augment.scale=-1"], "augment.scale=-1: must be a number at least 0"),
        (["augment=circular_shift", "augment.limit=0.1"], "augment.limit=0.1: must be a whole number at least 0; it"),
        # optimizers
        (["optimizer.lr=-0.1"], "optimizer.lr=-0.1: must be a number above 0 and at most 1000"),
        (["optimizer.lr=0"], "optimizer.lr=0: must be a number above 0"),
        (["optimizer.lr=1e8"], "optimizer.lr=100000000.0: must be a number above 0 and at most 1000"),
        (["optimizer.lr=abc"], "optimizer.lr=abc: must be a number"),
        (["optimizer.betas=[0.9,1.0]"], "optimizer.betas=[0.9, 1.0]: must be two numbers at least 0 and below 1"),
        (["optimizer.betas=0.9"], "optimizer.betas=0.9: must be two numbers"),
        (["optimizer.weight_decay=-0.1"], "optimizer.weight_decay=-0.1: must be a number at least 0"),
        (["optimizer=sgd", "optimizer.momentum=9"], "optimizer.momentum=9: must be a number at least 0 and below 1"),
        (
            ["optimizer=adamw", "optimizer.lr=0.1", "optimizer.weight_decay=10"],
            "optimizer.weight_decay=10: with optimizer.lr=0.1 each step takes all of a weight, and more; give less",
        ),
        # trainer, data, protocol and the rest
        (["trainer.clip_norm=-1"], "trainer.clip_norm=-1.0: must be a number above 0; null for no clipping"),
        (["trainer.clip_norm=inf"], "trainer.clip_norm=inf: must be a finite number"),
        (["trainer.batch_size=100", "data.train_size=50"], "trainer.batch_size=100: data.train_size=50 leaves fewer"),
        (["data.train_size=0.5"], "data.train_size=0.5: must be a whole number at least 1; null for all examples"),
        (
            ["data.label_noise={fraction: 15}"],
            "data.label_noise.fraction=15.0: must be a number at least 0 and",
        ),
        (["protocol.valid_fraction=10"], "protocol.valid_fraction=10.0: must be a number at least 0 and below 1"),
        (["protocol.split_seed=-1"], "protocol.split_seed=-1: must be a whole number at least 0"),
        (["study.budget_hours=inf"], "study.budget_hours=inf: must be a finite number"),
        (["run.checkpoint_seconds=inf"], "run.checkpoint_seconds=inf: must be a finite number"),
        (["optimizer.betas=[0.9]"], "optimizer.betas=[0.9]: must be two numbers"),
        (["+loss.weight=[1.0,-2.0]"], "loss.weight=[1.0, -2.0]: must be a list of numbers at least 0, not all"),
        (["+loss.pos_weight=[0.0]"], "loss.pos_weight=[0.0]: must be a list of numbers at least 0, not all"),
        (["+loss.weight=3"], "loss.weight=3: must be a list of numbers"),
        (["audit.horizon=-1"], "audit.horizon=-1.0: must be a number at least 0"),
    ],
)
def test_one_line_before_anything_runs(compose, overrides, says):
    assert refusal(compose, overrides).startswith(says)


@pytest.mark.parametrize(
    "overrides",
    [
        [*COSINE, "scheduler.warmup_steps=60"],
        [*COSINE, "scheduler.warmup_steps=0", "scheduler.final=1"],
        [*STEPS, "scheduler.milestones=[45,30]", "scheduler.gamma=1"],
        ["method=mixup", "method.alpha=1"],
        ["optimizer=sgd", "optimizer.lr=1000", "optimizer.momentum=0.99"],
        ["augment=circular_shift", "augment.limit=0"],
        ["data.train_size=4000", "trainer.batch_size=4000"],
    ],
)
def test_the_ends_of_a_range_are_in_it(compose, overrides):
    ranges.check_cell(compose(overrides))


def test_an_evaluation_that_never_comes_is_said(compose):
    config = compose(["trainer.max_steps=60", "trainer.eval_every=100"])
    assert ranges.notes(config) == ["trainer.eval_every=100 is beyond trainer.max_steps=60: evaluated at the end only"]
    assert ranges.notes(compose(["trainer.max_steps=60", "trainer.eval_every=60"])) == []


class Ends:
    """A pack's schedule that knows how long it takes."""

    def __init__(self, factors):
        self.factors = factors

    def factor(self, step, max_steps):
        return self.factors[step]


@pytest.mark.parametrize(
    ("factors", "says"),
    [
        ([1.0, -0.5, 1.0], "scheduler: Ends gives the factor -0.5 at step 1 of trainer.max_steps=3"),
        ([1.0, 1.0, math.nan], "scheduler: Ends gives the factor nan at step 2"),
        ([1.0, 1.0], "scheduler: Ends fails at step 2 of trainer.max_steps=3 (IndexError"),
        ([1.0, None, 1.0], "scheduler: Ends fails at step 1 of trainer.max_steps=3 (TypeError"),
    ],
)
def test_every_factor_of_a_schedule_is_looked_at_before_the_first_step(factors, says):
    with pytest.raises(UserError) as refused:
        schedules.check_factors(Ends(factors), 3)
    assert str(refused.value).startswith(says)
    schedules.check_factors(Ends([1.0, 0.0, 2.0]), 3)


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ((0, 1, 0), "hydra.sweeper.n_trials=0: must be"),
        ((5, 0.5, 0), "hydra.sweeper.n_jobs=0.5"),
        ((5, 1, -1), "seed=-1"),
    ],
)
def test_a_search_counts_its_trials(numbers, says):
    with pytest.raises(UserError) as refused:
        search.run("arxiv_2011_14439", ["optimizer.lr=0.1,0.2"], lambda *_: [], *numbers, Console())  # type: ignore[call-arg]
    assert says in str(refused.value)


def test_joblib_has_one_process_at_least():
    with pytest.raises(UserError, match="hydra.launcher.n_jobs=0: must be at least 1"):
        JoblibLauncher(n_jobs=0).launch([["seed=0"]], 0)


def test_a_range_in_words():
    assert Range(0, 1, open_low=True).words() == "a number above 0 and at most 1"
    assert Range(whole=True).words() == "a whole number"
    assert not Range().holds(math.inf)
    assert not Range().holds(None)


OPTIONS = {
    group.name: sorted(path.stem for path in group.glob("*.yaml"))
    for group in roots.CONF.iterdir()
    if group.is_dir() and group.name not in ("hydra", "model", "probe", "sandbox")
}


@pytest.mark.parametrize("turn", range(max(map(len, OPTIONS.values()))))
def test_every_option_that_ships_runs_with_the_lengths_that_ship(compose, turn):
    said = [f"{group}={names[turn % len(names)]}" for group, names in OPTIONS.items()]
    found = compose([*said, "trainer.max_steps=1000", "trainer.batch_size=100"])
    ranges.check_cell(found)


@pytest.mark.parametrize("max_steps", [1, 2, 3, 40, 1000])
def test_a_schedule_of_steps_fits_any_length_by_itself(max_steps):
    schedule = schedules.StepDecay()
    schedules.check_factors(schedule, max_steps)
    assert schedule.factor(0, max_steps) == 1.0
    if max_steps == 40:
        assert [schedule.factor(step, 40) for step in (19, 20, 29, 30)] == pytest.approx([1, 0.1, 0.1, 0.01])
