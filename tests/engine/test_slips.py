"""Ordinary slips of a model, which torch takes without a word: refused before the first step, or said."""

import pytest
import torch
from torch import nn

from mlintern.core.errors import UserError
from mlintern.engine import losses
from mlintern.engine.evaluate import Scorer
from mlintern.engine.metrics import Accuracy
from tests.engine.cells import BCE, MSE, built, own, refusal

SLIPS = "papers.numbers.slips"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Listed", "a weight [8, 8] that the model does not list as its own, so that nothing would train it"),
        ("Plain", "a weight [8, 8] that the model does not list as its own"),
        ("Late", "a weight [8, 8] that the model does not list as its own"),
        ("Lazy", "0.weight has no size before the first batch"),
        ("Carries", "Carries gives the same examples other outputs a second time"),
    ],
)
def test_weights_that_nothing_trains_and_state_that_nothing_keeps_are_refused(name, says):
    assert says in refusal(f"model._target_={SLIPS}.{name}")


def test_a_loss_with_weights_of_its_own_is_refused():
    assert "what loss or method learn in the model" in refusal(
        f"loss._target_={SLIPS}.Learned", "~loss.label_smoothing"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Unguarded", "Unguarded draws at evaluation too"),
        ("Probabilities", "takes logits, and outputs [49, 2] are probabilities that sum to 1"),
        ("Cut", "no gradient reaches body.bias, body.weight in a step"),
    ],
)
def test_what_may_be_meant_is_said(name, says):
    (note,) = built(f"model._target_={SLIPS}.{name}").notes
    assert says in note


def test_what_is_meant_is_not_said():
    assert built(f"model._target_={SLIPS}.Cut", "+model.frozen=true").notes == []
    assert built(f"method._target_={SLIPS}.Penalised").notes == []
    assert built().notes == []


@pytest.mark.parametrize(
    ("criterion", "outputs", "says"),
    [
        (nn.BCEWithLogitsLoss(), torch.rand(9, 1), "all lie from 0 to 1, as probabilities do"),
        (nn.CrossEntropyLoss(), torch.randn(9, 4, 4), "their last axis is as long as that of the classes"),
        (nn.CrossEntropyLoss(), torch.randn(9, 4, 5), ""),
        (nn.BCEWithLogitsLoss(), torch.randn(9, 1), ""),
        (nn.BCELoss(), torch.rand(9, 1), ""),
    ],
)
def test_outputs_that_a_loss_may_read_otherwise_are_said(criterion, outputs, says):
    notes = losses.notes(criterion, outputs)
    assert says in notes[0] if says else notes == []


@pytest.mark.parametrize("said", [["loss=mse"], own("loss", "OwnMSE"), ["loss._target_=torch.nn.HuberLoss", *BCE[1:]]])
def test_an_accuracy_of_numbers_wants_to_know_above_which_they_say_yes(said):
    """An output near 0.4 for a label 0 lies above 0, the threshold of logits: every example would be a yes."""
    with_sigmoid = [f"model._target_={SLIPS}.Yes", "data.source.kind=class"]
    assert "say +metrics.accuracy.threshold=0.5" in refusal(*with_sigmoid, *said)
    built(*with_sigmoid, *said, "+metrics.accuracy.threshold=0.5")
    built(f"model._target_={SLIPS}.Yes", "data.source.kind=real_column", *MSE)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (lambda y: torch.ones(2), "weights gave [2] for labels [8]"),
        (lambda y: y - 1.0, "none below 0"),
        (lambda y: y * float("nan"), "it must give one finite number an example"),
        (lambda y: 1.0, "weights gave a float"),
    ],
)
def test_a_metrics_weights_are_one_an_example_and_none_below_zero(weights, says):
    metric = Accuracy()
    metric.weights = weights
    with pytest.raises(UserError, match=says.replace("[", r"\[")):
        Scorer(nn.CrossEntropyLoss(), [_Beside(metric)]).add(torch.randn(8, 2), torch.zeros(8))


def test_a_metrics_attribute_of_that_name_is_its_own_affair():
    metric = _Beside(Accuracy())
    metric.weights = torch.tensor([1.0, 5.0])
    scorer = Scorer(nn.CrossEntropyLoss(), [metric])
    scorer.add(torch.eye(2), torch.tensor([0, 1]))
    assert scorer.evaluation().metrics == {"accuracy": 1.0}


class _Beside:
    """A metric of somebody's own, with what another computes."""

    name = "accuracy"

    def __init__(self, inner):
        self.per_example, self.weights = inner.per_example, inner.weights
