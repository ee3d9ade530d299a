"""Evaluation: outputs of a model over a part, without touching anything that training depends on."""

import dataclasses

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


@torch.no_grad()
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
    """Score `model` on inputs [n, ...] and targets [n], in eval mode, batch by batch.

    The model computes in `precision`; loss and metrics are taken in float32, or float64 where the model gives that.
    A model that draws at evaluation (Monte-Carlo dropout) draws from the evaluation stream at `step`. The model is put
    back into the mode it was in; buffers such as batch statistics do not change in eval mode.
    """
    was_training = model.training
    model.eval()
    scores: dict[str, list[torch.Tensor]] = {metric.name: [] for metric in metrics}
    losses, predictions = [], []
    with seeding.fork_torch(seed, "evaluation", step), guard.STREAMS.of(seed, "evaluation", step):
        for at in range(0, len(inputs), batch_size):
            x, y = precision.cast(inputs[at : at + batch_size]), targets[at : at + batch_size]
            with precision.context(x.device):
                outputs = readable(model(x))
            y = y.to(outputs.dtype) if y.is_floating_point() else y
            losses.append(criterion(outputs, y).double() * len(x))
            predictions.append(_predicted(outputs, y))
            for metric in metrics:
                scores[metric.name].append(metric.per_example(outputs, y))
    model.train(was_training)
    per_example = {name: torch.cat(values).cpu().numpy() for name, values in scores.items()}
    return Evaluation(
        loss=float(torch.stack(losses).cpu().sum() / len(inputs)),
        metrics={name: float(values.mean()) for name, values in per_example.items()},
        per_example=per_example,
        predictions=torch.cat(predictions).cpu().numpy(),
    )


def _predicted(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """[batch] or [batch, ...]: the outputs where the targets are as many numbers each, else the likeliest classes."""
    if targets.is_floating_point() and targets.shape == outputs.shape and targets.numel() > len(targets):
        return outputs
    return outputs.argmax(dim=1) if outputs.ndim > 1 and outputs.shape[1] > 1 else outputs.flatten()
