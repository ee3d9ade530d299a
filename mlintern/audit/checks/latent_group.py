"""`latent_group`: rows of one patient, user or recording on both sides of the split, with no column that says so.

Two roads lead to the groups, and a toll bar stands on both. Where rows still know their place in the file they came
from, the neighbours of test rows among the training rows are closer in place than permuted places would be. Where rows
were shuffled, the features may still show groups: sets of rows that share their nearest neighbours, and stay the same
sets as the neighbourhood grows (smooth data fall apart into other sets at every size). Either way it is a leak only if
it pays: a model that saw nothing of a test row's group must score worse than one that did.

Where neither road leads anywhere, nothing is known: groups too faint to see look like none. The check is then
INCONCLUSIVE, unless the rows were declared independent (`audit.independent_rows`) or a group column was given.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from mlintern.audit.inputs.order import known_places, places
from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable, row_numbers
from mlintern.audit.inputs.units import Units
from mlintern.audit.planting import FEWEST, ROWS, Planting, put, smaller
from mlintern.audit.price.retrained import price_of
from mlintern.audit.randomness import generator
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status
from mlintern.audit.search.index import index_of
from mlintern.audit.search.neighbourhood import neighbourhood
from mlintern.audit.search.neighbours import nearest

_LADDER = (4, 6, 9, 13, 19, 28, 42)  # neighbourhood sizes at which groups must stay the same
_ROWS = 4000
_STABLE = 0.3  # share of rows in groups that stay the same from one size to the next
_MOST = 0.08  # share of the rows looked at that one group may have
_STEP = 9  # neighbours of a row that a region grows to
_WIDTH = 256
_LEVELS = 10  # a column with fewer values is a code, and codes make cells of their own
_SOURCES = 16  # groups in the features below which they may as well be kinds of rows as sources of them
_STRADDLING = 0.6  # share of the test rows whose group has training rows, below which the split keeps groups apart
_SOURCE = 12  # rows of a planted source
_FAR = (0.2, 0.4, 0.6)  # by which its rows differ, in deviations of a column
_WORTH = 1.0  # points below which groups are reported but not held against the split


@dataclasses.dataclass(frozen=True)
class Groups:
    """Groups that were inferred, and how."""

    units: Units
    sure: np.ndarray
    """[test rows] bool: rows whose group is certain; the split is judged by them."""
    how: str
    evidence: dict[str, float | int]
    rows: dict[str, np.ndarray] | None = None
    """{part: row numbers} that were looked at; None: all."""


def _points(subject: Subject, rows: dict[str, np.ndarray]) -> np.ndarray | None:
    """[train + test rows, d] standardised measured columns; None where there are under three."""
    block = np.concatenate([subject.flat(part)[rows[part]].astype(np.float32) for part in rows])
    block = np.nan_to_num(block)
    head = block[:2000]
    measured = [c for c in range(block.shape[1]) if len(np.unique(head[:, c])) >= _LEVELS]
    if len(measured) < 3:
        return None
    block = block[:, measured]
    spread = block.std(0)
    block = (block - block.mean(0)) / np.where(spread > 0, spread, 1)
    if block.shape[1] > 2 * _WIDTH:  # distances survive a random projection
        rng = generator(subject.options.seed, "latent", "projection")
        block = block @ rng.normal(0, 1 / np.sqrt(_WIDTH), (block.shape[1], _WIDTH)).astype(np.float32)
    return np.ascontiguousarray(block)


def stable_groups(points: np.ndarray, most: float = _MOST) -> tuple[np.ndarray, float]:
    """Group number per row [n] (-1: none) and the share of rows in groups that stay from one ladder step to the next.

    Groups are connected components of the graph that joins rows whose k nearest neighbours are shared by half (Jarvis
    & Patrick 1973). A group has at least 4 rows, at most the share `most` of all, and keeps 80 % of itself.
    """
    n = len(points)
    ladder = [k for k in _LADDER if k < n // 4]
    if len(ladder) < 2:
        return np.full(n, -1), 0.0
    _, found = nearest(points, points, ladder[-1], itself=True, city_block=False)
    return _stable(found, n, most)


def _stable(found: np.ndarray, total: int, most: float) -> tuple[np.ndarray, float]:
    """Stable groups of the rows whose nearest [n, k] of `total` rows are given, as `stable_groups` has them."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(found)
    ladder = [k for k in _LADDER if k <= found.shape[1]]
    best, best_share, before = np.full(n, -1), 0.0, None
    for k in ladder:
        rows = np.repeat(np.arange(n), k)
        near = csr_matrix((np.ones(n * k, np.float32), (rows, found[:, :k].ravel())), (n, total))
        common = (near @ near.T).tocoo()
        joined = common.data >= 0.5 * k
        edges = csr_matrix((np.ones(int(joined.sum())), (common.row[joined], common.col[joined])), (n, n))
        _, groups = connected_components(edges, directed=False)
        if before is not None:
            _, place, both = np.unique(before.astype(np.int64) * n + groups, return_inverse=True, return_counts=True)
            size_before, size = np.bincount(before)[before], np.bincount(groups)[groups]
            shared = both[place]
            kept = (shared / (size_before + size - shared) >= 0.8) & (size >= 4) & (size <= most * n)
            if kept.mean() > best_share:
                best, best_share = np.where(kept, groups, -1), float(kept.mean())
        before = groups
    return best, best_share


