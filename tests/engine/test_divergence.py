"""What is not finite is told by what was so first: outputs, loss, gradients, an update, or a loss that grew."""

import numpy as np
import pytest

from mlintern.engine import divergence
from mlintern.engine.cell import run_cell
from mlintern.engine.told import CAUSES
from tests.engine.cells import MSE, built, compose, own, refusal, splits_of

UNFINITE = "model._target_=papers.numbers.modules.Unfinite"
METRIC = MSE[1:]
REAL = ("+model.outputs=[]", "data.source.kind=real", "optimizer=sgd", "optimizer.lr=0.3")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            [UNFINITE, "+model.how=outputs"],
            "model: Unfinite gives NaN at its initial weights for inputs that are finite",
        ),
        (
            [UNFINITE, "+model.how=training"],
            "gives NaN at its initial weights for inputs that are finite (in train mode)",
        ),
        ([UNFINITE, "+model.how=gradient"], "model: the gradient of w is NaN or infinite at the initial weights"),
        (
            own("loss", "Mean", "+loss.log=true", "+loss.less=9"),
            "loss: Mean is nan at the initial weights, of outputs that are finite",
        ),
        (
            [UNFINITE, "+model.how=masked", "+model.outputs=3", "data.source.kind=classes", "+data.source.classes=3"],
            "loss: CrossEntropyLoss is inf at the initial weights, of outputs that are infinite",
        ),
    ],
)
def test_what_is_not_finite_at_the_initial_weights_is_refused_by_its_cause(overrides, says):
    said = refusal(*overrides)
    assert says in said
    assert "learning rate" not in said


def test_a_class_that_is_masked_and_nobodys_label_is_no_fault():
    assert built(UNFINITE, "+model.how=masked", "+model.outputs=3", "loss=cross_entropy") is not None


@pytest.mark.parametrize(
    ("overrides", "cause"),
    [
        ((UNFINITE, "+model.how=later", *own("loss", "Mean")), "outputs"),
        ((UNFINITE, "+model.how=weight", *own("loss", "Mean", "+loss.log=true")), "loss"),
        ((UNFINITE, "+model.how=root", *own("loss", "Mean")), "gradients"),
        ((UNFINITE, "+model.how=weight", *MSE, "optimizer.lr=900"), "growth"),
        ((UNFINITE, "+model.how=weight", *own("loss", "Mean"), "optimizer=adam", "optimizer.eps=0"), "update"),
    ],
)
def test_a_loss_that_ceases_to_be_finite_names_what_came_first(tmp_path, overrides, cause):
    config = compose(*REAL, *METRIC, *overrides)
    record = run_cell(config, splits_of(config), tmp_path, {"cell_id": "x", "audit": {"acknowledged": []}})
    assert record["status"] == "diverged"
    assert record["message"].startswith("the loss is not finite from step ")
    assert record["message"].endswith(CAUSES[cause]), record["message"]


def test_weights_that_the_last_step_made_nan_have_no_score(tmp_path):
    root = (UNFINITE, "+model.how=root", *own("loss", "Mean"), "trainer.max_steps=7")
    config = compose("protocol=last", *REAL, *METRIC, *root)
    record = run_cell(config, splits_of(config), tmp_path, {"cell_id": "x", "audit": {"acknowledged": []}})
    assert record["status"] == "diverged"
    assert record["message"].startswith("the weights of step 7 have a loss that is NaN on ")


def test_many_steps_are_judged_by_their_losses_alone():
    losses = np.ones(1000, np.float32)
    assert divergence.by_losses(losses, 900) == "sudden"
    losses[890:900] = 10.0 ** np.arange(10)
    assert divergence.by_losses(losses, 900) == "growth"
