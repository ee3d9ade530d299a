"""Random small models, losses, metrics, label shapes and batch sizes, each with what scikit-learn and torch say of it.

`combinations(n)` draws them; `check(one)` tries, scores and shards one in this process, and says whether it ran, was
refused before the first step, or came out other than the reference. References are written out family by family, on
the whole part and in double precision; they share no code with the engine.
"""

import dataclasses
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, mean_squared_error
from torch import nn

from mlintern.core.errors import UserError
from mlintern.engine.evaluate import evaluate
from mlintern.engine.feed import Batch
from mlintern.engine.methods import Supervised
from mlintern.engine.metrics import Accuracy, SquaredError
from mlintern.engine.precision import Precision
from mlintern.engine.shards import Shards
from mlintern.engine.trial import Trial
from tests.engine import cells

from papers.numbers import modules as own  # isort: skip - cells puts it in reach

FEATURES = 4
CPU = torch.device("cpu")
assert cells.PACKS


class Model(nn.Module):
    """A layer or two to outputs [n, *shape], with dropout, and with what a loss over probabilities wants after them."""

    def __init__(self, shape: tuple[int, ...], deep: bool, after: Callable[[torch.Tensor], torch.Tensor] | None):
        super().__init__()
        self.shape, self.after = shape, after
        wide = math.prod(shape)
        self.layers = nn.Linear(FEATURES, wide)
        if deep:
            self.layers = nn.Sequential(nn.Linear(FEATURES, 5), nn.Tanh(), nn.Dropout(0.2), nn.Linear(5, wide))

    def forward(self, x):
        y = self.layers(x).reshape(len(x), *self.shape)
        return self.after(y) if self.after else y


@dataclasses.dataclass
class Combination:
    """One of them."""

    family: str
    model: Model
    criterion: Any
    metric: Any
    inputs: torch.Tensor
    labels: torch.Tensor
    loss: Callable[[torch.Tensor], torch.Tensor] | None
    """Outputs of given rows to the loss that torch gives; None where there is none, so that it must be refused."""
    score: Callable[[np.ndarray], float] | None
    """Outputs of the whole part to the metric that scikit-learn gives."""
    batch: int
    eval_batch: int
    shards: int
    rows: Callable[[torch.Tensor], "Combination"] | None = None

    def __str__(self) -> str:
        names = f"{type(self.criterion).__name__}/{type(self.metric).__name__}"
        shape = [len(self.inputs), *self.model.shape]
        return (
            f"{self.family}: {names} outputs {shape} labels {list(self.labels.shape)} {self.labels.dtype}, "
            f"batch {self.batch}, eval {self.eval_batch}, shards {self.shards}"
        )


def combinations(count: int, seed: int = 0) -> Iterator[Combination]:
    """`count` of them, the same for the same seed."""
    for index in range(count):
        draw = random.Random(seed * 1_000_003 + index)
        torch.manual_seed(draw.randrange(2**31))
        families = [classes, tokens, one_output, many, numbers, soft, misfit, packs_own]
        weights = [4, 3, 4, 2, 4, 2, 2, 3]
        yield draw.choices(families, weights)[0](draw)


def _made(draw, family, shape, labels, criterion, metric, loss, score, after=None) -> Combination:
    n = len(labels)
    return Combination(
        family, Model(tuple(shape), draw.random() < 0.5, after), criterion, metric, torch.randn(n, FEATURES), labels,
        loss, score, batch=draw.randint(1, n), eval_batch=draw.choice([1, 2, 3, 7, n, 2 * n, draw.randint(1, n)]),
        shards=draw.choice([1, 1, 2, 4]),
    )  # fmt: skip


def _n(draw) -> int:
    return draw.randint(6, 40)


def _reduction(draw) -> dict:
    return {"reduction": "sum"} if draw.random() < 0.15 else {}


def _class_labels(draw, n, classes, places=()) -> torch.Tensor:
    labels = torch.randint(0, classes, (n, *places))
    labels.view(-1)[:classes] = torch.arange(classes)
    return labels


