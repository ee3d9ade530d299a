"""Where a leak is priced: retrain a quick model without it and score the same test rows.

The training-side mates of a test row are removed, never test rows: dropping test rows changes what is measured. Where
mates are most of the training part (every patient is on both sides), units are removed fold by fold, and each test row
is scored by a model that saw nothing of its unit. The control removes as many training rows drawn at random, so that a
smaller training set is not taken for a leak.
"""

from collections.abc import Callable

import numpy as np

from mlintern.audit.inputs.subject import Fit, Subject
from mlintern.audit.inputs.units import Units
from mlintern.audit.randomness import drawn, generator
from mlintern.audit.report.audit_report import Price
from mlintern.audit.search.quick_model import fitted_trees, model_inputs

QUICK_MODEL = "probe: 50 extremely randomised trees"
MODEL = "model: the pack's own, trained by the engine"
_ROWS = 6000
_FOLDS = 5
_BOOTSTRAP = 1000


def _quality(predicted: np.ndarray, truth: np.ndarray, classification: bool) -> np.ndarray:
    """Per-row score: right or wrong; or one minus the squared error over the truth's variance, whose mean is R²."""
    if classification:
        return (predicted == truth).astype(np.float64)
    return 1 - (predicted - truth) ** 2 / max(float(np.var(truth)), 1e-300)


def _model(subject: Subject) -> Fit | None:
    """The caller's model, where it is to price leaks; of rows with many labels it predicts more than one can score."""
    return subject.fit if subject.options.price == "model" and subject.whole_labels is None else None


def _predictor(subject: Subject, rows: dict[str, np.ndarray]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Trains on chosen rows (places in rows["train"]) and predicts asked ones: the caller's model, or the quick one."""
    if (fit := _model(subject)) is not None:
        return lambda chosen, asked: fit(
            subject.train.take(rows["train"][chosen]), subject.test.take(rows["test"][asked])
        )
    x, test = (model_inputs(subject, part, rows[part]) for part in ("train", "test"))
    y, classify, seed = subject.train.labels[rows["train"]], subject.classification, subject.options.seed
    return lambda chosen, asked: fitted_trees(x[chosen], y[chosen], classify, seed).predict(test[asked])


def price_of(subject: Subject, units: Units, purpose: str, among: dict[str, np.ndarray] | None = None) -> Price | None:
    """Price of the units' straddling the split, or None where no model can be trained. One is trained and asked
    `among` these rows {part: row numbers} (default: all), or a sample of them."""
    by_model = _model(subject) is not None
    if not subject.numeric and not by_model:
        return None
    shared = units.straddling()
    if not len(shared):
        return None
    classify = subject.classification
    rows = {part: subject.sample(part, _ROWS, "price", purpose) for part in ("train", "test")}
    if among is not None and any(len(rows[part]) < len(subject.parts()[part]) for part in rows):
        rows = {part: among[part][drawn(len(among[part]), _ROWS, subject.options.seed, purpose)] for part in among}
    if by_model:
        rows = {part: np.arange(len(subject.parts()[part])) for part in rows}
    y, truth = (subject.parts()[part].labels[rows[part]] for part in ("train", "test"))
    mine, theirs = units.train[rows["train"]], units.test[rows["test"]]
    rng = generator(subject.options.seed, "price", purpose)
    removed_at_once = np.isin(mine, shared)
    folds = 1 if removed_at_once.mean() <= 0.5 else _FOLDS
    fold_of = dict(zip(shared.tolist(), rng.permutation(len(shared)) % folds, strict=True))
    mine_fold = np.array([fold_of.get(int(u), -1) for u in mine])
    their_fold = np.array([fold_of.get(int(u), -1) for u in theirs])
    loose = their_fold < 0
    their_fold[loose] = rng.integers(0, folds, int(loose.sum()))
    predicted = _predictor(subject, rows)
    as_it_is = _quality(predicted(np.arange(len(y)), np.arange(len(truth))), truth, classify)
    without, control = np.zeros(len(truth)), np.zeros(len(truth))
    for fold in range(folds):
        asked = np.flatnonzero(their_fold == fold)
        keep = np.flatnonzero(mine_fold != fold)
        if not len(asked):
            continue
        if len(keep) < 10 or (classify and len(np.unique(y[keep])) < 2):
            return None
        other = np.sort(rng.choice(len(y), len(keep), replace=False))
        for out, chosen in ((without, keep), (control, other)):
            out[asked] = _quality(predicted(chosen, asked), truth[asked], classify)
    gain = control - without
    low, high = _interval(gain, theirs, rng)
    return Price(
        points=_points(gain.mean()),
        low=_points(low),
        high=_points(high),
        metric="accuracy" if classify else "R²",
        with_leak=round(float(as_it_is.mean()), 4),
        without_leak=round(float(without.mean() + (as_it_is - control).mean()), 4),
        measured_with=MODEL if by_model else QUICK_MODEL,
        note=_all_leak(without, truth, y) if classify else "",
    )


def _points(share: float) -> float:
    return round(100 * float(share), 2)


def _interval(gain: np.ndarray, units: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """95 % bootstrap interval of the mean gain; whole units are drawn, because their rows hang together."""
    single = np.where(units < 0, -2 - np.arange(len(units)), units)
    _, place = np.unique(single, return_inverse=True)
    sums, sizes = np.bincount(place, gain), np.bincount(place)
    drawn = rng.integers(0, len(sums), (_BOOTSTRAP, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / sizes[drawn].sum(1), (0.025, 0.975))
    return float(low), float(high)


def _all_leak(without: np.ndarray, truth: np.ndarray, seen: np.ndarray) -> str:
    """A note where nothing is left without the leak: no better than always saying the commonest class."""
    names, counts = np.unique(seen, return_counts=True)
    blind = float((truth == names[counts.argmax()]).mean())
    spread = np.sqrt(max(blind * (1 - blind), 1e-9) / len(truth))
    if without.mean() <= blind + 2 * spread:
        return f"the score is all leak: without it the probe is no better than the commonest class ({blind:.3f})"
    return ""
