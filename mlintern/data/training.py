"""What an experiment does to the published parts before anything else: fewer training examples, or wrong labels.

Both are fixed draws of the data, the same for every seed of the study, so that cells differ in training only.
"""

import dataclasses
from typing import Annotated, ClassVar

import numpy as np

from mlintern.core.errors import UserError
from mlintern.core.ranges import Range
from mlintern.core.schema import Group, Number, Whole
from mlintern.core.streams import seeding
from mlintern.data.splits import PARTS, Examples


def fewer(train: Examples, size: int, seed: int = 0) -> Examples:
    """`size` of the training examples, in their order: classes in the proportions they have, whole groups where there
    are groups.

    Sizes are nested: the examples of a smaller size are among those of a larger one. Raises UserError for a size that
    the part does not have.
    """
    if not 1 <= size <= len(train):
        raise UserError(f"data.train_size={size}: the training part has {len(train)} examples; give 1 to {len(train)}")
    if train.groups is not None:
        order = _by_group(train.groups, seed)
    elif train.labels.ndim == 1 and train.labels.dtype.kind in "iubUS":
        order = _by_class(train.labels, seed)
    else:
        order = seeding.generator(seed, "train-size").permutation(len(train))
    return train.take(np.sort(order[:size]))


def _by_class(labels: np.ndarray, seed: int) -> np.ndarray:
    """An order [n] of the rows in which every beginning holds the classes in proportion, to within one example."""
    rank = np.empty(len(labels))
    for i, value in enumerate(np.unique(labels)):
        rows = seeding.generator(seed, "train-size", i).permutation(np.flatnonzero(labels == value))
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.lexsort((np.arange(len(labels)), rank))


def _by_group(groups: np.ndarray, seed: int) -> np.ndarray:
    """An order [n] of the rows, group by group; the last group of a beginning may be there in part."""
    names, index = np.unique(groups, return_inverse=True)
    place = np.argsort(seeding.generator(seed, "train-size").permutation(len(names)))
    return np.argsort(place[index], kind="stable")


@dataclasses.dataclass(frozen=True)
class LabelNoise(Group):
    """Wrong labels on purpose (`data.label_noise`): a fixed share of each part named gets another class."""

    KEY: ClassVar[str] = "data.label_noise"
    fraction: Annotated[Number, Range(0, 1)]
    """Share of the labels that become wrong, in [0, 1]; exactly round(fraction * n) of n do."""
    parts: tuple[str, ...] = ("train",)
    """Published parts that are changed; a hold-out is drawn from train afterwards."""
    seed: Whole = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.parts or set(self.parts) - set(PARTS):
            raise UserError(f"data.label_noise.parts={list(self.parts)}: choose from {', '.join(PARTS)}")
        seeding.check_seed(self.seed)

    def applied(self, name: str, part: Examples, classes: int) -> Examples:
        """The part with its share of wrong labels; each is drawn evenly from the other classes."""
        if name not in self.parts:
            return part
        if part.labels.dtype.kind not in "iu" or part.labels.ndim != 1 or classes < 2:
            raise UserError("data.label_noise: needs a class index per example, and two classes or more")
        generator = seeding.generator(self.seed, "label-noise", name)
        rows = generator.permutation(len(part))[: round(self.fraction * len(part))]
        labels = part.labels.copy()
        labels[rows] = (labels[rows] + generator.integers(1, classes, size=len(rows))) % classes
        return dataclasses.replace(part, labels=labels)
