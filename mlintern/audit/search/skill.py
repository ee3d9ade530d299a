"""How well columns tell the label: out-of-fold skill of one column, of two together, or of all the others.

Skill runs from 0 (as good as guessing) to 1 (no error). Classes weigh the same however rare they are, so that a
column that gives away one class in a hundred is seen; measured targets are compared by rank, so that a few extreme
values do not decide. Rows are learnt on in two halves, and each half is asked about the other.
"""

import dataclasses

import numpy as np

from mlintern.audit.inputs.subject import Subject
from mlintern.audit.randomness import generator
from mlintern.audit.search.quick_model import fitted_trees, model_inputs

BINS = 32
GRID = 10
_CODES = 64  # up to this many distinct values are codes, each with a bin of its own


def normal_ranks(values: np.ndarray) -> np.ndarray:
    """[n] ranks of the values, mean 0 and deviation 1; ties share their mean rank."""
    from scipy.stats import rankdata

    ranks = rankdata(values)
    return (ranks - ranks.mean()) / max(float(ranks.std()), 1e-300)


@dataclasses.dataclass(frozen=True)
class Answers:
    """Out-of-fold answers: skill, and the loss of each row (0 or 1; or the squared error in deviations)."""

    skill: float
    losses: np.ndarray


class Halves:
    """The training rows looked at, in two halves."""

    def __init__(self, subject: Subject, limit: int):
        rows = subject.sample("train", limit, "target")
        order = generator(subject.options.seed, "target", "halves").permutation(len(rows))
        self.x = model_inputs(subject, "train", rows)[order]
        labels = subject.train.labels[rows][order]
        self.classes = 0
        if subject.classification:
            _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
            known = counts[codes] >= 4  # a class of fewer rows cannot be learnt on one half and asked on the other
            self.x, codes = self.x[known], codes[known]
            kept, self.y = np.unique(codes, return_inverse=True)
            self.classes = len(kept)
            # deal every class out evenly, so that both halves know it
            place = np.argsort(self.y, kind="stable")
            side = np.empty(len(self.y), bool)
            side[place] = np.arange(len(place)) % 2 == 0
            self.weights = 1 / np.bincount(self.y)[self.y] / max(self.classes, 1)
        else:
            self.y = normal_ranks(labels.astype(np.float64))
            side = np.arange(len(self.y)) % 2 == 0
            self.weights = np.full(len(self.y), 1 / max(len(self.y), 1))
        one, two = np.flatnonzero(side), np.flatnonzero(~side)
        self.sides = [(one, two), (two, one)]
        rng = generator(subject.options.seed, "target", "edges")
        if self.classes:  # bin edges are read off rows in which every class is as frequent as the others
            share = self.weights / self.weights.sum()
            self.even = rng.choice(len(self.y), min(2000, 4 * len(self.y)), p=share)
        else:
            self.even = np.arange(len(self.y))

    def __len__(self) -> int:
        return len(self.y)

    def room(self) -> int:
        """Rows on one half, counted as if every class had as many as the rarest: what bins are to be filled with."""
        return (self.classes * int(np.bincount(self.y).min()) if self.classes else len(self)) // 2

    def cells(self, values: np.ndarray, bins: int) -> np.ndarray:
        """[n] bin numbers of a column: one per code, else quantiles of rows with classes evened out."""
        known = np.unique(values)
        if len(known) <= min(_CODES, max(bins, len(values) // 20)):
            return np.searchsorted(known, values)
        edges = np.unique(np.quantile(values[self.even], np.linspace(0, 1, bins + 1)[1:-1]))
        return np.searchsorted(edges, values, side="right")

    def judged(self, guesses: np.ndarray) -> Answers:
        """Answers from out-of-fold guesses [n]: class numbers, or values."""
        if self.classes:
            wrong = (guesses != self.y).astype(np.float64)
            error = float((wrong * self.weights).sum() / self.weights.sum())
            return Answers(1 - error / (1 - 1 / max(self.classes, 2)), wrong)
        losses = (guesses - self.y) ** 2
        return Answers(1 - float(losses.mean()) / max(float(self.y.var()), 1e-300), losses)

    def by_cells(self, cells: np.ndarray) -> Answers:
        """Answers of a table: each cell's weightiest class, or mean, on the other half."""
        size = int(cells.max()) + 1 if len(cells) else 1
        guesses = np.zeros(len(self.y))
        for learn, ask in self.sides:
            if self.classes:
                flat = np.bincount(
                    cells[learn] * self.classes + self.y[learn], self.weights[learn], size * self.classes
                )
                guesses[ask] = flat.reshape(size, self.classes).argmax(1)[cells[ask]]
            else:
                weight = np.bincount(cells[learn], minlength=size)
                guesses[ask] = (np.bincount(cells[learn], self.y[learn], size) / (weight + 1e-3))[cells[ask]]
        return self.judged(guesses)

    def column(self, values: np.ndarray) -> Answers:
        """Answers of one column, whatever the shape of the dependence."""
        return self.by_cells(self.cells(values, min(BINS, max(4, self.room() // 4))))

    def pair(self, one: np.ndarray, two: np.ndarray) -> Answers:
        """The best answers of two columns through bins: of a grid, of their best line, of their product or ratio; and
        of which of the two is larger."""
        side = min(GRID, max(2, int(np.sqrt(self.room() / 6))))
        a, b = self.cells(one, side), self.cells(two, side)
        tries = [self.by_cells(a * (int(b.max()) + 1) + b)]
        one, two = one.astype(np.float64), two.astype(np.float64)
        ratio = np.divide(one, two, out=np.zeros_like(one), where=np.abs(two) > 1e-300)
        views = (self.line(one, two), one * two, ratio, np.sign(one - two))
        tries += [self.column(values) for values in views]
        return max(tries, key=lambda answers: answers.skill)

    def refined(self, answers: Answers, *columns: np.ndarray) -> Answers:
        """The answers of one or two columns again, by trees where bins may have been too coarse."""
        if not 0.5 <= answers.skill < 0.995:
            return answers
        given = list(columns)
        if len(given) == 2:
            given.append(self.line(*(column.astype(np.float64) for column in columns)))
        return max(answers, self.trees(np.column_stack(given), 10), key=lambda a: a.skill)

    def line(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """[n] the two columns along the line that tells the labels apart best (least squares on the label)."""
        x = np.column_stack([one, two])
        x = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
        root = np.sqrt(self.weights)[:, None]
        targets = np.eye(self.classes)[self.y] if self.classes else self.y[:, None]
        slopes, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]) * root, targets * root, rcond=None)
        return np.asarray(x @ slopes[:2, int(np.abs(slopes[:2]).sum(0).argmax())])

    def trees(self, x: np.ndarray, number: int = 30) -> Answers:
        """Answers of a forest on x [n, d]; classes weigh the same."""
        guesses = np.zeros(len(self.y))
        for learn, ask in self.sides:
            forest = fitted_trees(x[learn], self.y[learn], bool(self.classes), 0, number, balanced=True)
            guesses[ask] = forest.predict(x[ask])
        return self.judged(guesses)

    def straight(self, x: np.ndarray) -> Answers:
        """Answers of ridge regression on x [n, d] (on the classes' indicators), for tasks that trees are slow to learn.

        Missing values stand far out in the quick model's inputs; here they stand at the column's mean.
        """
        guesses = np.zeros(len(self.y))
        x = np.where(np.abs(x) >= 1e8, np.nan, x.astype(np.float64))
        x = np.nan_to_num(x - np.nan_to_num(np.nanmean(np.where(np.isfinite(x), x, 0), axis=0)))
        x = np.column_stack([x / np.where(x.std(0) > 0, x.std(0), 1), np.ones(len(x))])
        targets = np.eye(self.classes)[self.y] if self.classes else self.y[:, None]
        for learn, ask in self.sides:
            weighted = x[learn] * (self.weights[learn] / self.weights.mean())[:, None]
            gram = weighted.T @ x[learn] + len(learn) * 1e-3 * np.eye(x.shape[1])
            values = x[ask] @ np.linalg.solve(gram, weighted.T @ targets[learn])
            guesses[ask] = values.argmax(1) if self.classes else values[:, 0]
        return self.judged(guesses)

    def together(self, columns: np.ndarray) -> Answers:
        """The best answers of these columns together: forest or line."""
        if not len(columns):
            return self.judged(np.zeros(len(self.y)))
        x = self.x[:, columns]
        tries = [self.trees(x)]
        if len(columns) <= 1000:
            tries.append(self.straight(x))
        return max(tries, key=lambda answers: answers.skill)

    def screened(self, limit: int, keep: int) -> list[tuple[int, int]]:
        """The pairs of columns that may tell the label, best first: at most `keep`, from matrix products.

        Two searches over all pairs: a grid of bins (any joint dependence) where there are at most `limit` columns,
        and the best line (of values and of their logarithms) and the product of ranks for any number.
        """
        width = self.x.shape[1]
        root = np.sqrt(self.weights / self.weights.sum())[:, None]
        targets = np.eye(self.classes)[self.y] if self.classes else self.y[:, None]
        # the line is looked for in the values themselves: two columns that nearly agree differ in what ranks lose; and
        # in the logarithms of their sizes, where a ratio or a product is a line
        joint = np.full((width, width), -np.inf)
        for view in (self.x.astype(np.float64), _log_sizes(self.x)):
            _, alone, together = _standard(view, targets, root)
            line = np.zeros((width, width))
            for r in alone.T:
                gain = r[:, None] ** 2 + r**2 - 2 * r[:, None] * r * together
                line = np.maximum(line, np.clip(gain / np.maximum(1 - together**2, 1e-12), 0, 1))
            line[np.abs(together) > 1 - 1e-10] = 0
            single = (alone**2).max(1)
            joint = np.maximum(joint, line - np.maximum(single[:, None], single))
        if width <= limit:
            joint = np.maximum(joint, self._grids())
        else:
            ranks = np.argsort(np.argsort(self.x, axis=0, kind="stable"), axis=0, kind="stable").astype(np.float64)
            ranks, _, _ = _standard(ranks, targets, root)
            centred = targets - (root**2 * targets).sum(0)
            for target in centred.T:
                product = np.abs((ranks / root).T @ (ranks * target[:, None] * root)) / max(float(target.std()), 1e-12)
                joint = np.maximum(joint, product)
        one, two = np.triu_indices(width, 1)
        first = np.argsort(-joint[one, two], kind="stable")[:keep]
        return [(int(one[k]), int(two[k])) for k in first]

    def _grids(self) -> np.ndarray:
        """[d, d] in-sample skill of each pair's grid beyond the better of the two columns alone."""
        width = self.x.shape[1]
        side = min(GRID, max(2, int(np.sqrt(self.room() / 6))))
        cells = np.column_stack([np.minimum(self.cells(self.x[:, c], side), side - 1) for c in range(width)])
        marks = np.zeros((len(self), width * side), np.float32)
        marks[np.arange(len(self))[:, None], cells + side * np.arange(width)] = 1
        if self.classes:
            tables = np.stack([marks[self.y == k].T @ marks[self.y == k] / max(1, (self.y == k).sum())
                               for k in range(self.classes)])  # fmt: skip
            right = tables.max(0).reshape(width, side, width, side).sum((1, 3)) / self.classes
            skill = (right - 1 / self.classes) / (1 - 1 / self.classes)
        else:
            counts, sums = marks.T @ marks, marks.T @ (marks * self.y[:, None].astype(np.float32))
            explained = np.divide(sums**2, counts, out=np.zeros_like(sums), where=counts > 0)
            skill = explained.reshape(width, side, width, side).sum((1, 3)) / len(self)
        own = np.diagonal(skill)
        return np.asarray(skill - np.maximum(own[:, None], own), dtype=np.float64)


def _log_sizes(x: np.ndarray) -> np.ndarray:
    """log |x| [n, d]; zeros stand where the column's middle is."""
    size = np.abs(x.astype(np.float64))
    logs = np.log(np.where(size > 0, size, np.nan))
    middle = np.nanmedian(np.where((size > 0).any(0), logs, 0), axis=0)
    return np.where(np.isnan(logs), middle, logs)


def _standard(x: np.ndarray, targets: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of x of weighted mean 0 and unit length, their correlations with the targets, and among themselves."""
    columns = (x - (root**2 * x).sum(0)) * root
    columns = columns / np.maximum(np.sqrt((columns**2).sum(0)), 1e-12)
    aims = (targets - (root**2 * targets).sum(0)) * root
    aims = aims / np.maximum(np.sqrt((aims**2).sum(0)), 1e-12)
    return columns, columns.T @ aims, np.clip(columns.T @ columns, -1, 1)