def _region_fits(subject: Subject) -> bool:
    """Do all rows, with an index over them, fit the memory?"""
    size = len(subject.train) + len(subject.test)
    return 20 * size * subject.flat("train").shape[1] <= subject.options.memory_bytes()


def _region(subject: Subject) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray] | None:
    """Rows {part: row numbers}, their points, and their nearest among all rows [m, k]: a region of the features, grown
    from a row to its neighbours and on, so that small groups, of which a sample of all rows has a row each, are whole
    in it. None where the sample has all rows, or all rows do not fit the memory."""
    every = {part: np.arange(len(subject.parts()[part])) for part in ("train", "test")}
    n = sum(map(len, every.values()))
    if n <= 2 * _ROWS or not _region_fits(subject):
        return None
    points = _points(subject, every)
    if points is None:
        return None
    index = index_of(points, subject.options, city_block=False)
    starts = iter(generator(subject.options.seed, "latent", "region").permutation(n))
    seen, most = np.zeros(n, bool), _ROWS + _ROWS // 2
    grown, found = [np.zeros(0, np.int64)], [np.zeros((0, _LADDER[-1]), np.int64)]
    front = grown[0]
    while (number := sum(map(len, grown))) < most:
        if not len(front):  # a group that keeps to itself: go on elsewhere
            front = np.array([next(start for start in starts if not seen[start])])
            seen[front] = True
        front = front[: most - number]
        near = index.search(points[front], _LADDER[-1], front)[1]
        grown.append(front)
        found.append(near)
        _, first = np.unique(near[:, :_STEP], return_index=True)
        reached = near[:, :_STEP].ravel()[np.sort(first)]
        front = reached[~seen[reached]]
        seen[front] = True
    kept, order = np.unique(np.concatenate(grown), return_index=True)
    border = len(every["train"])
    rows = {"train": kept[kept < border], "test": kept[kept >= border] - border}
    return rows, points[kept], np.concatenate(found)[order]


