"""`target_leak`: a column, or two together, that give the label away where all the others cannot.

A strong feature is no leak. The suspicion is a column that alone predicts the label almost without error, whatever the
shape of the dependence, while everything else together stays well behind. Columns are read through quantile bins, pairs
through a grid of bins and through their best line, so that a pair whose difference is the label is seen although
neither column tells anything. Scores are out of fold on the training rows and confirmed on the test rows.
"""

import itertools

import numpy as np

from mlintern.audit.probe import fitted_trees, model_inputs
from mlintern.audit.randomness import generator
from mlintern.audit.report import Finding, Kind, Severity, Status
from mlintern.audit.subject import Outcome, Subject, not_applicable

_ROWS = 3000
_BINS = 32
_GRID = 10
_CERTAIN = 0.97  # score from which one column (or pair) all but is the label
_PROMISING = 0.85  # score through bins from which a forest looks again
_TASK = 0.15  # score of the other columns from which there is a task without the suspect
_BEHIND = 0.08  # by which all other columns together must stay behind
_PAIR_COLUMNS = 24  # up to which every pair is tried; beyond it, those that a screen puts first
_PAIRS = 150
_COLUMNS = 4000


def binned(train: np.ndarray, other: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Bin numbers of a column's values by the training part's quantiles; a few distinct values keep one bin each."""
    known = np.unique(train)
    edges = (known[1:] + known[:-1]) / 2
    if len(known) > bins:
        edges = np.unique(np.quantile(train, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, train), np.searchsorted(edges, other)


def table_score(cells: np.ndarray, y: np.ndarray, asked: np.ndarray, truth: np.ndarray, classes: int) -> float:
    """Score of predicting each asked cell's label by the training rows in that cell: from 0 (as good as the commonest
    class, or the mean) to 1 (no error)."""
    size = int(max(cells.max(), asked.max())) + 1
    if classes:
        counts = np.bincount(cells * classes + y, minlength=size * classes).reshape(size, classes)
        counts = counts + 1e-3 * np.bincount(y, minlength=classes) / len(y)
        right = float((counts.argmax(1)[asked] == truth).mean())
        blind = float((truth == np.bincount(y, minlength=classes).argmax()).mean())
        return (right - blind) / max(1 - blind, 1e-9)
    weight = np.bincount(cells, minlength=size)
    mean = (np.bincount(cells, y, minlength=size) + 1e-3 * y.mean()) / (weight + 1e-3)
    return 1 - float(((truth - mean[asked]) ** 2).mean()) / max(float(((truth - y.mean()) ** 2).mean()), 1e-300)


class _Halves:
    """The training rows in two halves; every score is the mean over learning on one and being asked the other."""

    def __init__(self, subject: Subject):
        rows = subject.sample("train", _ROWS, "target")
        rng = generator(subject.options.seed, "target", "halves")
        order = rng.permutation(len(rows))
        self.x = model_inputs(subject, "train", rows)[order]
        labels = subject.train.labels[rows][order]
        self.classes = 0
        self.y = labels.astype(np.float64)
        if subject.classification:
            self.names, self.y = np.unique(labels, return_inverse=True)
            self.classes = len(self.names)
        half = len(rows) // 2
        self.sides = [(np.arange(half), np.arange(half, len(rows))), (np.arange(half, len(rows)), np.arange(half))]

    def column(self, values: np.ndarray, bins: int = _BINS) -> float:
        """Score of one column of values [n]."""
        out = []
        for a, b in self.sides:
            cells, asked = binned(values[a], values[b], min(bins, max(4, len(a) // 8)))
            out.append(table_score(cells, self.y[a], asked, self.y[b], self.classes))
        return float(np.mean(out))

    def grid(self, one: np.ndarray, two: np.ndarray) -> float:
        """Score of two columns through a grid of bins."""
        out = []
        for a, b in self.sides:
            side = min(_GRID, max(2, int(np.sqrt(len(a) / 6))))
            cells_1, asked_1 = binned(one[a], one[b], side)
            cells_2, asked_2 = binned(two[a], two[b], side)
            cells, asked = cells_1 * (side + 1) + cells_2, asked_1 * (side + 1) + asked_2
            out.append(table_score(cells, self.y[a], asked, self.y[b], self.classes))
        return float(np.mean(out))

    def trees(self, columns: np.ndarray) -> float:
        """Score of a forest on these columns, on the same scale."""
        if not len(columns):
            return 0.0
        out = []
        for a, b in self.sides:
            forest = fitted_trees(self.x[a][:, columns], self.y[a], bool(self.classes), 0, 30)
            guess = forest.predict(self.x[b][:, columns])
            if self.classes:
                blind = float((self.y[b] == np.bincount(self.y[a]).argmax()).mean())
                out.append((float((guess == self.y[b]).mean()) - blind) / max(1 - blind, 1e-9))
            else:
                out.append(1 - float(((guess - self.y[b]) ** 2).mean()) / max(float(np.var(self.y[b])), 1e-300))
        return float(np.mean(out))


def _line(x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    """Values of two columns [n, 2] along the line that tells the labels apart best (least squares on the label)."""
    x = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    target = np.eye(classes)[y] if classes > 2 else y[:, None].astype(np.float64)
    weights, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), target, rcond=None)
    return x @ weights[:2, int(np.abs(weights[:2]).sum(0).argmax())]


def screened_pairs(halves: _Halves) -> list[tuple[int, int]]:
    """The pairs whose product of ranks, or whose best line, goes with the label most; from three matrix products."""
    ranks = np.argsort(np.argsort(halves.x, axis=0, kind="stable"), axis=0, kind="stable")
    columns = ranks - (len(ranks) - 1) / 2
    columns = columns / np.maximum(np.sqrt((columns**2).sum(0)), 1e-12)
    targets = np.eye(halves.classes)[halves.y] if halves.classes else halves.y[:, None]
    targets = targets - targets.mean(0)
    targets = targets / np.maximum(np.sqrt((targets**2).sum(0)), 1e-12)
    together = columns.T @ columns
    best = np.zeros_like(together)
    for target in targets.T:
        product = np.abs(columns.T @ (columns * target[:, None])) * np.sqrt(len(ranks))
        alone = columns.T @ target
        line = alone[:, None] ** 2 + alone**2 - 2 * alone[:, None] * alone * together
        line = np.clip(line / np.maximum(1 - together**2, 1e-9), 0, 1)
        best = np.maximum(best, np.maximum(product, np.sqrt(line)))
    one, two = np.triu_indices(len(best), 1)
    first = np.argsort(-best[one, two], kind="stable")[:_PAIRS]
    return [(int(one[k]), int(two[k])) for k in first]


def _pairs(halves: _Halves, pairs: list[tuple[int, int]], alone: np.ndarray) -> list[tuple[float, tuple[int, int]]]:
    found = []
    for i, j in pairs:
        line = _line(halves.x[:, [i, j]].astype(np.float64), halves.y, halves.classes)
        score = max(halves.grid(halves.x[:, i], halves.x[:, j]), halves.column(line))
        if score >= _PROMISING or score >= max(0.5, max(alone[i], alone[j], 0) + 0.3):
            # bins are coarse: a forest of the two columns has the last word
            found.append((max(score, halves.trees(np.array([i, j]))), (i, j)))
    return sorted(found, reverse=True)


def target_leak(subject: Subject) -> Outcome:
    """Columns and pairs of columns that all but are the label."""
    if not subject.numeric:
        return not_applicable("features are no numbers")
    if subject.kind_of_data in ("image", "series"):
        return not_applicable("pixels and samples are no columns that could be the label")
    width = subject.flat("train").shape[1]
    if width < 2 or len(subject.train) < 40:
        return not_applicable(f"{width} columns and {len(subject.train)} training rows leave nothing to compare with")
    if width > _COLUMNS:
        return Outcome(Status.INCONCLUSIVE, f"{width} columns: more than the {_COLUMNS} that are looked at one by one")
    halves = _Halves(subject)
    if halves.classes == 1 or (not halves.classes and halves.y.std() == 0):
        return not_applicable("all training labels are equal")
    if halves.classes and np.bincount(halves.y).min() < 4:
        keep = np.isin(halves.y, np.flatnonzero(np.bincount(halves.y) >= 4))
        if keep.mean() < 0.9:
            return not_applicable(f"{halves.classes} classes with too few rows each")
    scores = np.array([halves.column(halves.x[:, column]) for column in range(width)])
    n = len(halves.y)
    for column in np.argsort(-scores)[:5]:
        if _PROMISING <= scores[column] < 0.99:
            scores[column] = max(scores[column], halves.trees(np.array([column])))
    groups = [(float(scores[c]), (int(c),)) for c in np.argsort(-scores)[:5] if scores[c] >= _CERTAIN]
    note = ""
    if not groups:
        pairs = list(itertools.combinations(range(width), 2))
        if width > _PAIR_COLUMNS:
            pairs = screened_pairs(halves)
            note = f" ({_PAIRS} pairs of {width} columns, screened by product and line)"
        groups = [(score, pair) for score, pair in _pairs(halves, pairs, scores) if score >= _CERTAIN][:5]
    if not groups:
        return Outcome(Status.PASS, f"no column and no pair of columns all but is the label{note}", n)
    named = sorted({column for _, group in groups for column in group})
    rest = halves.trees(np.setdiff1d(np.arange(width), named))
    best = groups[0][0]
    if rest > best - _BEHIND:
        told = ", ".join(subject.feature_names[c] for c in groups[0][1])
        return Outcome(Status.PASS, f"{told} tells the label, and so do the other columns together: strong, no leak", n)
    if rest < _TASK and len(groups[0][1]) == 2 and width < 6:
        return Outcome(Status.PASS, "two of very few columns tell the label together: they are the task", n)
    # where the other columns tell nothing at all, these may simply be the task
    blocks = best >= 0.98 and _TASK <= rest <= best - 1.5 * _BEHIND
    severity = Severity.HIGH if blocks else Severity.MEDIUM
    names = [" with ".join(subject.feature_names[c] for c in group) for _, group in groups]
    finding = Finding(
        kind=Kind.TARGET_LEAK,
        severity=severity,
        splits=("train", "test"),
        count=len(named),
        fraction=len(named) / width,
        examples=tuple({"column": name} for name in names),
        evidence={
            "columns": [subject.feature_names[c] for c in named],
            "column_numbers": named,
            "score_alone": round(best, 4),
            "score_of_all_others": round(rest, 4),
        },
        repair=f"leave out {', '.join(names[:3])}, or show that it is known when the prediction is made",
    )
    reason = (
        f"{names[0]} predicts the label with a skill of {best:.3f} (1 is no error); all other columns together reach "
        f"{rest:.3f}"
    )
    return Outcome(Status.FAIL, reason, n, (finding,))
