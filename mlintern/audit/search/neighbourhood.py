"""The neighbours that several checks read, computed once per subject."""

import dataclasses
import functools

import numpy as np

from mlintern.audit.inputs.subject import Subject, id_like
from mlintern.audit.randomness import drawn
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.search.index import index_of
from mlintern.audit.search.neighbours import nearest, quantile_space

_NEIGHBOURS = 30


@dataclasses.dataclass(frozen=True)
class Neighbourhood:
    """Distances and row numbers of neighbours among the training rows looked at, in quantile space."""

    rows: dict[str, np.ndarray]
    """{part: row numbers looked at}."""
    points: dict[str, np.ndarray]
    asked: np.ndarray
    """Places in points["train"] of the training rows whose own neighbours were sought: all, or `max_rows` drawn."""
    own: tuple[np.ndarray, np.ndarray]
    """Those among all training rows: distances [asked, k], rows [asked, k] (places in points["train"])."""
    other: tuple[np.ndarray, np.ndarray]
    """Test rows to training rows."""
    columns: np.ndarray
    """The feature columns that were compared."""
    note: str = ""
    """How neighbours were sought, where that was not pair by pair."""


def own_and_other(
    train: np.ndarray, test: np.ndarray, k: int, asked: np.ndarray, options: AuditOptions
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], str]:
    """Neighbours among train of its rows `asked` and of test, as `nearest` has them, and how they were sought: pair by
    pair up to `max_rows` per part, through an index beyond."""
    if max(len(train), len(test)) > options.max_rows:
        index = index_of(train, options)
        return index.search(train[asked], k, asked), index.search(test, k), index.note()
    return nearest(train, train, k, itself=True), nearest(test, train, k), ""


@functools.lru_cache(maxsize=2)
def neighbourhood(subject: Subject) -> Neighbourhood | str:
    """Neighbours of training and test rows, or why there are none. Cached: several checks read it."""
    if not subject.numeric:
        return "features are no numbers"
    ignored = id_like(subject)
    columns = np.flatnonzero(~ignored)
    # the points, the index and a copy of each; and two such sets, as the canaries have one too
    room = subject.options.memory_bytes() // 4 // max(1, 16 * len(columns))
    if room < 200:
        return f"{len(columns)} columns do not fit audit.memory={subject.options.memory}"
    rows = {part: subject.sample(part, room, "near") for part in ("train", "test")}
    raw = [subject.flat(part) for part in rows]
    chosen = (flat if len(flat) == len(rows[part]) else flat[rows[part]] for part, flat in zip(rows, raw, strict=True))
    train, test = quantile_space(*chosen, columns=columns)
    if len(train) < 40 or train.shape[1] < 2:
        return f"{len(train)} training rows with {train.shape[1]} varying columns tell nothing about spacing"
    asked = drawn(len(train), subject.options.max_rows, subject.options.seed, "sample", "train", "near", "own")
    own, other, note = own_and_other(train, test, min(_NEIGHBOURS, len(train) // 4), asked, subject.options)
    return Neighbourhood(rows, {"train": train, "test": test}, asked, own, other, columns, note)
