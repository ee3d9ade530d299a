"""Scoring: what a model put out against what was true, by code that nobody but the tool's authors wrote.

Outputs come as frames from a process that does not know the targets. They are counted, put back into the published
order, and scored batch by batch as they would be in one process, so that the numbers are the same to the bit. Where
they are too large for that they are scored in the order in which they come, and never held.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from mlintern.core.errors import UserError
from mlintern.engine import losses
from mlintern.engine.config import CellConfig
from mlintern.engine.evaluate import Evaluation, Scorer
from mlintern.engine.instantiate import build
from mlintern.engine.trusted import is_trusted

HELD_BYTES = 256 << 20
"""Outputs of one part that are held to be put in order."""
Frame = tuple[dict[str, Any], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What outputs of a part are scored against."""

    targets: np.ndarray
    """[n, ...] in published order."""
    order: np.ndarray | None = None
    """The published place [n] of every row as it comes; None where it comes in published order."""

    def __len__(self) -> int:
        return len(self.targets)


class Unscored:
    """Stands where the loss is the pack's own, which only the pack's own process can call."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.tensor(math.nan)

    def weight_of(self, targets: torch.Tensor) -> int:
        """As of a mean over examples, so that nothing is kept for it."""
        return len(targets)


class Trusted:
    """Loss and metrics of a cell, those that the tool knows; what is the pack's own is left out."""

    def __init__(self, config: CellConfig):
        self.criterion = losses.make(config.loss) if is_trusted(config.loss) else None
        kept = {name: item for name, item in config.metrics.items() if is_trusted(item)}
        self.metrics = [build(item, f"metrics.{name}") for name, item in kept.items()]
        self.batch_size = config.trainer.eval_batch_size

    def score(self, part: str, wanted: Wanted, frames: Iterator[Frame]) -> Evaluation:
        """Score the frames of one part; raises UserError for outputs that are not in order."""
        batches = _batches(part, len(wanted), self.batch_size, frames)
        if wanted.order is None:
            return self._scored(batches, wanted.targets)
        first = next(batches)
        if math.prod(first.shape[1:]) * first.itemsize * len(wanted) > HELD_BYTES:
            found = self._scored(_after(first, batches), wanted.targets[wanted.order])
            back = np.argsort(wanted.order)
            kept = {name: values[back] for name, values in found.per_example.items()}
            return dataclasses.replace(found, per_example=kept, predictions=found.predictions[back])
        held = np.empty((len(wanted), *first.shape[1:]), first.dtype)
        at = 0
        for batch in _after(first, batches):
            held[wanted.order[at : at + len(batch)]] = batch
            at += len(batch)
        return self._scored((held[i : i + self.batch_size] for i in range(0, at, self.batch_size)), wanted.targets)

    def _scored(self, batches: Iterator[np.ndarray], targets: np.ndarray) -> Evaluation:
        scorer, truth, at = Scorer(self.criterion or Unscored(), self.metrics), torch.from_numpy(targets), 0
        with torch.no_grad():
            for batch in batches:
                try:
                    scorer.add(torch.from_numpy(batch), truth[at : at + len(batch)])
                except (RuntimeError, ValueError, IndexError, TypeError) as error:
                    shapes = f"outputs {list(batch.shape)}, targets {[len(batch), *targets.shape[1:]]}"
                    reason = str(error).strip().splitlines()[0]
                    raise UserError(f"outputs: they cannot be scored ({shapes}): {reason}") from None
                at += len(batch)
        return scorer.evaluation()


def _batches(part: str, count: int, size: int, frames: Iterator[Frame]) -> Iterator[np.ndarray]:
    """Exactly `count` rows in batches of `size`, from frames of one part, alike in type and shape."""
    done, like = 0, None
    pieces: list[np.ndarray] = []
    while done < count:
        frame = next(frames, None)
        rows = done + sum(map(len, pieces))
        if frame is None:
            raise UserError(f"outputs: {rows} rows for the {count} of {part}, and then no more")
        notes, values = frame
        if notes != {"part": part}:
            raise UserError(f"outputs: {str(notes)[:80]} in the middle of the rows of {part}")
        like = like or (values.dtype, values.shape[1:])
        if (values.dtype, values.shape[1:]) != like or not len(values):
            raise UserError(f"outputs: a batch of shape {list(values.shape)} after others of {['n', *like[1]]}")
        if rows + len(values) > count:
            raise UserError(f"outputs: more rows than the {count} of {part}")
        pieces.append(values)
        while (held := sum(map(len, pieces))) >= min(size, count - done) and held:
            batch = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
            wanted = min(size, count - done)
            pieces = [batch[wanted:]] if len(batch) > wanted else []
            done += wanted
            yield batch[:wanted]


def _after(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest


def values_of(frame: Frame | None, part: str, name: str, count: int, scores: Callable[[str], bool]) -> np.ndarray:
    """The values that a measurement answered with, float64 [count]; raises UserError for anything else."""
    notes, values = frame if frame is not None else ({}, np.empty(0))
    if notes != {"part": part, "name": name} or values.dtype != np.float64 or values.shape != (count,):
        raise UserError(
            f"metrics.{name}: gave {values.dtype} {list(values.shape)} for the {count} rows of {part}; it must give "
            "one number each"
        )
    if not scores(name) and not np.isfinite(values).all():
        raise UserError(f"metrics.{name}: gave values for {part} that are not finite")
    return values
