"""Rows that agree to the last digit in more columns than chance has it, however far the other columns are apart.

An edited cell moves a row far away from the row that it was copied from, and leaves its other cells alone. With some
cells edited the source is no longer among a row's nearest; it is found through the values that both still share.
"""

import numpy as np

_RARE = 0.1  # a shared value is evidence where at most this share of the training rows has it
_FEW = 8  # training rows with a value up to which it leads to candidates
_COLUMNS = 24  # columns, the most varied ones, through which candidates are looked for
_CHUNK = 4000


def sharing_values(points: np.ndarray, base: np.ndarray, asked: np.ndarray | None = None) -> np.ndarray:
    """[n] the row of `base` [m, d] that shares most rare values with each row of `points` [n, d]; -1 where none does.

    `asked` [n]: the rows of base that the points are, which are no candidates for themselves.
    """
    varied = np.argsort([-len(np.unique(column)) for column in base.T], kind="stable")[:_COLUMNS]
    orders = [np.argsort(base[:, column], kind="stable") for column in varied]
    best = np.full(len(points), -1)
    for start in range(0, len(points), _CHUNK):
        block = points[start : start + _CHUNK]
        keys = []
        for column, order in zip(varied, orders, strict=True):
            values = base[order, column]
            low, high = (np.searchsorted(values, block[:, column], side) for side in ("left", "right"))
            for step in range(_FEW):
                row = np.flatnonzero((high - low <= _FEW) & (low + step < high))
                keys.append(row * len(base) + order[low[row] + step])
        pairs, counts = np.unique(np.concatenate(keys), return_counts=True)
        row, partner = np.divmod(pairs, len(base))
        if asked is not None:
            other = asked[start + row] != partner
            row, partner, counts = row[other], partner[other], counts[other]
        order = np.lexsort((-counts, row))
        first = order[np.unique(row[order], return_index=True)[1]]
        best[start + row[first]] = partner[first]
    return best


def surprise(points: np.ndarray, base: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per row: bits of exact agreement with the best of its candidates [n, k] (-1: none), and that candidate.

    A column counts by how rare the shared value is in `base`, common values (zeros, codes) not at all. Candidates that
    agree in all columns (exact duplicates) or in under 60 % of them count nothing.
    """
    values = [np.unique(column, return_counts=True) for column in base.T]
    best, partner = np.zeros(len(points)), found[:, 0].copy()
    bits = np.zeros(points.shape, np.float32)
    for column, (distinct, counts) in enumerate(values):
        place = np.clip(np.searchsorted(distinct, points[:, column]), 0, len(distinct) - 1)
        share = counts[place] / len(base)
        bits[:, column] = np.where(share <= _RARE, -np.log2(share), 0)
    for rank in range(found.shape[1]):
        same = points == base[found[:, rank]]
        share = same.mean(1)
        score = (bits * same).sum(1) * ((share >= 0.6) & (share < 1) & (found[:, rank] >= 0))
        better = score > best
        best[better], partner[better] = score[better], found[better, rank]
    return best, partner
