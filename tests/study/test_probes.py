"""Blocks of the grid with values of their own, and sensitivity cells for what is unsaid."""

import dataclasses

import pytest

from mlintern.config import Composer
from mlintern.core.errors import UserError
from mlintern.core.schema import FreeGroup
from mlintern.plan import cell_plan
from mlintern.plan.grid import study_cells

SLUG = "arxiv_2011_14439"


@pytest.fixture(scope="module")
def composer():
    with Composer(SLUG) as composer:
        yield composer


def grid(blocks):
    """A composer whose paper has this grid."""

    class Changed:
        slug = SLUG

        def __init__(self, inner):
            self.inner, self.folder = inner, inner.folder

        def compose(self, overrides):
            config, choices = self.inner.compose(overrides)
            return dataclasses.replace(config, paper=FreeGroup({**config.paper, "grid": blocks})), choices

    return Changed


def test_a_block_sets_values_for_its_cells_alone(composer):
    blocks = [
        {"model": ["mlp"], "data": ["mnist1d"], "set": ["trainer.max_steps=7"]},
        {"model": ["cnn"], "data": ["mnist1d"]},
    ]
    cells = study_cells(grid(blocks)(composer), [])
    steps = {cell.variant: cell.config.trainer.max_steps for cell in cells}
    assert steps == {"mlp": 7, "cnn": 6000}
    assert "trainer.max_steps=7" in cells[0].overrides


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"set": ["model=cnn"]}, "set: model=cnn"),
        ({"set": ["seed=4"]}, "set: seed=4"),
        ({"set": ["audit.fail_on=high"]}, "set: audit.fail_on=high"),
        ({"set": ["max_steps"]}, "write it like trainer.max_steps=95"),
        ({"optimizer.lr": [0.1]}, "not ['optimizer.lr']"),
    ],
)
def test_what_a_block_may_not_set_is_refused(composer, block, problem):
    with pytest.raises(UserError) as caught:
        study_cells(grid([{"model": ["mlp"], "data": ["mnist1d"], **block}])(composer), [])
    assert problem in str(caught.value)


def test_one_cell_has_one_configuration(composer):
    block = {"model": ["mlp"], "data": ["mnist1d"]}
    blocks = [block, {**block, "set": ["trainer.max_steps=7"]}]
    with pytest.raises(UserError, match="two blocks that set different values"):
        study_cells(grid(blocks)(composer), [])


def test_assumptions_become_sensitivity_cells(composer):
    plain = study_cells(composer, ["study.seeds=[0]"])
    probed = study_cells(composer, ["study.seeds=[0]", "study.probe_assumptions=true"])
    assert probed[: len(plain)] == [
        cell_plan.CellPlan(c.variant, c.levels, c.seed, dataclasses.replace(c.config, study=probed[0].config.study),
                      (*c.overrides, "study.probe_assumptions=true")) for c in plain
    ]  # fmt: skip
    levels = [cell.levels["probe"] for cell in probed[len(plain) :]]
    assert "optimizer.betas=[0.9,0.99]" in levels
    assert not any(level.startswith("paper.") for level in levels)
    [betas] = [cell for cell in probed if cell.levels.get("probe") == "optimizer.betas=[0.9,0.99]"]
    assert betas.config.optimizer["betas"] == [0.9, 0.99]
    assert betas.overrides[-1] == "optimizer.betas=[0.9,0.99]"
