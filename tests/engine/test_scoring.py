"""A loss that is no mean over its examples is that of the whole part, and adds up over shards, or is refused."""

import pytest
import torch
from torch import nn

from mlintern.core.errors import UserError
from mlintern.engine.evaluate import Scorer, evaluate
from mlintern.engine.scoring import PartLoss
from tests.engine.cells import own, refusal, trained

from papers.numbers import modules  # isort: skip - cells puts it in reach

DRAW = torch.Generator().manual_seed(3)
N = 97
LOGITS = torch.randn(N, 4, generator=DRAW)
LABELS = torch.randint(0, 4, (N,), generator=DRAW)
TOKENS = torch.randn(N, 4, 6, generator=DRAW)
IDS = torch.randint(0, 4, (N, 6), generator=DRAW)
IDS[torch.rand(N, 6, generator=DRAW) < 0.6] = -100
IDS[:7] = -100  # whole batches of which nothing counts
WEIGHTS = torch.tensor([0.1, 1, 2, 5.0])


def scored(criterion, outputs, labels, size):
    found = evaluate(nn.Identity(), outputs, labels, criterion, [], batch_size=size, seed=0, step=0)
    return found.loss


@pytest.mark.parametrize("size", [1, 7, 33, 200])
@pytest.mark.parametrize(
    ("criterion", "outputs", "labels"),
    [
        (nn.CrossEntropyLoss(), LOGITS, LABELS),
        (nn.CrossEntropyLoss(WEIGHTS), LOGITS, LABELS),
        (nn.CrossEntropyLoss(WEIGHTS, label_smoothing=0.2), LOGITS, LABELS),
        (nn.CrossEntropyLoss(reduction="sum"), LOGITS, LABELS),
        (nn.CrossEntropyLoss(), TOKENS, IDS),
        (nn.CrossEntropyLoss(WEIGHTS, label_smoothing=0.1), TOKENS, IDS),
        (nn.MultiMarginLoss(weight=WEIGHTS), LOGITS, LABELS),
        (modules.WeightedCE(WEIGHTS.tolist()), LOGITS, LABELS),
        (modules.SaidWeightedCE(WEIGHTS.tolist()), LOGITS, LABELS),
        (modules.SumCE(), LOGITS, LABELS),
        (modules.Spread(), LOGITS, LABELS),
    ],
    ids=[
        "mean",
        "weights",
        "smoothed",
        "sum",
        "ignored",
        "ignored weights",
        "margin",
        "own",
        "said",
        "own sum",
        "spread",
    ],
)
def test_the_loss_is_that_of_the_whole_part(criterion, outputs, labels, size):
    assert scored(criterion, outputs, labels, size) == pytest.approx(float(criterion(outputs, labels)), rel=2e-6)


@pytest.mark.parametrize("criterion", [modules.OwnMSE(), nn.MSELoss(), modules.FirstMSE()])
@pytest.mark.parametrize("size", [1, 7, 200])
def test_a_pack_s_loss_is_not_broadcast(criterion, size):
    right = float((LOGITS[:, 0] - LABELS.float()).square().mean())
    assert scored(criterion, LOGITS[:, :1], LABELS.float(), size) == pytest.approx(right, rel=1e-5)
    assert scored(criterion, torch.zeros(N, 1), LABELS.float(), size) == pytest.approx(float((LABELS**2.0).mean()))


def test_a_loss_of_no_reading_is_refused():
    class Pairs:
        def __call__(self, outputs, targets):
            return (outputs - targets[None]).abs().max()

    with pytest.raises(UserError, match=r"Pairs on outputs \[97, 1\] and labels \[97\] is not the mean"):
        scored(Pairs(), LOGITS[:, :1], LABELS.float(), 200)


def test_a_part_too_large_to_keep_is_scored_batch_by_batch_or_refused(monkeypatch):
    monkeypatch.setattr(PartLoss, "LARGEST", 600)

    class Own:
        def __call__(self, outputs, targets):
            return nn.functional.cross_entropy(outputs, targets)

    right = float(nn.functional.cross_entropy(LOGITS, LABELS))
    assert scored(Own(), LOGITS, LABELS, 33) == pytest.approx(right)
    with pytest.raises(UserError, match=r"WeightedCE is no mean over examples, and outputs of more than"):
        scored(modules.WeightedCE(WEIGHTS.tolist()), LOGITS, LABELS, 33)
    assert scored(modules.SaidWeightedCE(WEIGHTS.tolist()), LOGITS, LABELS, 33) > 0


def test_a_batch_of_no_number_is_refused():
    with pytest.raises(UserError, match=r"loss: gave \[33\] for a batch"):
        scored(nn.CrossEntropyLoss(reduction="none"), LOGITS, LABELS, 33)
    with pytest.raises(UserError, match=r"the first axis must be the batch"):
        Scorer(nn.CrossEntropyLoss(), []).add(LOGITS[:3], LABELS[:4])


@pytest.mark.parametrize("shards", [2, 4])
@pytest.mark.parametrize(
    "loss",
    [
        ["+loss.weight=[1.0,6.0]"],
        ["+loss.reduction=sum"],
        ["data.source.kind=some_ignored"],
        ["data.source.kind=tokens_ignored", "+model.outputs=[3,5]"],
        own("loss", "SumCE"),
        own("loss", "SaidWeightedCE", "+loss.weights=[1.0,6.0]"),
    ],
    ids=["weights", "sum", "ignored", "ignored tokens", "own sum", "own weights, said"],
)
def test_shards_add_up_to_the_batch(tmp_path, loss, shards):
    options = [*loss, "protocol=last", "optimizer=sgd", "optimizer.lr=0.01", "optimizer.momentum=0"]
    one, several = (
        trained(folder, *options, f"trainer.shards={count}")
        for count in (1, shards)
        for folder in [tmp_path / str(count)]
        if folder.mkdir() is None
    )
    for part in ("train", "test"):
        assert several["metrics"][part] == pytest.approx(one["metrics"][part], rel=1e-4), part


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (own("loss", "WeightedCE", "+loss.weights=[1.0,6.0]"), "loss WeightedCE is no mean over examples"),
        (own("loss", "Spread"), "loss Spread is no mean over examples"),
        (["+loss.weight=[1.0,6.0]", *own("method", "Penalty")], "method Penalty adds to it cannot be weighed"),
    ],
)
def test_shards_that_would_not_add_up_are_refused(overrides, names):
    assert names in refusal(*overrides, "trainer.shards=4")
