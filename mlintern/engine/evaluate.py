"""Evaluation: outputs of a model over a part, without touching anything that training depends on, and their scores.

The two are apart: `outputs_of` runs the model and sees no target, a `Scorer` sees outputs and targets and no model.
"""

import contextlib
import dataclasses
from collections.abc import Generator, Sequence

import numpy as np
import torch

from mlintern.core.errors import UserError
from mlintern.core.streams import guard, seeding
from mlintern.engine import losses
from mlintern.engine.precision import Precision, readable
from mlintern.engine.protocols import Loss, Metric
from mlintern.engine.scoring import Companies, PartLoss, beside, weights_of

FULL = Precision()


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a model scores on one part."""

    loss: float
    """Mean loss per example."""
    metrics: dict[str, float]
    """{metric: mean over examples}."""
    per_example: dict[str, np.ndarray]
    """{metric: [n]} in the part's row order."""
    predictions: np.ndarray
    """[n] class index for classification, else the first output."""

    def row(self, step: int, split: str) -> dict[str, object]:
        """One line of the learning curve."""
        return {"step": step, "split": split, "loss": self.loss, **self.metrics}


def evaluate(
    model: torch.nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    criterion: Loss,
    metrics: list[Metric],
    *,
    batch_size: int,
    seed: int,
    step: int,
    precision: Precision = FULL,
) -> Evaluation:
    """Score `model` on inputs [n, ...] and targets [n], in eval mode, batch by batch."""
    scorer = Scorer(criterion, metrics)
    batches = outputs_of(model, inputs, batch_size=batch_size, seed=seed, step=step, precision=precision)
    with contextlib.closing(batches):
        for at, outputs in zip(range(0, len(inputs), batch_size), batches, strict=True):
            scorer.add(outputs, targets[at : at + batch_size])
    return scorer.evaluation()


@torch.no_grad()
def outputs_of(
    model: torch.nn.Module,
    inputs: torch.Tensor,
    *,
    batch_size: int,
    seed: int,
    step: int,
    precision: Precision = FULL,
) -> Generator[torch.Tensor, None, None]:
    """The model's outputs [batch, ...] for inputs [n, ...], batch by batch and in their order.

    The model computes in `precision`; the outputs are float32, or float64 where the model gives that. A model that
    draws at evaluation (Monte-Carlo dropout) draws from the evaluation stream at `step`, as does what is called between
    two batches. The model is put back into the mode it was in; buffers such as batch statistics do not change in eval
    mode.
    """
    was_training = model.training
    model.eval()
    try:
        with seeding.fork_torch(seed, "evaluation", step), guard.STREAMS.of(seed, "evaluation", step):
            for at in range(0, len(inputs), batch_size):
                x = precision.cast(inputs[at : at + batch_size].clone())  # a model may change what it is given
                with precision.context(x.device):
                    outputs = readable(model(x))
                yield outputs
    finally:
        model.train(was_training)


class Scorer:
    """Loss, metrics, values per example and predictions of a part whose outputs come batch by batch.

    Loss and metrics are taken in the outputs' type. The loss is that of the whole part, wherever the batches end: its
    last bits alone depend on that, so that equal bits need equal batches, those of `trainer.eval_batch_size`. A metric
    of a pack's own that gives an example another value in other company is refused.
    """

    def __init__(self, criterion: Loss, metrics: Sequence[Metric]):
        self.loss = PartLoss(criterion)
        self.metrics = [beside(metric, criterion) for metric in metrics]
        self.rows = 0
        self._predictions: list[torch.Tensor] = []
        self._scores: dict[str, list[torch.Tensor]] = {metric.name: [] for metric in metrics}
        self._weights: dict[str, list[torch.Tensor]] = {
            m.name: [] for m in self.metrics if callable(getattr(m, "weights", None))
        }
        self._companies = {metric.name: Companies(metric) for metric in self.metrics}

    @torch.no_grad()
    def add(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Take up the next batch: outputs [batch, ...] and targets [batch, ...]."""
        if not outputs.ndim or len(outputs) != len(targets):
            raise UserError(
                f"model: {len(targets)} examples gave outputs {losses.shape(outputs)}; the first axis must be the batch"
            )
        y = targets.to(outputs.dtype) if targets.is_floating_point() else targets
        self.loss.add(outputs, y)
        self._predictions.append(_predicted(outputs, y))
        for metric in self.metrics:
            self._scores[metric.name].append(self._companies[metric.name].values(outputs, y))
            if metric.name in self._weights:
                self._weights[metric.name].append(weights_of(metric, y))
        self.rows += len(y)

    def evaluation(self) -> Evaluation:
        """The scores of everything taken up so far."""
        per_example = {name: self._values(name) for name in self._scores}
        return Evaluation(
            loss=self.loss.value(),
            metrics={name: float(values.mean()) for name, values in per_example.items()},
            per_example=per_example,
            predictions=torch.cat(self._predictions).cpu().numpy(),
        )

    def _values(self, name: str) -> np.ndarray:
        """[n] whose plain mean is the metric: examples of which more labels count weigh more in it."""
        values: np.ndarray = torch.cat(self._scores[name]).cpu().numpy()
        if name in self._weights:
            weights = torch.cat(self._weights[name]).cpu().numpy()
            if weights.size and weights.min() != weights.max():
                values = values * weights / weights.mean()
        return values


def _predicted(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """[batch] or [batch, ...]: the outputs where the labels are as many numbers each, else the likeliest classes."""
    many = outputs[:1].numel() == targets[:1].numel() > 1
    if many and (targets.is_floating_point() or outputs.shape == targets.shape):
        return outputs
    if outputs.ndim > 1 and outputs.shape[1] > 1:
        return outputs.argmax(dim=1)
    return outputs.flatten() if outputs.numel() == len(outputs) else outputs
