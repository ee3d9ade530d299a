"""Splits: what the data stage hands to the audit and to the engine.

The features stay *raw* here and preprocessing stays an object, because a leak in preprocessing can only be seen by
someone who can fit it again on other rows.
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from mlintern.core.errors import UserError

PARTS = ("train", "valid", "test")
_CHUNK = 1 << 26  # bytes of a column that are hashed at a time


def guarded(part: object, key: str) -> contextlib.AbstractContextManager[None]:
    """Within it, what is done to data draws from no global generator; only where it is done is torch there.

    The tool's own draws from none, and is done where torch need not be.
    """
    if type(part).__module__.startswith("mlintern."):
        return contextlib.nullcontext()
    from mlintern.core.streams import guard

    return guard.of_data(part, key)


_FIRST = 16
"""Rows of a part that a pack's preprocessing or view is given again, by themselves."""


def applied(part: object, change: Callable[[np.ndarray], np.ndarray], key: str, features: np.ndarray) -> np.ndarray:
    """What a preprocessing or a view makes of features [n, ...]: a row for each, which the rows after it do not change.

    Rows that come out otherwise beside others are scaled by statistics of test, shuffled, or drawn anew every time.
    The tool's own are as they are.
    """
    if type(part).__module__.startswith("mlintern."):
        return change(features)
    name = type(part).__name__
    first = features[: min(_FIRST, max(1, len(features) // 2))].copy()
    with guarded(part, key):
        made = change(features)
        again, once_more = change(first.copy()), change(first.copy())
    if not isinstance(made, np.ndarray) or made.ndim == 0 or len(made) != len(features):
        said = list(made.shape) if isinstance(made, np.ndarray) else f"a {type(made).__name__}"
        raise UserError(
            f"{key}: {name} gives {said} for features {list(features.shape)}; it must give a numpy array with a row "
            "for each, in their order"
        )
    if made.dtype.kind not in "iubf":
        raise UserError(f"{key}: {name} gives an array of type {made.dtype}; it must give numbers")
    if made.dtype.kind == "f" and not np.isfinite(made).all():
        raise UserError(f"{key}: {name} gives NaN or infinite numbers; guard its logarithms, roots and divisions")
    if not np.array_equal(first, features[: len(first)]):
        raise UserError(f"{key}: {name} changes the features that it is given; let it work on a copy (x = x - mean)")
    alone = np.array_equal(again, once_more) and np.shape(again) == made[: len(first)].shape
    if not alone or not _alike(again, made[: len(first)]):
        raise UserError(
            f"{key}: {name} gives a row other numbers beside other rows, or at another time; what is learned from "
            "data belongs in data.preprocess's fit, and a draw needs np.random.default_rng(seed)"
        )
    return made


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Are two arrays the same to the rounding of another order of the sums?"""
    a, b = np.asarray(a).astype(np.float64), b.astype(np.float64)
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max(initial=0.0)))


def fit(preprocessor: "Preprocessor", rows: list[np.ndarray]) -> "Preprocessor":
    """The preprocessor, fitted on the features [n, ...] of some parts."""
    with guarded(preprocessor, "data.preprocess"):
        fitted = preprocessor.fit(np.concatenate(rows))
    if not callable(getattr(fitted, "transform", None)):
        said = "nothing" if fitted is None else f"a {type(fitted).__name__}"
        raise UserError(
            f"data.preprocess: {type(preprocessor).__name__}.fit gives {said}; it must return what is fitted, with a "
            "method transform (return self, or a copy)"
        )
    return fitted


class Preprocessor(Protocol):
    """Preprocessing that learns from data: `fit` sees only the rows in scope, `transform` may see any row."""

    def fit(self, features: np.ndarray) -> "Preprocessor":
        """Learn from raw features [n, ...] and return a fitted copy; the receiver stays unfitted."""
        ...

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Raw features [n, ...] to model input [n, ...]."""
        ...


@dataclasses.dataclass(frozen=True)
class Examples:
    """One part of the data, row by row. Optional columns are None where the data has none."""

    ids: np.ndarray
    """[n] stable example ids (str), unique over all parts."""
    features: np.ndarray
    """[n, ...] raw features, before anything was fitted."""
    labels: np.ndarray
    """[n] class index (integer) or target (float)."""
    groups: np.ndarray | None = None
    """[n] who the example comes from (patient, user, site), if known."""
    times: np.ndarray | None = None
    """[n] when it was taken, if known."""
    sources: np.ndarray | None = None
    """[n] path or record it was read from, if known."""
    annotations: np.ndarray | None = None
    """[n, ...] numbers that say where or what something is in the example (a lesion's mask), for probes only."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> "Examples":
        """The given rows, in the given order."""
        return Examples(**{name: column[rows] for name, column in self.columns().items() if column is not None})

    def columns(self) -> dict[str, np.ndarray | None]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def fingerprint(self) -> str:
        """sha256 over every column's name, type, shape and bytes: equal data, equal fingerprint, on any machine."""
        digest = hashlib.sha256()
        for name, column in self.columns().items():
            if column is None:
                continue
            digest.update(f"{name}:{column.dtype.kind}:{column.shape};".encode())
            if column.dtype.kind in "OUS":
                digest.update("\0".join(map(str, column.tolist())).encode())
            else:
                step = max(1, _CHUNK // max(1, column[:1].nbytes))  # a table may be larger than memory
                for start in range(0, len(column), step):
                    block = np.ascontiguousarray(column[start : start + step])
                    digest.update(block.astype(block.dtype.newbyteorder("<"), copy=False).tobytes())
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class Splits:
    """The parts of one dataset under one protocol, and how preprocessing is fitted on them."""

    name: str
    train: Examples
    test: Examples
    valid: Examples | None = None
    preprocessor: Preprocessor | None = None
    """Unfitted; None when raw features go to the model as they are."""
    fit_on: tuple[str, ...] = ("train",)
    """The parts whose rows preprocessing is fitted on: ("train",), or ("train", "test") in a leaking protocol."""
    classes: int | None = None
    """Number of classes; None for regression."""

    def parts(self) -> dict[str, Examples]:
        """The parts that exist, in the order train, valid, test."""
        return {name: part for name in PARTS if (part := getattr(self, name)) is not None}

    def fitted(self) -> Preprocessor | None:
        """The preprocessor, fitted on the parts in `fit_on`."""
        if self.preprocessor is None:
            return None
        rows = [part.features for name, part in self.parts().items() if name in self.fit_on]
        return fit(self.preprocessor, rows)

    def transformed(self) -> dict[str, np.ndarray]:
        """Model inputs per part, {name: [n, ...]}, after preprocessing was fitted on its scope."""
        fitted = self.fitted()
        if fitted is None:
            return {name: part.features for name, part in self.parts().items()}
        return {
            name: applied(fitted, fitted.transform, "data.preprocess", part.features)
            for name, part in self.parts().items()
        }

    def fingerprints(self) -> dict[str, str]:
        """{part: sha256} of the raw data, for records and audits."""
        return {name: part.fingerprint() for name, part in self.parts().items()}

    def replace(self, **changes: Any) -> "Splits":
        return dataclasses.replace(self, **changes)
