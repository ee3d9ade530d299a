"""Nearest neighbours among more rows than can be compared pair by pair: an inverted file over cells of near rows.

Training rows are dealt to the nearest of some hundred centres (a few rounds of k-means on a sample); a row is compared
with the rows of the cells nearest to it (Jégou, Douze & Schmid 2011, without their compression). Every row is looked
at; what an approximate search can miss is measured on the data at hand: planted copies of some rows, whose
neighbours are found by brute force too.
"""

import dataclasses

import numpy as np

from mlintern.audit.randomness import generator
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.search.backend import mapped
from mlintern.audit.search.neighbours import nearest

_PER_CENTRE = 40  # sampled rows per centre that the centres are fitted on
_ROUNDS = 5
_SHARD = 8192  # queries that are searched at a time: whatever computes them, they are the same
_BLOCK = 1 << 21  # differences that are held at a time
_COPIES = 200  # planted copies whose true neighbours are sought too
_ENOUGH = 0.99  # recall of planted copies that is aimed at
_PROBES = (8, 16, 32)  # cells looked at per row, until that recall is reached
_JITTER = 0.005  # of a column's range


@dataclasses.dataclass(frozen=True)
class Cells:
    """Base rows sorted by cell."""

    centres: np.ndarray
    rows: np.ndarray
    """[n] row numbers, cell by cell."""
    points: np.ndarray
    """[n, d] float32 rows in that order."""
    starts: np.ndarray
    """[cells + 1] where each cell begins."""
    probes: int = _PROBES[0]
    city_block: bool = True

    def candidates(self, block: np.ndarray, wide: int) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances (less the query's own norm) and places [b, probes * wide] of the nearest per cell."""
        probes = min(self.probes, len(self.centres))
        near = (self.centres**2).sum(1) - 2 * (block @ self.centres.T)
        asked = np.argpartition(near, probes - 1, axis=1)[:, :probes]
        values = np.full((len(block), probes, wide), np.inf, np.float32)
        places = np.zeros((len(block), probes, wide), np.int64)
        order = np.argsort(asked.ravel(), kind="stable")
        bounds = np.searchsorted(asked.ravel()[order], np.arange(len(self.centres) + 1))
        for cell in range(len(self.centres)):
            start, stop = self.starts[cell], self.starts[cell + 1]
            query, slot = np.divmod(order[bounds[cell] : bounds[cell + 1]], probes)
            if not len(query) or start == stop:
                continue
            members = self.points[start:stop]
            apart = (members**2).sum(1) - 2 * (block[query] @ members.T)
            kept = min(wide, stop - start)
            found = np.argpartition(apart, kept - 1, axis=1)[:, :kept]
            values[query, slot, :kept] = np.take_along_axis(apart, found, 1)
            places[query, slot, :kept] = found + start
        return values.reshape(len(block), -1), places.reshape(len(block), -1)

    def search(self, block: np.ndarray, k: int, itself: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Distances and row numbers [b, k] as `neighbours.nearest` has them, among the cells looked at.

        `itself` [b] are the queries' own row numbers, which are left out. A row with too few neighbours in its cells
        repeats the last.
        """
        wide = 2 * k + (itself is not None)
        values, places = self.candidates(block, wide)
        if itself is not None:
            values[self.rows[places] == itself[:, None]] = np.inf
        found = np.argpartition(values, 2 * k - 1, axis=1)[:, : 2 * k]
        reached = np.isfinite(np.take_along_axis(values, found, 1))
        found = np.take_along_axis(places, found, 1)
        exact = np.empty(found.shape)
        step = max(1, _BLOCK // (found.shape[1] * block.shape[1]))
        for start in range(0, len(block), step):
            part = slice(start, start + step)
            apart = np.abs(self.points[found[part]] - block[part, None]).astype(np.float64)
            exact[part] = apart.sum(2) if self.city_block else np.sqrt((apart**2).sum(2))
        exact[~reached] = np.inf
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        distances, rows = np.take_along_axis(exact, order, 1), self.rows[np.take_along_axis(found, order, 1)]
        short = ~np.isfinite(distances)
        if short.any():
            last = np.maximum((~short).sum(1) - 1, 0)
            fill = np.where(short, last[:, None], np.arange(distances.shape[1]))
            distances, rows = np.take_along_axis(distances, fill, 1), np.take_along_axis(rows, fill, 1)
        return distances, rows


def cells_of(base: np.ndarray, seed: int) -> Cells:
    """Cells of about sqrt(n) rows over base [n, d] float32."""
    rng = generator(seed, "cells")
    number = max(1, int(np.sqrt(len(base))))
    sample = base[np.sort(rng.choice(len(base), min(len(base), _PER_CENTRE * number), replace=False))]
    centres = sample[rng.choice(len(sample), number, replace=False)].copy()
    for _ in range(_ROUNDS):
        home = _home(sample, centres)
        filled, counts = np.unique(home, return_counts=True)
        order = np.argsort(home, kind="stable")
        sums = np.add.reduceat(sample[order], np.r_[0, np.cumsum(counts)[:-1]], axis=0)
        centres[filled] = sums / counts[:, None]
    home = _home(base, centres)
    rows = np.argsort(home, kind="stable")
    return Cells(centres, rows, base[rows], np.searchsorted(home[rows], np.arange(number + 1)))


def _home(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """[n] number of the nearest centre."""
    norms = (centres**2).sum(1)
    step = max(1, (1 << 23) // len(centres))
    return np.concatenate(
        [(norms - 2 * (points[i : i + step] @ centres.T)).argmin(1) for i in range(0, len(points), step)]
    )


def _shard(shared: tuple[Cells, int], item: tuple[np.ndarray, np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
    cells, k = shared
    return cells.search(item[0], k, item[1])


@dataclasses.dataclass(frozen=True)
class CellIndex:
    """Cells over the base rows, and what they were measured to find."""

    cells: Cells
    copies: float
    """Share of planted copies (jittered, or with one cell replaced) whose nearest row it finds, as brute force does."""
    neighbours: float
    """Share of their true 10 nearest rows that are found."""
    options: AuditOptions

    def search(self, queries: np.ndarray, k: int, itself: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """`Cells.search` over any number of queries, in shards."""
        bounds = range(0, len(queries), _SHARD)
        items = [(queries[i : i + _SHARD], None if itself is None else itself[i : i + _SHARD]) for i in bounds]
        found = mapped(self.options, _shard, items, (self.cells, k))
        return np.concatenate([one for one, _ in found]), np.concatenate([two for _, two in found])

    def note(self) -> str:
        return (
            f"all rows searched through an index over {len(self.cells.centres)} cells; on these data it finds "
            f"{100 * self.copies:.0f} % of planted copies and {100 * self.neighbours:.0f} % of their 10 neighbours"
        )


def index_of(base: np.ndarray, options: AuditOptions, *, city_block: bool = True) -> CellIndex:
    """The index over base [n, d] float32, with its recall measured; distances as `neighbours.nearest` has them."""
    cells = dataclasses.replace(cells_of(base, options.seed), city_block=city_block)
    rng = generator(options.seed, "cells", "recall")
    rows = np.sort(rng.choice(len(base), min(_COPIES, len(base)), replace=False))
    jitter = _JITTER * np.ptp(base[rows], axis=0) * rng.normal(size=(len(rows), base.shape[1]))
    copies = base[rows] + jitter.astype(np.float32)
    edited = np.arange(0, len(rows), 2)
    copies[edited] = base[rows[edited]]
    column = rng.integers(0, base.shape[1], len(edited))
    copies[edited, column] = base[rng.choice(rows, len(edited)), column]
    k = min(10, len(base))
    true, rows_near = nearest(copies, base, k, city_block=city_block)
    recall, neighbours = 0.0, 0.0
    for probes in _PROBES:
        cells = dataclasses.replace(cells, probes=probes)
        distances, found = cells.search(copies, k)
        recall = float((distances[:, 0] <= true[:, 0] + 1e-6).mean())
        neighbours = float((rows_near[:, :, None] == found[:, None]).any(2).mean())
        if recall >= _ENOUGH:
            break
    return CellIndex(cells, recall, neighbours, options)
