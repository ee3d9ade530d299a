"""`preprocessing_scope` from arrays alone: the moments of scaled data say on which rows the scaling was fitted.

Scaled with the moments of some rows, exactly those rows have mean 0 and deviation 1 (or minimum 0 and maximum 1) in
every column, to the last digits that the type keeps. Where that holds for train and test together and not for train
alone, the test rows had a say.
"""

from collections.abc import Sequence

import numpy as np

from mlintern.audit.report import Finding, Kind, Severity, Status
from mlintern.audit.subject import Outcome, Subject, not_applicable

_EXACT = 2e-4  # of a deviation: rounding in single precision; sampling would leave 1 / sqrt(n)


def _varying(block: np.ndarray) -> np.ndarray:
    """The columns that vary, [n, d'] float64."""
    block = block.astype(np.float64)
    return block[:, np.ptp(block, axis=0) > 0]


def _standard(block: np.ndarray) -> bool:
    """Mean 0 and deviation 1 in every varying column."""
    centred = np.abs(block.mean(0)) < _EXACT
    return bool(centred.all()) and any(bool((np.abs(block.std(0, ddof=d) - 1) < _EXACT).all()) for d in (0, 1))


def _robust(block: np.ndarray) -> bool:
    """Median 0 and quartiles one apart in every varying column."""
    low, middle, high = np.quantile(block, (0.25, 0.5, 0.75), axis=0)
    return bool((np.abs(middle) < _EXACT).all() and (np.abs(high - low - 1) < _EXACT).all())


def _all_of_one(block: np.ndarray) -> bool:
    """One mean and one deviation over all columns together."""
    return abs(block.mean()) < _EXACT / 10 and abs(block.std() - 1) < _EXACT / 10


def _ranged(block: np.ndarray) -> bool:
    """The range [0, 1] or [-1, 1] filled exactly in every varying column, by single rows: no bound of nature."""
    for low in (0.0, -1.0):
        at_low, at_high = np.abs(block - low) < 1e-6, np.abs(block - 1) < 1e-6
        inside = (block.min(0) >= low - 1e-6) & (block.max(0) <= 1 + 1e-6)
        single = (at_low.sum(0) >= 1) & (at_high.sum(0) >= 1) & (np.minimum(at_low.sum(0), at_high.sum(0)) <= 2)
        if bool(inside.all() and (at_low.any(0) & at_high.any(0)).all()) and single.mean() > 0.5:
            return True
    return False


_SIGNS = {
    "mean 0 and deviation 1 in every column": _standard,
    "mean 0 and deviation 1 over all columns": _all_of_one,
    "median 0 and quartile range 1 in every column": _robust,
    "its range filled exactly in every column": _ranged,
}


def scope_from_moments(subject: Subject) -> Outcome:
    """Preprocessing scope of data that came without its preprocessing."""
    if not subject.numeric or any(subject.flat(part).dtype.kind != "f" for part in subject.parts()):
        return not_applicable("no preprocessing object, and the features are no scaled numbers")
    parts = subject.parts()
    n = sum(map(len, parts.values()))
    if subject.flat("train").shape[1] * n * 16 > subject.options.memory_bytes():
        return Outcome(Status.INCONCLUSIVE, f"the moments need more than audit.memory={subject.options.memory}", n)
    if not all(np.isfinite(subject.flat(part)).all() for part in parts) or len(subject.train) < 20:
        return not_applicable("no preprocessing object, and missing values hide how the features were scaled")
    scopes: list[Sequence[str]] = [("train", "test")]
    if "valid" in parts:
        scopes += [("train", "valid", "test"), ("train", "valid")]
    for sign, holds in _SIGNS.items():
        alone = _varying(subject.flat("train"))
        if not alone.shape[1] or holds(alone):
            continue
        for scope in scopes:
            if holds(_varying(np.concatenate([subject.flat(part) for part in scope]))):
                last = scope[-1]
                finding = Finding(
                    kind=Kind.PREPROCESSING_SCOPE,
                    severity=Severity.HIGH if last == "test" else Severity.MEDIUM,
                    splits=("train", last),
                    count=len(parts[last]),
                    fraction=1.0,
                    examples=(),
                    evidence={"sign": sign, "fit_on": list(scope), "from": "moments of the arrays"},
                    repair="split the raw data first, then fit the scaling on the training rows only",
                )
                together = " and ".join(scope)
                return Outcome(Status.FAIL, f"{together} together have {sign}, train alone has not", n, (finding,))
    if any(holds(_varying(subject.flat("train"))) for holds in _SIGNS.values() if np.ptp(subject.flat("train"))):
        return Outcome(Status.PASS, "the scaling fits the training rows alone", n)
    return not_applicable("no preprocessing object: features go to the model as they are, and show no scaling")
