"""One label per row, where a row has many: the words of a sentence, the pixels of a mask, a target of several numbers.

Checks ask what tells the label, which classes rows have, what a probe scores. For rows with many labels they ask it of
one number that stands in for them: the position whose classes are spread most evenly in train, or the first principal
component of measured targets. Whether labels of equal rows conflict is still asked of all of them.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mlintern.audit.inputs.subject import Subject

_ROWS = 20_000
_POSITIONS = 512


def with_one_label_each(subject: Subject) -> Subject:
    """The subject with labels [n], and labels of more dimensions kept beside them; unchanged where they are [n]."""
    parts = subject.parts()
    if all(part.labels.ndim == 1 for part in parts.values()):
        return subject
    whole = {name: part.labels.reshape(len(part.labels), -1) for name, part in parts.items()}
    classes = subject.splits.classes is not None or whole["train"].dtype.kind in "OUSbiu"
    single = _position(whole) if classes else _component(whole)
    splits = subject.splits.replace(
        **{name: dataclasses.replace(part, labels=single[name]) for name, part in parts.items()}
    )
    return dataclasses.replace(subject, splits=splits, whole_labels=whole)


def _position(whole: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    head = whole["train"][:_ROWS, :_POSITIONS]
    spread = []
    for values in head.T:
        shares = np.unique(values, return_counts=True)[1] / len(values)
        spread.append(float(-(shares * np.log(shares)).sum()))
    chosen = int(np.argmax(spread)) if spread else 0
    return {name: np.ascontiguousarray(labels[:, chosen]) for name, labels in whole.items()}


def _component(whole: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    if whole["train"].shape[1] == 1:
        return {name: labels[:, 0] for name, labels in whole.items()}
    head = np.nan_to_num(whole["train"][:_ROWS, :_POSITIONS].astype(np.float64))
    centre = head.mean(0)
    _, vectors = np.linalg.eigh((head - centre).T @ (head - centre))
    direction = vectors[:, -1]
    direction = direction * (np.sign(direction[np.abs(direction).argmax()]) or 1.0)
    return {
        name: (np.nan_to_num(labels[:, :_POSITIONS].astype(np.float64)) - centre) @ direction
        for name, labels in whole.items()
    }
