"""Nearest neighbours, and the test of whether the nearest one is nearer than chance brings it.

The null is local: where rows lie smoothly in `m` dimensions, the ratio of the distances to the first and to the k-th
neighbour has (d1 / dk) ** m ~ Beta(1, k - 1), whatever the density (Levina & Bickel 2004, whose maximum-likelihood
estimate of the intrinsic dimension rests on the same fact). `m` comes from the training half itself, so no distance
threshold is fixed in advance: a copy is a row whose neighbour is closer than the training rows' own spacing allows.
"""

import dataclasses

import numpy as np

_BLOCK = 1 << 22  # entries of a distance block


def quantile_space(train: np.ndarray, *others: np.ndarray, columns: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """Columns (all by default) mapped to their place in [0, 1] among the training values: [n, d] float32 for train and
    each of `others`.

    Units, monotone rescalings and heavy tails do not matter there. A value beyond all training values lies just
    beyond theirs and equals none of them. A missing value lies half a range away from all others; columns that are
    constant in train are left out.
    """
    columns = np.arange(train.shape[1]) if columns is None else columns
    out = [np.empty((len(rows), len(columns)), np.float32) for rows in (train, *others)]
    used = 0
    for column in columns:
        values = train[:, column].astype(np.float64)
        known = np.sort(values[np.isfinite(values)])
        if not len(known) or (known[0] == known[-1] and np.isfinite(values).all()):
            continue
        distinct, first, counts = np.unique(known, return_index=True, return_counts=True)
        places = (first + counts / 2) / len(known)
        below, above = places[0] - 0.5 / len(known), places[-1] + 0.5 / len(known)
        for block, rows in zip(out, (train, *others), strict=True):
            raw = rows[:, column].astype(np.float64)
            place = np.interp(np.nan_to_num(raw, nan=distinct[0]), distinct, places, left=below, right=above)
            place[np.isnan(raw)] = 1.5
            block[:, used] = place
        used += 1
    return tuple(block if used == len(columns) else np.ascontiguousarray(block[:, :used]) for block in out)


def nearest(
    queries: np.ndarray, base: np.ndarray, k: int, *, itself: bool = False, city_block: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Distances [q, k] and row numbers [q, k] of the k nearest rows of `base` [n, d], nearest first.

    `itself` leaves out the row of the same number (queries are base). Candidates are the 2k nearest by Euclid, from
    matrix products; `city_block` ranks them by the sum of absolute differences, under which a copy with some columns
    changed stays near. Distances are computed from differences, so that those of near copies are exact.
    """
    k = min(k, len(base) - itself)
    wide = min(2 * k, len(base) - itself)
    distances, rows = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
    norms = (base.astype(np.float32) ** 2).sum(1)
    step = max(1, min(_BLOCK // max(1, len(base)), _BLOCK // max(1, wide * base.shape[1])))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        near = norms - 2 * (block @ base.T)
        if itself:
            near[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        found = np.argpartition(near, wide - 1, axis=1)[:, :wide] if wide < len(base) else np.argsort(near, axis=1)
        apart = np.abs(base[found] - block[:, None]).astype(np.float64)
        exact = apart.sum(2) if city_block else np.sqrt((apart**2).sum(2))
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        distances[start : start + step] = np.take_along_axis(exact, order, 1)
        rows[start : start + step] = np.take_along_axis(found, order, 1)
    return distances, rows


@dataclasses.dataclass(frozen=True)
class Spacing:
    """How the training rows are spaced among themselves."""

    k: int
    """The neighbour whose distance is the yardstick."""
    wide: float
    """Intrinsic dimension from the distances to neighbours k and 3k: unmoved by up to k - 1 copies of every row."""
    narrow: float
    """The smallest estimate from d1 / dk, at its median and its lower tenth: lower where rows come in natural knots."""

    def chance(self, distances: np.ndarray, dimension: float) -> np.ndarray:
        """[q] probability of a neighbour this near, from sorted distances [q, >= k]; 1 without a yardstick."""
        yardstick = distances[:, self.k - 1]
        ratio = np.divide(distances[:, 0], yardstick, out=np.ones(len(distances)), where=yardstick > 0)
        return -np.expm1((self.k - 1) * np.log1p(-np.clip(ratio**dimension, 0, 1 - 1e-16)))

    def beyond_copies(self, distances: np.ndarray) -> np.ndarray:
        """[q] the same where most rows have copies: by the wide spacing, and 1 unless a neighbour is much nearer."""
        chances = self.chance(distances, self.wide)
        chances[distances[:, 0] > 0.25 * distances[:, self.k - 1]] = 1.0
        return chances


def spacing_of(distances: np.ndarray) -> Spacing | None:
    """Spacing from the training rows' own sorted neighbour distances [n, K]; None where there are too few rows."""
    from scipy.stats import beta

    far = distances.shape[1]
    k = min(10, far // 3)
    if k < 3 or len(distances) < 30:
        return None
    inner, outer = distances[:, k - 1], distances[:, far - 1]
    usable = (inner > 0) & (outer > inner)
    if usable.sum() < 0.5 * len(distances):
        return None
    wide = np.log(beta.ppf(0.5, k, far - k)) / np.log(np.median(inner[usable] / outer[usable]))
    ratios = distances[usable, 0] / inner[usable]
    estimates = [wide]
    for share in (0.5, 0.1):
        ratio = float(np.quantile(ratios, share))
        estimates.append(np.log(beta.ppf(share, 1, k - 1)) / np.log(min(max(ratio, 1e-12), 1 - 1e-6)))
    return Spacing(k, float(wide), float(min(estimates)))


def discoveries(chances: np.ndarray, rate: float) -> np.ndarray:
    """[q] bool: rows that stand out at false discovery rate `rate` (Benjamini & Hochberg 1995)."""
    order = np.argsort(chances, kind="stable")
    passed = np.flatnonzero(chances[order] <= rate * np.arange(1, len(chances) + 1) / len(chances))
    found = np.zeros(len(chances), bool)
    if len(passed):
        found[order[: passed[-1] + 1]] = True
    return found