def _index_loss(draw, classes) -> tuple[Any, Callable, Any]:
    """(loss, the same by its formula from outputs and labels, what comes after the model)."""
    weight = torch.rand(classes) + 0.2 if draw.random() < 0.4 else None
    ignored = draw.choice([-100, -100, 0, -1])
    more = _reduction(draw)
    if draw.random() < 0.7:
        smoothing = draw.choice([0.0, 0.0, 0.1, 0.3])
        criterion = nn.CrossEntropyLoss(weight, ignore_index=ignored, label_smoothing=smoothing, **more)
        after = None
    else:
        smoothing, criterion = 0.0, nn.NLLLoss(weight, ignore_index=ignored, **more)
        after = lambda y: y.log_softmax(dim=1)  # noqa: E731

    def formula(outputs, labels):
        logs = outputs.double().log_softmax(dim=1)
        by_class = torch.ones(classes).double() if weight is None else weight.double()
        counted = labels != ignored
        y = labels.where(counted, torch.zeros_like(labels))
        w = by_class[y] * counted
        hit = -logs.gather(1, y.unsqueeze(1)).squeeze(1) * w
        shape = (1, classes, *[1] * (logs.ndim - 2))
        even = -(logs * by_class.reshape(shape)).sum(dim=1) * counted / classes
        total = ((1 - smoothing) * hit + smoothing * even).sum()
        return total if more else total / w.sum()

    return criterion, formula, after


def _with_ignored(draw, labels, criterion) -> torch.Tensor:
    ignored = criterion.ignore_index
    if ignored < 0 and draw.random() < 0.4:
        labels = labels.clone()
        flat = labels.view(-1)
        chosen = torch.rand(len(flat)) < 0.3
        chosen[0] = False
        flat[chosen] = ignored
    return labels


def classes(draw) -> Combination:
    """A class an example, its index as [n] or [n, 1], whole or real."""
    n, count = _n(draw), draw.randint(2, 5)
    labels = _class_labels(draw, n, count)
    if draw.random() < 0.2:
        p, weight = draw.choice([1, 2]), torch.rand(count) + 0.2 if draw.random() < 0.5 else None
        more = _reduction(draw)
        criterion, after = nn.MultiMarginLoss(p=p, weight=weight, **more), None

        def formula(outputs, y):
            x = outputs.double()
            right = x.gather(1, y[:, None])
            w = torch.ones(count).double() if weight is None else weight.double()
            parts = (w[y][:, None] * (1 - right + x).clamp(min=0) ** p).scatter(1, y[:, None], 0).sum(1) / count
            return parts.sum() if more else parts.mean()

        counted = torch.ones(n, dtype=torch.bool)
    else:
        criterion, formula, after = _index_loss(draw, count)
        labels = _with_ignored(draw, labels, criterion)
        counted = labels != criterion.ignore_index
    shown = draw.choice([labels, labels, labels[:, None], labels.float(), labels.float()[:, None]])

    def score(outputs):
        return accuracy_score(labels[counted].numpy(), outputs.argmax(1)[counted.numpy()])

    at = lambda outputs, rows: formula(outputs, labels[rows])  # noqa: E731
    return _made(draw, "classes", [count], shown, criterion, Accuracy(), at, score, after)


def tokens(draw) -> Combination:
    """A class for every place: [n, classes, places...] against [n, places...]."""
    n, count, places = _n(draw), draw.randint(2, 4), draw.choice([(3,), (5,), (2, 3), (1,)])
    criterion, formula, after = _index_loss(draw, count)
    labels = _with_ignored(draw, _class_labels(draw, n, count, places), criterion)
    counted = labels != criterion.ignore_index
    shown = draw.choice([labels, labels, labels[:, None]]) if draw.random() < 0.5 else labels

    def score(outputs):
        return accuracy_score(labels[counted].numpy(), outputs.argmax(1)[counted.numpy()])

    at = lambda outputs, rows: formula(outputs, labels[rows])  # noqa: E731
    return _made(draw, "tokens", [count, *places], shown, criterion, Accuracy(), at, score, after)


