"""Rows: one part of the data as the engine takes it, whoever prepared it and wherever it is used.

Training is given the rows of train and valid and no others; the rows of test are with whoever scores.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlintern.core.errors import UserError
from mlintern.core.schema import FreeGroup
from mlintern.core.streams import seeding
from mlintern.data.splits import Splits
from mlintern.engine.config import CellConfig

MOST_NAMED = 10
"""Labels that a message names."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """One part: what the model is given, and what it is held against."""

    inputs: np.ndarray
    """[n, ...] after view and preprocessing: float32, or int64 for whole numbers (token ids)."""
    targets: np.ndarray
    """[n, ...] int64 class indices or float32 numbers."""
    annotations: np.ndarray | None = None
    """[n, ...] for probes only; None where the data have none."""
    top: int | None = None
    """The highest class index in any part, test too, where labels are whole numbers; all that training is told of it.
    """

    def __len__(self) -> int:
        return len(self.inputs)


def to_inputs(features: np.ndarray) -> np.ndarray:
    """Features [n, ...] as torch sees them: real numbers as float32, whole numbers (token ids) as int64."""
    if features.dtype.kind != "f":
        return np.ascontiguousarray(features.astype(np.int64))
    with np.errstate(over="ignore"):
        inputs = np.ascontiguousarray(features.astype(np.float32))
    if features.itemsize > inputs.itemsize and not np.isfinite(inputs).all():
        raise UserError(
            "data: features go beyond what float32 holds (3.4e38); scale them in data.source or by data.preprocess"
        )
    return inputs


def to_targets(labels: np.ndarray) -> np.ndarray:
    """Class indices as int64, regression targets as float32."""
    if labels.dtype.kind not in "iubf":
        raise UserError(f"data: labels of type {labels.dtype}; give class indices or numbers")
    return np.ascontiguousarray(labels.astype(np.float32 if labels.dtype.kind == "f" else np.int64))


def ignored(config: CellConfig) -> int:
    """The label that stands for none (`loss.ignore_index`): it is no class, however high its number."""
    index = config.loss.get("ignore_index")
    return -100 if index is None else int(index)


def of_splits(splits: Splits, none: int | None = None) -> dict[str, Rows]:
    """{part: its rows}, preprocessing fitted on its scope; `none` is the label that is no class."""
    inputs = splits.transformed()
    top = highest(splits, none)
    return {
        name: Rows(to_inputs(inputs[name]), to_targets(part.labels), part.annotations, top)
        for name, part in splits.parts().items()
    }


def highest(splits: Splits, none: int | None = None) -> int | None:
    """The highest whole number among all labels but `none`; None where they are none.

    Raises UserError for parts whose labels are not alike, and for classes that the data are not said to have: training,
    which sees no test row, could not know.
    """
    train, parts = splits.train.labels, splits.parts()
    for name, part in parts.items():
        if part.labels.shape[1:] != train.shape[1:] or (part.labels.dtype.kind == "f") != (train.dtype.kind == "f"):
            raise UserError(
                f"data.source: labels of train are {list(train.shape)} {train.dtype} and those of {name} "
                f"{list(part.labels.shape)} {part.labels.dtype}; give every part the same"
            )
    if train.dtype.kind not in "iub" or not all(part.labels.size for part in parts.values()):
        return None
    tops = {name: int(part.labels[part.labels != none].max(initial=0)) for name, part in parts.items()}
    name = max(tops, key=lambda part: tops[part])
    if splits.classes is not None and tops[name] >= splits.classes:
        raise UserError(
            f"data.classes={splits.classes}: labels of {name} go up to {tops[name]}; set "
            f"data.classes={tops[name] + 1}, or number the classes from 0"
        )
    return tops[name]


def unseen(targets: Mapping[str, np.ndarray], none: int) -> dict[str, dict[str, Any]]:
    """{part: {"labels", "rows", "of"}} of the labels that no training example has: the first few, on how many rows of
    how many. Only of parts with one whole number an example, `none` aside; where that is no class, nobody asks."""
    train, found = targets["train"], {}
    for part, labels in targets.items():
        if train.dtype.kind == "f" or labels.size != len(labels):
            continue
        new = ~np.isin(labels, train) & (labels != none)
        if new.any():
            some = np.unique(labels[new])[:MOST_NAMED].tolist()
            found[part] = {"labels": some, "rows": int(new.sum()), "of": len(labels)}
    return found


def seen(config: CellConfig, splits: Splits) -> tuple[dict[str, Rows], dict[str, Any]]:
    """The rows that training may see, and what a control's model is built with; else nothing."""
    parts = of_splits(splits, ignored(config))
    sizes = sizes_of(config, splits, {name: part.inputs for name, part in parts.items()})
    return {name: part for name, part in parts.items() if name != "test"}, sizes


def is_control(model: FreeGroup) -> bool:
    """Is this the configuration of a control's model, which the data size?"""
    return model.target.startswith("mlintern.engine.controls.")


def sizes_of(config: CellConfig, splits: Splits, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What a control's model is built with; nothing for a model that its configuration decides."""
    return sizes(splits, inputs, ignored(config)) if is_control(config.model) else {}


def sizes(splits: Splits, inputs: Mapping[str, np.ndarray], none: int | None = None) -> dict[str, Any]:
    """The inputs' shape, the number of outputs, and how many tokens there are: of every part, test included."""
    labels = np.concatenate([part.labels for part in splits.parts().values()])
    classes = splits.classes or (int(labels[labels != none].max()) + 1 if labels.dtype.kind in "iu" else None)
    tokens = inputs["train"].dtype.kind != "f"
    return {
        "shape": list(inputs["train"].shape[1:]),
        "outputs": classes or math.prod(labels.shape[1:]),
        "vocabulary": max(int(part.max()) for part in inputs.values()) + 1 if tokens else None,
    }


def dealt(config: CellConfig, targets: np.ndarray) -> np.ndarray:
    """Training targets [n] as this cell learns them: dealt anew where it is the control of shuffled labels.

    What is then learnt of the test part came by another way than the labels.
    """
    if not config.data.shuffle_labels:
        return targets
    return targets[seeding.generator(config.seed, "control").permutation(len(targets))]
