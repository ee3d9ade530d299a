"""What plants leaks in a copy of a subject's data for the canaries; the planter of a kind stands in its check's file.

Rows that are copies, interpolations, mates or late are planted in test, and the check should name them; what concerns
columns, preprocessing or a choice is planted as a whole, one way after the other. Where a check is costly, the copy has
some rows of the data, drawn at random.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from mlintern.audit.inputs.graphs import renumbered
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.search.texts import reworded

_PLANTED = 20
FEWEST = 40  # test rows below which nothing is planted
_JITTER = 0.01  # of a column's deviation
ROWS = 2000, 1000  # training and test rows of a smaller copy
FEW = 200  # test rows of one where each costs much


@dataclasses.dataclass(frozen=True)
class Planting:
    """A copy of the subject with a leak in it."""

    what: str
    subject: Subject
    rows: np.ndarray | None = None
    """The planted test rows; None where the leak is one of the whole split."""


Planter = Callable[[Subject, np.random.Generator], Iterator[Planting]]


def smaller(subject: Subject, rows: tuple[int, int] = ROWS) -> Subject:
    """The subject with at most these numbers of training and test rows."""
    train, test = (subject.sample(part, limit, "canaries") for part, limit in zip(("train", "test"), rows, strict=True))
    return subject.take(train, test)


def fits(subject: Subject) -> bool:
    """A text beside other columns is no row by itself, and a small part has no room for planted rows."""
    return subject.texts is None and len(subject.test) >= FEWEST


def places_and_twins(subject: Subject, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of test that are replaced, and rows of train that they are made of."""
    number = min(_PLANTED, len(subject.test) // 4, len(subject.train) // 4)
    places = np.sort(rng.choice(len(subject.test), number, replace=False))
    return places, rng.choice(len(subject.train), number, replace=False)


def put(subject: Subject, part: str, places: np.ndarray, rows: np.ndarray, **columns: np.ndarray) -> Subject:
    """The subject with other features, and other values of `columns`, in some rows of a part."""
    old = subject.parts()[part]
    kept = rows.dtype.kind in "OUS"  # strings of a fixed length would be cut
    features = old.features.astype(object if kept else np.result_type(old.features, rows), copy=True)
    features[places] = rows
    changed = {}
    for name, values in columns.items():
        changed[name] = np.array(getattr(old, name))
        changed[name][places] = values
    splits = subject.splits.replace(**{part: dataclasses.replace(old, features=features, **changed)})
    return dataclasses.replace(subject, splits=splits)


def disguised(subject: Subject, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Training rows as near copies: mirrored, louder, renumbered, reworded or jittered, by kind of data."""
    features = subject.train.features[rows]
    if subject.kind_of_data == "image":
        axis = 2 if features.ndim == 3 or features.shape[1] not in (1, 3, 4) else 3
        return np.flip(features, axis=axis)
    if subject.kind_of_data == "series":
        return (features * 1.5).astype(features.dtype)
    if subject.kind_of_data == "graph":
        return np.array([renumbered(graph, rng) for graph in features], dtype=features.dtype)
    if subject.kind_of_data == "text":
        texts = [reworded(str(text), rng) for text in features.ravel().tolist()]
        return np.array(texts, dtype=object).reshape(features.shape)
    if features.dtype.kind not in "fiu":
        return features
    sample = subject.train.features[subject.sample("train", subject.options.max_rows, "canaries", "spread")]
    spread = np.nanstd(sample.astype(np.float64), axis=0)
    coded = np.array([len(np.unique(column)) <= 20 for column in subject.flat("train")[:2000].T]).reshape(
        features.shape[1:]
    )  # codes stay what they are
    moved = features + np.where(coded, 0, _JITTER * spread) * rng.normal(size=features.shape)
    return moved.astype(np.float64)
