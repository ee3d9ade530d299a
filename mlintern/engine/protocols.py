"""The extension points: what a pack may bring, each a config group with one of these protocols.

A pack's classes need not inherit from these; it is enough that they have the methods. Everything random in them comes
from what they are given (a generator, a step context), never from a global.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch

from mlintern.core.streams import seeding


@dataclasses.dataclass(frozen=True)
class StepContext:
    """Where a training step is: all that a method needs to draw reproducibly."""

    seed: int
    step: int
    epoch: int
    shard: int = 0

    def generator(self, name: str) -> np.random.Generator:
        """A numpy generator for this step and shard; `name` keeps two uses in one step apart."""
        return seeding.generator(self.seed, f"method.{name}", self.step, self.shard)


class Loss(Protocol):
    """Config group `loss`: outputs [batch, ...] and targets [batch, ...] to a scalar, the mean over the batch.

    One that is no mean over its examples is found out, scored over whole parts, and refused where a batch is computed
    in several shards. It may say what a batch weighs by a method `weight_of(targets)`, the sum of its examples' weights
    (of class weights, or of targets that are not ignored); then shards add up to the batch.
    """

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor: ...


class Method(Protocol):
    """Config group `method`: the training step (supervised, mixup, distillation, SimCLR, pruning rounds …)."""

    def loss(
        self, model: torch.nn.Module, criterion: Loss, inputs: torch.Tensor, targets: torch.Tensor, context: StepContext
    ) -> torch.Tensor:
        """Scalar loss of one batch: inputs [batch, ...], targets [batch]."""
        ...


class Schedule(Protocol):
    """Config group `scheduler`: the learning rate's factor as a pure function of the step, so there is no state."""

    def factor(self, step: int, max_steps: int) -> float:
        """What every base learning rate is multiplied with at `step` (0-based)."""
        ...


class Augment(Protocol):
    """Config group `augment`: changes one training example, drawing only from its own generator."""

    def __call__(self, features: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Features [...] of one example to features of the same shape and type."""
        ...


class Metric(Protocol):
    """Config group `metric`: one number per example, so that runs can be compared example by example.

    Where a checkpoint is chosen on it, its class says which way is better, in so many words that a reader of the source
    can see it: `higher_is_better = True`. It may have `weights(targets)`, how much each example counts in the mean [n].
    """

    name: str

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Outputs [n, ...] and targets [n, ...] to finite scores [n], each of its example alone; their mean is the
        metric's value."""
        ...


class Probe(Protocol):
    """Config group `probe`: what a figure shows as one number per test example, from inside the trained model.

    A probe that also has `maps(model, inputs, targets)`, non-negative [n, height, width], is drawn in the report.
    """

    name: str

    def measure(
        self, model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor, annotations: torch.Tensor | None
    ) -> torch.Tensor:
        """The model in eval mode, inputs [n, ...], targets [n] and the data's annotations [n, ...] to values [n].

        Called without gradients; `torch.enable_grad()` gives them. The model must be left as it was.
        """
        ...


class DatasetSource(Protocol):
    """Config group `data`, key `source`: builds or loads a dataset's published parts."""

    def __call__(self) -> Mapping[str, Mapping[str, Any]]:
        """{part: {"features": [n, ...], "labels": [n]}}; a part may also hold "ids", "groups", "times", "sources" [n]
        and "annotations" [n, ...].
        """
        ...