def one_output(draw) -> Combination:
    """Yes or no: [n] or [n, 1] on either side, 0 and 1 or -1 and 1, whole or real."""
    n = _n(draw)
    yes = (torch.rand(n) < 0.4).long()
    yes[0], yes[1] = 0, 1
    kind, more, after, cut = (
        draw.choice(["logits", "logits", "probabilities", "signed", "hinge"]),
        _reduction(draw),
        None,
        0.0,
    )
    if kind == "logits":
        pos = torch.tensor(draw.choice([0.5, 1.0, 3.0]))
        criterion, labels = nn.BCEWithLogitsLoss(pos_weight=pos, **more), yes
        formula = lambda x, y: -(pos * y * nn.functional.logsigmoid(x) + (1 - y) * nn.functional.logsigmoid(-x))  # noqa: E731
    elif kind == "probabilities":
        criterion, labels, after, cut = nn.BCELoss(**more), yes, torch.sigmoid, 0.5
        formula = lambda x, y: -(y * x.log() + (1 - y) * (1 - x).log())  # noqa: E731
    elif kind == "signed":
        criterion, labels = nn.SoftMarginLoss(**more), 2 * yes - 1
        formula = lambda x, y: (1 + (-y * x).exp()).log()  # noqa: E731
    else:
        criterion, labels = nn.HingeEmbeddingLoss(**more), 2 * yes - 1
        formula = lambda x, y: torch.where(y == 1, x, (1 - x).clamp(min=0))  # noqa: E731
    shown = draw.choice([labels, labels[:, None], labels.float(), labels.float()[:, None]])

    def loss(outputs, rows):
        each = formula(outputs.double().flatten(), labels[rows].double())
        return each.sum() if more else each.mean()

    def score(outputs):
        return accuracy_score(yes.numpy(), outputs.reshape(n) > cut)

    return _made(draw, "one output", draw.choice([[1], []]), shown, criterion, Accuracy(), loss, score, after)


def many(draw) -> Combination:
    """Several labels of yes or no."""
    n, k = _n(draw), draw.randint(2, 4)
    labels, more = (torch.rand(n, k) < 0.5).long(), _reduction(draw)
    if draw.random() < 0.6:
        pos = torch.rand(k) + 0.5
        criterion = nn.BCEWithLogitsLoss(pos_weight=pos, **more)
    else:
        pos, criterion = torch.ones(k), nn.MultiLabelSoftMarginLoss(**more)
    per_label = isinstance(criterion, nn.BCEWithLogitsLoss) and bool(more)

    def loss(outputs, rows):
        x, y = outputs.double(), labels[rows].double()
        each = -(pos * y * nn.functional.logsigmoid(x) + (1 - y) * nn.functional.logsigmoid(-x))
        return each.sum() if per_label else each.mean(1).sum() if more else each.mean()

    def score(outputs):
        return accuracy_score(labels.numpy(), outputs > 0)

    shown = labels.float() if draw.random() < 0.7 else labels
    return _made(draw, "many", [k], shown, criterion, Accuracy(), loss, score)


def numbers(draw) -> Combination:
    """Regression: one number or several, axes of one place on either side."""
    n, k = _n(draw), draw.randint(2, 4)
    inner = draw.choice([(), (), (k,), (k, 2)])
    labels, more = torch.randn(n, *inner), _reduction(draw)
    if draw.random() < 0.2:
        labels = labels.round()
    criterion, formula = draw.choice([
        (nn.MSELoss(**more), lambda x, y: (x - y) ** 2),
        (nn.L1Loss(**more), lambda x, y: (x - y).abs()),
        (nn.SmoothL1Loss(beta=0.5, **more), lambda x, y: _huber(x, y, 0.5) / 0.5),
        (nn.HuberLoss(delta=0.7, **more), lambda x, y: _huber(x, y, 0.7)),
        (nn.PoissonNLLLoss(**more), lambda x, y: x.exp() - y * x),
    ])  # fmt: skip
    shape = [*inner, 1] if draw.random() < 0.5 else list(inner)
    shown = labels.unsqueeze(-1) if draw.random() < 0.4 else labels
    if torch.equal(labels, labels.round()) and draw.random() < 0.5:
        shown = shown.long()

    def loss(outputs, rows):
        each = formula(outputs.double().reshape(labels[rows].shape), labels[rows].double())
        return each.sum() if more else each.mean()

    def score(outputs):
        return mean_squared_error(labels.reshape(n, -1).numpy(), outputs.reshape(n, -1))

    return _made(draw, "numbers", shape, shown, criterion, SquaredError(), loss, score)


def _huber(x, y, delta):
    apart = (x - y).abs()
    return torch.where(apart <= delta, 0.5 * apart**2, delta * (apart - 0.5 * delta))