def groups_in_features(subject: Subject) -> Groups | None:
    """Groups that the features show by themselves, whatever the order of rows: in a sample of all rows, or, of many
    rows, in one region of the features too."""
    rows = {part: subject.sample(part, _ROWS // 2 if part == "test" else _ROWS, "latent") for part in ("train", "test")}
    points = _points(subject, rows)
    if points is None:
        return None
    groups = _groups_among(subject, rows, points, *stable_groups(points))
    if groups is not None or (region := _region(subject)) is None:
        return groups
    rows, points, found = region
    n = sum(len(subject.parts()[part]) for part in rows)
    groups = _groups_among(subject, rows, points, *_stable(found, n, _MOST))
    how = f"in a region of {len(points):,} of {n:,} rows, "
    return None if groups is None else dataclasses.replace(groups, how=how + groups.how)


def _groups_among(
    subject: Subject, rows: dict[str, np.ndarray], points: np.ndarray, groups: np.ndarray, share: float
) -> Groups | None:
    """Stable groups [n] of the rows looked at, of which the `share` is in one; None where they are no finding."""
    number = len(np.unique(groups[groups >= 0]))
    classes = len(np.unique(subject.train.labels)) if subject.classification else 1
    if share < _STABLE or number < max(_SOURCES, 4 * classes):
        return None
    known = np.flatnonzero(groups >= 0)
    lost = np.flatnonzero(groups < 0)
    if len(lost):  # a row that stood aside goes with most of its five nearest
        _, near = nearest(points[lost], points[known], 5, city_block=False)
        votes = groups[known][near]
        groups = groups.copy()
        groups[lost] = [np.bincount(vote).argmax() for vote in votes]
    border = len(rows["train"])
    units = Units(np.full(len(subject.train), -1), np.full(len(subject.test), -1))
    units.train[rows["train"]], units.test[rows["test"]] = groups[:border], groups[border:]
    sure = np.zeros(len(subject.test), bool)
    sure[rows["test"][known[known >= border] - border]] = True
    evidence = {"groups": number, "rows_in_stable_groups": round(share, 3)}
    how = f"rows form {number} tight groups, the same at every neighbourhood size"
    return Groups(units, sure, how, evidence, rows)


def _sorted_by_a_column(subject: Subject, places_train: np.ndarray) -> bool:
    """Does the file's order follow one feature? Then neighbours are near in place for that reason alone."""
    from scipy.stats import spearmanr

    rows = subject.sample("train", 2000, "latent", "sorted")
    block = subject.flat("train")[rows][:, :512]
    for column in range(block.shape[1]):
        values = block[:, column].astype(np.float64)
        if np.isfinite(values).all() and np.ptp(values) > 0 and abs(spearmanr(values, places_train[rows])[0]) > 0.9:
            return True
    return False


def runs(one: np.ndarray, two: np.ndarray, n: int, length: int) -> np.ndarray:
    """[n] number of the run that each row of a file belongs to: runs of about `length` rows, cut where fewest of the
    links between rows one[i] and two[i] cross, so that a source with fewer rows than that stays whole."""
    low, high = np.minimum(one, two), np.maximum(one, two)
    short = high - low <= length
    step = np.bincount(low[short] + 1, minlength=n + 1) - np.bincount(high[short] + 1, minlength=n + 1)
    crossing = np.cumsum(step)[:n]  # links over the gap before each row
    cuts = [
        start + int(crossing[start : start + length].argmin()) for start in range(length // 2, n - length // 2, length)
    ]
    return np.searchsorted(np.array(cuts), np.arange(n), side="right")


def groups_in_order(subject: Subject) -> Groups | None:
    """Groups as runs of rows in the original file, where neighbours in the features are neighbours in the file."""
    where = places(subject)
    hood = neighbourhood(subject)
    if isinstance(hood, str) or _sorted_by_a_column(subject, where["train"]):
        return None
    near = hood.rows["train"][hood.other[1][:, :5]]
    asked = hood.rows["test"]
    labels, own = subject.train.labels, where["test"][asked]
    strata = [np.arange(len(labels))]
    if subject.classification:  # a file sorted by class has neighbours nearby for that reason alone
        strata = [np.flatnonzero(labels == tag) for tag in np.unique(labels)]
    rng = generator(subject.options.seed, "latent", "order")
    best = (0.0, 0, 0.0, 0.0)
    for reach in (3, 10, 30):
        seen = float((np.abs(where["train"][near] - own[:, None]) <= reach).mean())
        null = []
        for _ in range(max(19, subject.options.permutations)):
            shuffled = where["train"].copy()
            for stratum in strata:
                shuffled[stratum] = where["train"][rng.permutation(stratum)]
            null.append(float((np.abs(shuffled[near] - own[:, None]) <= reach).mean()))
        excess = (seen - np.mean(null)) / max(np.std(null), 1 / np.sqrt(near.size), 1e-9)
        if seen > max(null) and excess > best[0]:
            best = (float(excess), reach, seen, float(np.mean(null)))
    excess, reach, seen, expected = best
    if excess < 8 or seen < 3 * expected:
        return None
    joint = np.concatenate([where["train"], where["test"]])
    rank = np.argsort(np.argsort(joint, kind="stable"), kind="stable")
    border = len(where["train"])
    rows = np.concatenate([hood.rows["train"][hood.asked], border + asked])
    linked = np.concatenate([hood.rows["train"][hood.own[1][:, :5]], near])
    blocks = runs(np.repeat(rank[rows], linked.shape[1]), rank[linked].ravel(), len(joint), max(20, 2 * reach))[rank]
    units = Units(blocks[: len(where["train"])], blocks[len(where["train"]) :])
    evidence = {"neighbours_nearby": round(seen, 4), "expected": round(expected, 4), "reach": reach}
    how = (
        f"{100 * seen:.0f} % of a test row's nearest training rows stood within {reach} rows of it in the original "
        f"file{'' if known_places(subject) else ', if the parts keep its order'} ({100 * expected:.1f} % expected)"
    )
    return Groups(units, np.ones(len(subject.test), bool), how, evidence)


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if len(subject.test) < FEWEST:
        return
    subject = dataclasses.replace(smaller(subject, (ROWS[0], ROWS[1] // 2)), positions=None)
    flat = subject.flat("train").astype(np.float64)
    sources = rng.choice(len(flat), max(1, (len(flat) + len(subject.test)) // _SOURCE))
    for far in _FAR:
        copy = subject
        for part, rows in subject.parts().items():
            drawn = sources[rng.integers(0, len(sources), len(rows))]
            made = flat[drawn] + far * np.nanstd(flat, 0) * rng.normal(size=(len(rows), flat.shape[1]))
            labels = subject.train.labels[drawn]
            copy = put(copy, part, np.arange(len(rows)), made.reshape(rows.features.shape), labels=labels)
        yield Planting(f"sources whose rows differ by {100 * far:.0f} % of a deviation", copy)


@check(place=70, planter=_planted)
def latent_groups(subject: Subject) -> Outcome:
    """Groups without a column, by order or by features, and only where they pay."""
    if subject.train.groups is not None and subject.test.groups is not None:
        return not_applicable("a group column was given: see group_overlap")
    if not subject.numeric:
        return Outcome(Status.INCONCLUSIVE, "features are no numbers and no group column was given: cannot be told")
    n = len(subject.test)
    notes, apart = [], False
    for search in (groups_in_features, groups_in_order):
        groups = search(subject)
        if groups is None:
            continue
        shared = groups.units.straddling()
        affected = np.flatnonzero(np.isin(groups.units.test, shared))
        if np.isin(groups.units.test, shared)[groups.sure].mean() < _STRADDLING:
            notes.append(f"{groups.how}, and the split keeps them apart")
            apart = True
            continue
        price = price_of(subject, groups.units, "latent", groups.rows)
        looked_at = n if groups.rows is None else len(groups.rows["test"])
        if price is None or price.points < _WORTH:
            worth = "no probe could price it" if price is None else f"it is worth {price.points:+.1f} points"
            notes.append(f"{groups.how}, but {worth}")
            continue
        finding = Finding(
            kind=Kind("latent_group"),
            severity=Severity.HIGH if price.points >= 2 and price.low > 0 else Severity.MEDIUM,
            splits=("train", "test"),
            count=len(affected),
            fraction=len(affected) / looked_at,
            examples=(),
            evidence={
                **groups.evidence,
                "how": groups.how,
                "units": {"train": groups.units.train[:100_000].tolist(), "test": groups.units.test[:100_000].tolist()},
                "rows": {
                    "train": row_numbers(np.flatnonzero(np.isin(groups.units.train, shared))),
                    "test": row_numbers(affected),
                },
            },
            price=price,
            repair="find out who the rows come from and give every source to one part only; --repair does it with the "
            "groups that were inferred",
        )
        return Outcome(Status.FAIL, groups.how, looked_at, (finding,))
    seen = "; ".join(notes) or "neither the order of rows nor the features show groups"
    if len(subject.train) > _ROWS:
        small = f"with audit.memory={subject.options.memory} no region"
        more = "and a region" if _region_fits(subject) else small
        seen += f" ({_ROWS:,} train rows drawn at random, {more} grown among all rows)"
    if apart:
        return Outcome(Status.PASS, seen, n)
    if subject.options.independent_rows:
        return Outcome(Status.PASS, f"rows are declared independent, and {seen}", n)
    reason = f"{seen}; groups too faint to see look the same: name a group column, or declare rows independent"
    return Outcome(Status.INCONCLUSIVE, reason, n)
