"""Traces that fitted preprocessing leaves in the rows it was fitted on, and how often chance leaves them.

A tolerance is a small fraction of the sampling error (never a number of its own), so the chance that rows which were
not the fitted ones hold a sign is that fraction, whatever the number of rows.
"""

import dataclasses
import warnings
from collections.abc import Callable

import numpy as np

_SHARE = 0.002  # of the sampling error of a mean
_ROUNDING = 1e-5  # what single precision leaves of a mean or a deviation
_WITHIN = 0.8 * _SHARE  # chance that a normal value lies within the tolerance
_BOTH = 3 * _WITHIN**2  # and that a mean and a deviation (over n or n - 1, of smaller error than the mean) do
_WIDEST = 512  # columns up to which correlations are looked at


@dataclasses.dataclass(frozen=True)
class Sign:
    """One trace: where to look for it, whether a column shows it, and how likely that is by chance."""

    name: str
    holds: Callable[[np.ndarray], np.ndarray]
    """Rows [n, d] to [d] bool."""
    chance: float | None
    """Per test; None where natural bounds look the same."""
    asked: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """Rows [n, d] and the measured columns to the columns worth asking."""
    tests: Callable[[int], int] = lambda columns: columns


def measured(block: np.ndarray) -> np.ndarray:
    """Columns with more than ten distinct values among their first rows, and few gaps."""
    head = block[:2000]
    return np.array(
        [c for c in range(block.shape[1]) if len(np.unique(head[:, c])) > 10 and np.isfinite(head[:, c]).mean() >= 0.5],
        dtype=np.int64,
    )


def _tolerance(block: np.ndarray) -> np.ndarray:
    """[d] what a mean of these rows may differ from its aim."""
    return np.maximum(_SHARE / np.sqrt(np.maximum(np.isfinite(block).sum(0), 1)), min(_ROUNDING, 1 / len(block)))


