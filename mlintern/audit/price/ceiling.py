"""How well any model could do on the test rows, as the rows' nearest neighbours have it.

With endless data, the error R of the nearest neighbour and the least possible error R* are tied by
R* >= (1 - 1/K) (1 - sqrt(1 - R K / (K - 1))) for K classes (Cover & Hart 1967). With n rows the neighbour errs more: by
about c n^(-2/m), m being the intrinsic dimension (Snapp & Venkatesh 1998). So the error is measured with quarters,
halves and all of the training rows, extrapolated under that law, and lowered by twice its standard error over the test
rows. The law is one of small distances: where a quarter of the rows are fewer than two to each dimension (2^m), as in
most raw pictures, no ceiling comes of it.
"""

import math

import numpy as np

from mlintern.audit.inputs.subject import Subject
from mlintern.audit.report.audit_report import Ceiling
from mlintern.audit.search.neighbours import nearest, spacing_of

_MOST_TRAIN, _MOST_TEST = 20_000, 2_000
_FEWEST = 200
"""Rows of train and of test below which nothing is said."""
_PARTS = (4, 2, 1)
"""The training rows are cut in so many; the errors of the pieces are averaged."""
_NEIGHBOURS = 30
_SURE = 2.0
"""Standard errors that the extrapolated error is lowered by."""


def nearest_neighbour_ceiling(subject: Subject) -> Ceiling | None:
    """The ceiling for a classification of numbers; None for other data, too few rows, or a bound that says nothing."""
    labels, asked = subject.train.labels, subject.test.labels
    if labels.ndim != 1 or labels.dtype.kind not in "iubUS" or not subject.numeric:
        return None
    generator = np.random.Generator(np.random.Philox(subject.options.seed))
    rows = generator.permutation(len(labels))[: min(_MOST_TRAIN, subject.options.max_rows)]
    tested = np.sort(generator.permutation(len(asked))[:_MOST_TEST])
    classes = len(np.unique(labels))
    if len(rows) < _FEWEST or len(tested) < _FEWEST or classes < 2:
        return None
    base, queries = (_scaled(subject, part, chosen) for part, chosen in (("train", rows), ("test", tested)))
    if not np.isfinite(base).all() or not np.isfinite(queries).all():
        return None
    spacing = spacing_of(nearest(base, base, _NEIGHBOURS, itself=True, city_block=False)[0])
    if spacing is None or not 0 < spacing.wide <= math.log2(len(rows) / max(_PARTS)):
        return None
    errors = np.array([_errors(base, labels[rows], queries, asked[tested], pieces) for pieces in _PARTS])
    return bound(errors, len(rows), spacing.wide, classes)


def bound(errors: np.ndarray, size: int, dimension: float, classes: int) -> Ceiling | None:
    """The ceiling from errors [3, test rows] of the nearest neighbour with a quarter, half and all of `size` rows."""
    law = (size / np.array(_PARTS)) ** (-2 / dimension)
    weights = np.linalg.pinv(np.column_stack([np.ones(len(law)), law]))[0]  # of each size in the intercept
    by_row = weights @ errors
    limit, error = float(by_row.mean()), float(by_row.std(ddof=1) / math.sqrt(len(by_row)))
    share = 1 - 1 / classes
    least = min(limit - _SURE * error, share)
    if least <= 0:
        return None
    bayes = share * (1 - math.sqrt(max(0.0, 1 - least / share)))
    return Ceiling(
        accuracy=1 - bayes,
        nearest=float(errors[-1].mean()),
        extrapolated=limit,
        dimension=float(dimension),
        train=size,
        test=errors.shape[1],
    )


def _scaled(subject: Subject, part: str, rows: np.ndarray) -> np.ndarray:
    """Rows [n, d] in units of the training part's deviations; columns that are samples or pixels share one unit."""
    flat, train = subject.flat(part)[rows].astype(np.float64), subject.flat("train")
    together = subject.laid_out is not None or subject.kind_of_data != "tabular"
    if 24 * train.size > subject.options.memory_bytes():
        train = train[subject.sample("train", _MOST_TRAIN, "ceiling")]
    train = train.astype(np.float64)
    deviation = train.std() if together else train.std(0)
    return (flat / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)


def _errors(base: np.ndarray, labels: np.ndarray, queries: np.ndarray, truth: np.ndarray, pieces: int) -> np.ndarray:
    """[test rows] share of the pieces of the training rows whose nearest row has another label."""
    wrong = np.zeros(len(queries))
    for piece in np.array_split(np.arange(len(base)), pieces):
        _, found = nearest(queries, base[piece], 1, city_block=False)
        wrong += labels[piece][found[:, 0]] != truth
    return wrong / pieces