def soft(draw) -> Combination:
    """Class probabilities as labels, or classes one-hot."""
    n, count = _n(draw), draw.randint(2, 5)
    labels = torch.randn(n, count).softmax(1)
    if draw.random() < 0.4:
        labels = nn.functional.one_hot(_class_labels(draw, n, count), count)
        labels = labels.float() if draw.random() < 0.5 else labels
    smoothing, more = draw.choice([0.0, 0.2]), _reduction(draw)
    weight = torch.rand(count) + 0.2 if draw.random() < 0.3 else None
    criterion = nn.CrossEntropyLoss(weight, label_smoothing=smoothing, **more)

    def loss(outputs, rows):
        y = (1 - smoothing) * labels[rows].double() + smoothing / count
        w = 1.0 if weight is None else weight.double()
        each = -(outputs.double().log_softmax(1) * y * w).sum(1)
        return each.sum() if more else each.mean()

    def score(outputs):
        return accuracy_score(labels.argmax(1).numpy(), outputs.argmax(1))

    return _made(draw, "soft", [count], labels, criterion, Accuracy(), loss, score)


def misfit(draw) -> Combination:
    """What has no right reading: it must be refused."""
    n = _n(draw)
    shape, labels, criterion, metric = draw.choice([
        ([3], torch.randn(n), nn.MSELoss(), SquaredError()),
        ([3], torch.randn(n, 2), nn.L1Loss(), SquaredError()),
        ([2, 3], torch.randn(n, 3, 2), nn.MSELoss(), SquaredError()),
        ([3], torch.randint(3, 6, (n,)), nn.CrossEntropyLoss(), Accuracy()),
        ([3], torch.randn(n), nn.CrossEntropyLoss(), Accuracy()),
        ([3], torch.rand(n, 3) + 0.5, nn.CrossEntropyLoss(), Accuracy()),
        ([1], torch.randint(0, 2, (n,)), nn.CrossEntropyLoss(), Accuracy()),
        ([], torch.rand(n), nn.CrossEntropyLoss(), Accuracy()),
        ([4, 3], torch.randint(0, 3, (n, 4)), nn.CrossEntropyLoss(), Accuracy()),
        ([3], torch.randint(0, 2, (n, 3)).float() + 2, nn.BCEWithLogitsLoss(), Accuracy()),
        ([1], torch.randint(0, 2, (n,)), nn.SoftMarginLoss(), Accuracy()),
        ([1], torch.randint(0, 4, (n,)), nn.MSELoss(), Accuracy()),
        ([2], torch.randint(0, 2, (n,)), nn.BCEWithLogitsLoss(), Accuracy()),
        ([3], torch.randint(0, 3, (n,)), nn.CrossEntropyLoss(reduction="none"), Accuracy()),
        ([3], torch.randint(0, 3, (n,)), nn.CosineEmbeddingLoss(), Accuracy()),
        ([3], torch.randint(0, 3, (n,)), nn.CrossEntropyLoss(torch.ones(4)), Accuracy()),
        ([2], torch.randint(0, 2, (n,)), nn.CrossEntropyLoss(), SquaredError()),
    ])  # fmt: skip
    if not labels.is_floating_point() and labels.ndim == 1:
        labels[:2] = torch.tensor([labels.max(), labels.min()])
        labels[0] = labels.max() if labels.max() != labels.min() else labels.min() + 1
    return _made(draw, "misfit", shape, labels, criterion, metric, None, None)


def packs_own(draw) -> Combination:
    """Losses and metrics that somebody wrote: right by themselves, broadcasting, weighted, sums, and batch-wise."""
    n = _n(draw)
    y = (torch.rand(n) < 0.4).long()
    y[0], y[1] = 0, 1
    real = torch.randn(n)
    weights = [1.0, 5.0]
    ce = lambda outputs, rows, **more: nn.functional.cross_entropy(outputs.double(), y[rows], **more)  # noqa: E731
    by_weight = lambda outputs, rows: ce(outputs, rows, weight=torch.tensor(weights).double())  # noqa: E731
    mse = lambda outputs, rows: (outputs.double().flatten() - real[rows].double()).square().mean()  # noqa: E731
    hits = lambda outputs: accuracy_score(y.numpy(), outputs.argmax(1))  # noqa: E731
    error = lambda outputs: mean_squared_error(real.numpy(), outputs.reshape(n))  # noqa: E731
    kind = draw.choice(
        ["mse", "first", "weighted", "said", "sum", "spread", "f1", "standardised", "ranked", "margin", "half"]
    )
    if kind in ("mse", "first"):
        criterion, shape = (own.OwnMSE(), draw.choice([[1], []])) if kind == "mse" else (own.FirstMSE(), [1])
        shown = draw.choice([real, real[:, None]]) if kind == "mse" else real
        return _made(draw, f"own {kind}", shape, shown, criterion, SquaredError(), mse, error)
    criterion, loss, metric, score = {
        "weighted": (own.WeightedCE(weights), by_weight, Accuracy(), hits),
        "said": (own.SaidWeightedCE(weights), by_weight, Accuracy(), hits),
        "sum": (own.SumCE(), lambda o, r: ce(o, r, reduction="sum"), Accuracy(), hits),
        "spread": (own.Spread(), lambda o, r: o.double().std(correction=0) + ce(o, r), Accuracy(), hits),
        "f1": (nn.CrossEntropyLoss(), None, own.BatchF1(), None),
        "standardised": (nn.CrossEntropyLoss(), None, own.Standardised(), None),
        "ranked": (nn.CrossEntropyLoss(), None, own.Ranked(), None),
        "margin": (nn.CrossEntropyLoss(), ce, own.Margin(), lambda o: (2 * y.numpy() - 1) @ (o[:, 1] - o[:, 0]) / n),
        "half": (nn.CrossEntropyLoss(), ce, own.Nowhere(), hits),
    }[kind]  # fmt: skip
    return _made(draw, f"own {kind}", [2], y, criterion, metric, loss, score)