def _moments(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.where(np.isfinite(block), block, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of gaps has no mean, and holds no sign
        return np.asarray(np.nanmean(known, 0, dtype=np.float64)), np.asarray(np.nanstd(known, 0, dtype=np.float64))


def _standard(block: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1."""
    mean, spread = _moments(block)
    close, n = _tolerance(block), len(block)
    unbiased = spread * np.sqrt(n / max(n - 1, 1))
    return (np.abs(mean) < close) & ((np.abs(spread - 1) < close) | (np.abs(unbiased - 1) < close))


def _robust(block: np.ndarray) -> np.ndarray:
    """Median 0 and quartiles one apart."""
    low, middle, high = np.nanquantile(block, (0.25, 0.5, 0.75), axis=0)
    close = _tolerance(block)
    return (np.abs(middle) < close) & (np.abs(high - low - 1) < close)


def _all_of_one(block: np.ndarray) -> np.ndarray:
    """One mean and one deviation over all columns together."""
    values = block.reshape(-1, 1)
    return _standard(values)


def _ranged(block: np.ndarray) -> np.ndarray:
    """The range [0, 1] or [-1, 1] filled exactly, by single rows: no bound of nature."""
    found = np.zeros(block.shape[1], bool)
    with np.errstate(invalid="ignore"):
        for low in (0.0, -1.0):
            at_low, at_high = (np.abs(block - low) < 1e-6).sum(0), (np.abs(block - 1) < 1e-6).sum(0)
            inside = (np.nanmin(block, 0) >= low - 1e-6) & (np.nanmax(block, 0) <= 1 + 1e-6)
            few = np.minimum(at_low, at_high) <= 2 + len(block) // 500
            found |= inside & (at_low >= 1) & (at_high >= 1) & few
    return found


def _largest_one(block: np.ndarray) -> np.ndarray:
    """The largest absolute value 1, reached by single rows."""
    size = np.abs(block)
    reached = (np.abs(size - 1) < 1e-6).sum(0)
    return (np.nanmax(size, 0) <= 1 + 1e-6) & (reached >= 1) & (reached <= 2 + len(block) // 500)


def _even_ranks(block: np.ndarray) -> np.ndarray:
    """Values at equal steps from 0 to 1, or at the normal quantiles of equal steps."""
    from scipy.special import ndtr

    steps = (np.arange(len(block)) + 0.5) / len(block)
    found = np.zeros(block.shape[1], bool)
    for c in range(block.shape[1]):
        values = np.sort(block[:, c].astype(np.float64))
        if not np.isfinite(values).all() or values[0] == values[-1]:
            continue
        for places in (values, ndtr(values)):
            found[c] |= np.abs(places - steps).max() * np.sqrt(len(block)) < 0.1
    return found


def _uncorrelated(block: np.ndarray) -> np.ndarray:
    """[pairs] columns of mean 0 whose correlation is 0 to the last digits."""
    if not np.isfinite(block).all():
        return np.zeros(block.shape[1] * (block.shape[1] - 1) // 2, bool)
    values = block.astype(np.float64)
    spread = np.maximum(values.std(0), 1e-300)
    centred = np.abs(values.mean(0)) < _tolerance(block) * spread
    together = np.atleast_2d(np.corrcoef(values.T))
    one, two = np.triu_indices(block.shape[1], 1)
    return (np.abs(together[one, two]) < _SHARE / np.sqrt(len(block))) & centred[one] & centred[two]


def _each(block: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return columns


def _narrow(block: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return columns if 3 <= len(columns) <= _WIDEST else columns[:0]


def _whole(block: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """All columns or none: signs of the array as one."""
    return np.arange(block.shape[1]) if np.isfinite(block).all() and len(columns) else columns[:0]


SIGNS = (
    Sign("mean 0 and deviation 1", _standard, _BOTH, _each),
    Sign("mean 0 and deviation 1 over all columns", _all_of_one, _BOTH, _whole, lambda columns: 1),
    Sign("median 0 and quartile range 1", _robust, _BOTH, _each),
    Sign("equal ranks", _even_ranks, 1e-4, _each),
    Sign("correlations of 0", _uncorrelated, _WITHIN, _narrow, lambda columns: columns * (columns - 1) // 2),
    Sign("its range filled exactly", _ranged, None, _each),
    Sign("a largest value of 1", _largest_one, None, _each),
)


def filled_with(joint: np.ndarray, alone: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Columns whose one repeated value is the mean or the median of all other rows, and not of the training rows'."""
    found = []
    for c in columns:
        values, counts = np.unique(joint[:, c][np.isfinite(joint[:, c])], return_counts=True)
        top = int(counts.argmax())
        # gaps show where one value repeats and the others are as good as unique
        if counts[top] < 3 or np.delete(counts, top).max(initial=0) > max(2, counts[top] // 3):
            continue
        fill = values[top]
        near = 1e-6 * max(float(np.nanstd(joint[:, c])), 1e-300) + 4 * float(np.spacing(np.abs(fill)))
        for middle in (np.mean, np.median):
            over_all, over_train = (
                float(middle(known[known != fill].astype(np.float64)))
                for known in (block[:, c][np.isfinite(block[:, c])] for block in (joint, alone))
            )
            if abs(over_all - fill) < near <= abs(over_train - fill):
                found.append(int(c))
                break
    return np.array(found, dtype=np.int64)


def encoded_by(joint: np.ndarray, labels: np.ndarray, alone: np.ndarray, own_labels: np.ndarray) -> np.ndarray:
    """Columns whose values are each the mean label of the rows that have it: over all rows, not over training rows."""

    def matching(block: np.ndarray, y: np.ndarray, c: int) -> float:
        values, cell, counts = np.unique(block[:, c], return_inverse=True, return_counts=True)
        if not 3 <= len(values) <= len(y) // 4 or not np.isfinite(values).all():
            return 0.0
        means = np.bincount(cell, y) / counts
        return float(counts[np.abs(means - values) < 1e-6 * max(float(y.std()), 1e-300)].sum()) / len(y)

    return np.array(
        [c for c in range(joint.shape[1]) if matching(joint, labels, c) > 0.9 > matching(alone, own_labels, c) + 0.3],
        dtype=np.int64,
    )
