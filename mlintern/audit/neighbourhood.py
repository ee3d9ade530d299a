"""The neighbours that several checks read, computed once per subject."""

import dataclasses
import functools

import numpy as np

from mlintern.audit.duplicates import id_like
from mlintern.audit.neighbours import nearest, quantile_space
from mlintern.audit.subject import Subject

_NEIGHBOURS = 30


@dataclasses.dataclass(frozen=True)
class Neighbourhood:
    """Distances and row numbers of neighbours among the training rows looked at, in quantile space."""

    rows: dict[str, np.ndarray]
    """{part: row numbers looked at}."""
    points: dict[str, np.ndarray]
    own: tuple[np.ndarray, np.ndarray]
    """Training rows among themselves: distances [n, k], rows [n, k] (places in points["train"])."""
    other: tuple[np.ndarray, np.ndarray]
    """Test rows to training rows."""
    columns: np.ndarray
    """The feature columns that were compared."""


@functools.lru_cache(maxsize=2)
def neighbourhood(subject: Subject) -> Neighbourhood | str:
    """Neighbours of training and test rows, or why there are none. Cached: several checks read it."""
    if not subject.numeric:
        return "features are no numbers"
    ignored = id_like(subject)
    columns = np.flatnonzero(~ignored)
    limit = subject.options.max_rows
    room = subject.options.memory_bytes() // 4 // max(1, 12 * len(columns))
    if room < 200:
        return f"{len(columns)} columns do not fit audit.memory={subject.options.memory}"
    rows = {part: subject.sample(part, min(limit, room), "near") for part in ("train", "test")}
    train, test = quantile_space(
        subject.flat("train")[rows["train"]][:, columns], subject.flat("test")[rows["test"]][:, columns]
    )
    if len(train) < 40 or train.shape[1] < 2:
        return f"{len(train)} training rows with {train.shape[1]} varying columns tell nothing about spacing"
    own = nearest(train, train, min(_NEIGHBOURS, len(train) // 4), itself=True)
    return Neighbourhood(rows, {"train": train, "test": test}, own, nearest(test, train, own[0].shape[1]), columns)