def check(one: Combination) -> tuple[str, str]:
    """(`ran`, `refused` or `wrong`, what is said)."""
    n = len(one.inputs)
    whole = torch.arange(n)
    batch_rows = whole[: one.batch]
    if one.shards > one.batch:
        one.shards = 1
    trial = Trial(
        one.model, one.criterion, Supervised(), [one.metric], {"train": one.inputs}, {"train": one.labels},
        one.batch, n % one.batch or one.batch, one.eval_batch, one.shards, Precision(), 0, CPU, {},
    )  # fmt: skip
    before = {name: value.clone() for name, value in one.model.state_dict().items()}
    state = torch.get_rng_state()
    try:
        fitted = trial.run()
    except UserError as error:
        return "refused", str(error)
    if not torch.equal(state, torch.get_rng_state()) or not one.model.training:
        return "wrong", "the trial left a trace"
    if any(not torch.equal(before[name], value) for name, value in one.model.state_dict().items()):
        return "wrong", "the trial changed the model"
    if one.loss is None or one.score is None:
        return "wrong", "what has no right value was not refused"
    found = evaluate(
        one.model, one.inputs, one.labels, fitted.criterion, [one.metric], batch_size=one.eval_batch, seed=0, step=1
    )
    with torch.no_grad():
        one.model.eval()
        outputs = one.model(one.inputs)
    expected = float(one.loss(outputs, whole)), float(one.score(outputs.numpy()))  # type: ignore[call-arg]
    got = found.loss, found.metrics[one.metric.name]
    if not np.allclose(got, expected, rtol=2e-5, atol=1e-6):
        return "wrong", f"loss and metric {got}, expected {expected}"
    values = found.per_example[one.metric.name]
    if values.shape != (n,) or not np.isclose(values.mean(), expected[1], rtol=2e-5, atol=1e-6):
        return "wrong", f"values an example {values.shape}, mean {values.mean()}"
    return _gradients(one, fitted, batch_rows)


def _gradients(one: Combination, fitted: Any, rows: torch.Tensor) -> tuple[str, str]:
    """Loss and gradients of one batch in shards against torch's of the batch."""
    one.model.eval()  # dropout has keys of its own in each shard
    parameters = list(one.model.parameters())
    with torch.enable_grad():
        reference = one.loss(one.model(one.inputs[rows]), rows)  # type: ignore[call-arg]
        if not torch.isfinite(reference):
            return "ran", ""  # a batch of which nothing counts
        expected = torch.autograd.grad(reference, parameters)

    def backward(piece: Batch, shard: int, weight: float) -> torch.Tensor:
        loss = fitted.criterion(one.model(piece.inputs), piece.targets) * weight
        loss.backward()
        return loss.detach()

    batch = Batch(one.inputs[rows], one.labels[rows])
    loss = Shards(one.shards).step(batch, one.model, parameters, backward, fitted.share)
    if not np.isclose(float(loss), float(reference.detach()), rtol=2e-5, atol=1e-5):
        return "wrong", f"loss of a batch {float(loss)}, expected {float(reference.detach())}"
    for parameter, gradient in zip(parameters, expected, strict=True):
        if not torch.allclose(parameter.grad, gradient.float(), rtol=1e-3, atol=1e-5):
            return "wrong", f"gradients of a batch of {len(rows)} in {one.shards} shards differ"
    return "ran", ""
