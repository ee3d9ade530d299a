"""Canaries: known copies planted in a copy of the user's own data, so that a PASS says how much it is worth.

A check that found nothing is run again after some test rows were replaced by training rows: as they are for exact
duplicates; jittered, mirrored, louder, reworded or renumbered (by kind of data) for near ones. The share it then names
is its recall on these very data: on two low-dimensional columns a near copy cannot be told from chance, and a PASS is
worth little there.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from mlintern.audit.graphs import renumbered
from mlintern.audit.randomness import generator
from mlintern.audit.report import Kind, Status
from mlintern.audit.subject import Outcome, Subject
from mlintern.audit.texts import reworded

_PLANTED = 20
_JITTER = 0.01  # of a column's deviation
PLANTABLE = (Kind.EXACT_DUPLICATE, Kind.NEAR_DUPLICATE)


def _disguised(subject: Subject, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Training rows as near copies of themselves."""
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
    spread = np.nanstd(subject.train.features.astype(np.float64), axis=0)
    coded = np.array([len(np.unique(column)) <= 20 for column in subject.flat("train")[:2000].T]).reshape(
        features.shape[1:]
    )  # codes stay what they are
    moved = features + np.where(coded, 0, _JITTER * spread) * rng.normal(size=features.shape)
    return moved.astype(np.float64)


def with_canaries(subject: Subject, kind: Kind) -> tuple[Subject, np.ndarray]:
    """A copy of the subject with training rows planted in test, and their row numbers there."""
    rng = generator(subject.options.seed, "canaries", kind.value)
    number = min(_PLANTED, len(subject.test) // 4, len(subject.train) // 4)
    places = np.sort(rng.choice(len(subject.test), number, replace=False))
    twins = rng.choice(len(subject.train), number, replace=False)
    copies = subject.train.features[twins] if kind is Kind.EXACT_DUPLICATE else _disguised(subject, twins, rng)
    kept = copies.dtype.kind in "OUS"  # strings of a fixed length would be cut
    kind_of_array = object if kept else np.result_type(subject.test.features, copies)
    features = subject.test.features.astype(kind_of_array, copy=True)
    features[places] = copies
    test = dataclasses.replace(subject.test, features=features)
    return dataclasses.replace(subject, splits=subject.splits.replace(test=test)), places


def with_recall(subject: Subject, kind: Kind, check: Callable[[Subject], Outcome], outcome: Outcome) -> Outcome:
    """The outcome of a check that found nothing, with its recall on planted copies in its reason."""
    fits = subject.texts is None and len(subject.test) >= 40  # a text beside other columns is no row by itself
    if kind not in PLANTABLE or outcome.status is not Status.PASS or outcome.findings or not fits:
        return outcome
    planted, places = with_canaries(subject, kind)
    found = [f for f in check(planted).findings if f.kind is kind]
    rows = found[0].evidence["rows"]["test"] if found else []
    hit = int(np.isin(places, rows).sum())
    return dataclasses.replace(
        outcome, reason=f"{outcome.reason}; of {len(places)} copies planted in these data it names {hit}"
    )
