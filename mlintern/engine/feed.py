"""Where a batch is made: feeds give the training batches, by step.

Both feeds give the same bits for the same step, whatever came before: the order is looked up per epoch, and an
augmentation draws from key(seed, "augment", epoch, row). `TensorFeed` indexes tensors (small data, no augmentation);
`LoaderFeed` runs a DataLoader, whose workers get epoch and row with every sample, because an attribute set on a
dataset never reaches a worker that is already running.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mlintern.core.streams import guard, seeding
from mlintern.engine.inside import Inside
from mlintern.engine.protocols import Augment

BLOCK = 1 << 20
"""Bytes that are gathered at once, at most, unless one batch has more."""
ALIGNMENT = 64
"""Bytes to a multiple of which torch aligns the tensors that it makes."""


class Batch(NamedTuple):
    """One training batch."""

    inputs: torch.Tensor
    """[batch, ...]"""
    targets: torch.Tensor
    """[batch]"""


class Order:
    """Which rows make up the batch of a step: every epoch runs over all rows once, the last batch may be short."""

    def __init__(self, n: int, batch_size: int, seed: int, kind: Literal["reshuffled", "fixed"]):
        self.n, self.batch_size, self.seed, self.kind = n, min(batch_size, n), seed, kind
        self.steps_per_epoch = -(-n // self.batch_size)
        self._epoch, self._rows = -1, np.empty(0, dtype=np.int64)

    def epoch_of(self, step: int) -> int:
        return step // self.steps_per_epoch

    def rows(self, step: int, steps: int = 1) -> np.ndarray:
        """Row numbers [batch] of the given step, or of that many steps from it on, as far as its epoch goes."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            fixed = self.kind == "fixed"
            self._rows = np.arange(self.n) if fixed else seeding.epoch_order(self.seed, epoch, self.n)
            self._epoch = epoch
        return self._rows[position * self.batch_size : (position + steps) * self.batch_size]


class _Gathered:
    """The rows of one step after another, copied for several steps at a time: small copies cost less than their calls.

    Each batch is a tensor of its own to autograd, and real numbers start where a new tensor's could: a matrix product
    may round by how its inputs are aligned.
    """

    def __init__(self, values: torch.Tensor, order: Order):
        self.values, self.order = values, order
        size = order.batch_size * values[:1].numel() * values.element_size()
        alike = size % ALIGNMENT == 0 or not values.is_floating_point()
        self.steps = max(BLOCK // size, 1) if size and alike else 1
        self.batches: Iterator[torch.Tensor] = iter(())

    def at(self, step: int) -> torch.Tensor:
        """[batch, ...]; steps are asked for one after another."""
        batch = next(self.batches, None)
        if batch is None:
            rows = torch.from_numpy(self.order.rows(step, self.steps)).to(self.values.device)
            self.batches = iter(self.values.index_select(0, rows).split(self.order.batch_size))
            batch = next(self.batches)
        return batch.data


class TensorFeed:
    """Batches by index from tensors that are already on the device: no per-sample work at all."""

    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor, order: Order):
        self.inputs, self.targets, self.order = inputs, targets, order
        self.augment = None

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches of the steps start … stop-1."""
        of_inputs, of_targets = _Gathered(self.inputs, self.order), _Gathered(self.targets, self.order)
        for step in range(start, stop):
            yield Batch(of_inputs.at(step), of_targets.at(step))

    def take_down(self, step: int, batch: Batch, inside: Inside) -> None:
        """Note the step's rows, the examples, and the batch that is made of them as they are."""
        rows = self.order.rows(step)
        inside.note("rows", "row numbers", rows)
        inside.note("example", "inputs before augmentation", self.inputs[torch.from_numpy(rows)])
        _take_down(batch, inside)


class _Keyed(Dataset):
    """Rows by (epoch, row), augmented by a generator of their own."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, augment: Augment | None, seed: int):
        self.features, self.labels, self.augment, self.seed = features, labels, augment, seed

    def __getitem__(self, place: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        epoch, row = place
        features = self.features[row]
        if self.augment is not None:
            with guard.STREAMS.of(self.seed, "augment", epoch, row):
                features = self.augment(features, seeding.generator(self.seed, "augment", epoch, row))
        return torch.from_numpy(np.ascontiguousarray(features)), torch.as_tensor(self.labels[row])


class _Places:
    """Batch sampler: the (epoch, row) pairs of each step."""

    def __init__(self, order: Order, start: int, stop: int):
        self.order, self.start, self.stop = order, start, stop

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for step in range(self.start, self.stop):
            epoch = self.order.epoch_of(step)
            yield [(epoch, int(row)) for row in self.order.rows(step)]

    def __len__(self) -> int:
        return self.stop - self.start


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)


class LoaderFeed:
    """Batches from a DataLoader with any number of workers, per-sample augmentation included."""

    def __init__(
        self, features: np.ndarray, labels: np.ndarray, order: Order, seed: int, augment: Augment | None, workers: int
    ):
        self.augment = augment
        self.dataset = _Keyed(features, labels, augment, seed)
        self.order, self.seed, self.workers = order, seed, workers

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches of the steps start … stop-1."""
        loader = DataLoader(
            self.dataset,
            batch_sampler=_Places(self.order, start, stop),
            num_workers=self.workers,
            worker_init_fn=_one_thread,
            generator=seeding.torch_generator(self.seed, "loader"),  # else each iterator draws from the global one
            multiprocessing_context="fork" if self.workers else None,
        )
        for inputs, targets in loader:
            yield Batch(inputs, targets)

    def take_down(self, step: int, batch: Batch, inside: Inside) -> None:
        """Note the step's rows, the examples before they were augmented, and the batch."""
        rows = self.order.rows(step)
        inside.note("rows", "row numbers", rows)
        inside.note("example", "inputs before augmentation", self.dataset.features[rows])
        _take_down(batch, inside)


def _take_down(batch: Batch, inside: Inside) -> None:
    inside.note("batch", "inputs", batch.inputs)
    inside.note("batch", "targets", batch.targets)
