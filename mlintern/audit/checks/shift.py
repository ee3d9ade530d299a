"""`shift`: can a classifier tell training rows from test rows? It warns, and never blocks: a shift is no leak."""

from collections.abc import Iterator

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable
from mlintern.audit.planting import Planting, put, smaller
from mlintern.audit.randomness import generator
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status
from mlintern.audit.search.quick_model import fitted_trees, model_inputs

_ROWS = 1500
_NOTABLE = 0.6  # area under the curve: 0.5 is no difference, 1 is a clean cut


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    subject = smaller(subject)
    flat = subject.flat("test").astype(np.float64)
    moved = np.arange(0, flat.shape[1], 3)
    flat[:, moved] += 0.5 * np.nanstd(subject.flat("train")[:, moved].astype(np.float64), 0)
    rows = flat.reshape(subject.test.features.shape)
    yield Planting("every third column moved by half a deviation", put(subject, "test", np.arange(len(rows)), rows))


@check(place=150, planter=_planted, draws="shift", only_warns=True)
def shift(subject: Subject) -> Outcome:
    """Adversarial validation: out-of-fold area under the curve of a forest that tells the parts apart."""
    from scipy.stats import mannwhitneyu

    if not subject.numeric:
        return not_applicable("features are no numbers")
    rows = {part: subject.sample(part, _ROWS, "shift") for part in ("train", "test")}
    x = np.concatenate([model_inputs(subject, part, rows[part]) for part in rows])
    which = np.repeat([0, 1], [len(rows["train"]), len(rows["test"])])
    if min(np.bincount(which, minlength=2)) < 20:
        return not_applicable("under 20 rows in a part tell nothing about a shift")
    folds = generator(subject.options.seed, "shift").permutation(len(which)) % 2
    score = np.zeros(len(which))
    for fold in (0, 1):
        forest = fitted_trees(x[folds == fold], which[folds == fold], True, 0, 30)
        score[folds != fold] = forest.predict_proba(x[folds != fold])[:, 1]
    statistic, p = mannwhitneyu(score[which == 1], score[which == 0], alternative="greater")
    area = float(statistic) / (np.bincount(which)[0] * np.bincount(which)[1])
    if area < _NOTABLE or p > 1e-3:
        return Outcome(Status.PASS, f"train and test look alike (area under the curve {area:.2f}; 0.5: alike)", len(x))
    finding = Finding(
        kind=Kind("shift"),
        severity=Severity.INFO,
        splits=("train", "test"),
        count=len(subject.test),
        fraction=1.0,
        examples=(),
        evidence={"area_under_curve": round(area, 3), "p": float(f"{p:.2g}")},
        repair="no leak: the score is one of carrying over to other data; say so beside it",
    )
    return Outcome(
        Status.PASS, f"warning, no leak: train and test differ (area under the curve {area:.2f})", len(x), (finding,)
    )
