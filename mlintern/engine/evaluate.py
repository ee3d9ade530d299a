"""Evaluation: outputs of a model over a part, without touching anything that training depends on, and their scores.

The two are apart: `outputs_of` runs the model and sees no target, a `Scorer` sees outputs and targets and no model.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from mlintern.engine import guard, seeding
from mlintern.engine.precision import Precision, readable
from mlintern.engine.protocols import Loss, Metric

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
) -> Iterator[torch.Tensor]:
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
                x = precision.cast(inputs[at : at + batch_size])
                with precision.context(x.device):
                    outputs = readable(model(x))
                yield outputs
    finally:
        model.train(was_training)


class Scorer:
    """Loss, metrics, values per example and predictions of a part whose outputs come batch by batch.

    Loss and metrics are taken in the outputs' type. The loss's last bits depend on where the batches end, so that
    equal numbers need equal batches: those of `trainer.eval_batch_size`.
    """

    def __init__(self, criterion: Loss, metrics: Sequence[Metric]):
        self.criterion, self.metrics = criterion, metrics
        self.rows = 0
        self._losses: list[torch.Tensor] = []
        self._predictions: list[torch.Tensor] = []
        self._scores: dict[str, list[torch.Tensor]] = {metric.name: [] for metric in metrics}

    @torch.no_grad()
    def add(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Take up the next batch: outputs [batch, ...] and targets [batch, ...]."""
        y = targets.to(outputs.dtype) if targets.is_floating_point() else targets
        self._losses.append(self.criterion(outputs, y).double() * len(y))
        self._predictions.append(_predicted(outputs, y))
        for metric in self.metrics:
            self._scores[metric.name].append(metric.per_example(outputs, y))
        self.rows += len(y)

    def evaluation(self) -> Evaluation:
        """The scores of everything taken up so far."""
        per_example = {name: torch.cat(values).cpu().numpy() for name, values in self._scores.items()}
        return Evaluation(
            loss=float(torch.stack(self._losses).cpu().sum() / self.rows),
            metrics={name: float(values.mean()) for name, values in per_example.items()},
            per_example=per_example,
            predictions=torch.cat(self._predictions).cpu().numpy(),
        )


def _predicted(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """[batch] or [batch, ...]: the outputs where the targets are as many numbers each, else the likeliest classes."""
    if targets.is_floating_point() and targets.shape == outputs.shape and targets.numel() > len(targets):
        return outputs
    return outputs.argmax(dim=1) if outputs.ndim > 1 and outputs.shape[1] > 1 else outputs.flatten()
