"""`selection_before_split`: were these columns picked out of many by how they go with the label on all rows?

Noise columns that were picked so keep a fingerprint. Their association with the label over all rows is the tail of a
standard normal beyond a cut: nothing below the cut, and a mean excess over it of Mills' ratio less the cut, about one
over it. Columns with effects of their own spread by at least one standard error around them and have no such edge.
Columns picked on train alone have the edge there, and tell nothing about the test rows.
"""

import numpy as np

from mlintern.audit.report import Finding, Kind, Severity, Status
from mlintern.audit.subject import Outcome, Subject, not_applicable

_COLUMNS = 10
_CUT = 1.6  # standard errors: an edge lower than this is no selection worth the name
_RATIO = (0.5, 1.5)  # mean excess against what the tail has; effects of their own give 3 and more


def _scores(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[d] association of each column with the label in standard errors."""
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-300)
    return (x * ((y - y.mean()) / y.std())[:, None]).mean(0) * np.sqrt(len(y))


def selection_before_split(subject: Subject) -> Outcome:
    """Looks for the edge over all rows, and for test rows that follow train although the columns are noise."""
    from scipy.stats import norm

    if not subject.numeric or subject.kind_of_data != "tabular":
        return not_applicable("features are no columns that could have been chosen")
    width = subject.flat("train").shape[1]
    if width < _COLUMNS:
        return not_applicable(f"{width} columns are too few to show how they were chosen")
    if subject.classification and len(np.unique(subject.train.labels)) != 2:
        return not_applicable("the edge is looked for with two classes or a measured target")
    blocks = {part: np.nan_to_num(subject.flat(part).astype(np.float64)) for part in ("train", "test")}
    labels = {part: subject.parts()[part].labels.astype(np.float64) for part in blocks}
    joint, target = np.concatenate(list(blocks.values())), np.concatenate(list(labels.values()))
    varying = np.flatnonzero((blocks["train"].std(0) > 0) & (blocks["test"].std(0) > 0))
    n = len(target)
    if len(varying) < _COLUMNS or min(values.std() for values in labels.values()) == 0 or len(varying) > 5000:
        return not_applicable(f"{len(varying)} varying columns: no edge can be read from them")
    every = _scores(joint[:, varying], target)
    strength = np.sort(np.abs(every))
    cut = float(strength[0])
    tail = float(norm.pdf(cut) / norm.sf(cut) - cut)
    ratio = float((strength - cut).sum() / (len(strength) - 1)) / tail
    clear = "the columns' association with the label has no edge, as columns picked on all rows would have"
    if cut < _CUT or not _RATIO[0] <= ratio <= _RATIO[1]:
        return Outcome(Status.PASS, clear, n)
    follows = float((np.sign(_scores(blocks["train"][:, varying], labels["train"]))
                     * _scores(blocks["test"][:, varying], labels["test"])).mean())  # fmt: skip
    if follows < 3 / np.sqrt(len(varying)):
        return Outcome(Status.PASS, "the columns tell nothing about the test rows: they were not picked with them", n)
    within = joint[:, varying] - joint[:, varying].mean(0)
    y = (target - target.mean()) / target.std()
    within -= np.outer(y, (within * y[:, None]).mean(0))
    together = np.corrcoef(within.T)
    shared = float((together[np.triu_indices(len(varying), 1)] ** 2).mean())
    if shared > 2 / n + 0.005:
        return Outcome(Status.PASS, "the columns hang together, so that their like strength is no sign of a choice", n)
    finding = Finding(
        kind=Kind.SELECTION_BEFORE_SPLIT,
        severity=Severity.HIGH,
        splits=("train", "test"),
        count=len(varying),
        fraction=len(varying) / width,
        examples=tuple({"column": subject.feature_names[c]} for c in varying[:20]),
        evidence={
            "cut_in_standard_errors": round(cut, 3),
            "excess_against_tail": round(ratio, 3),
            "test_follows_train": round(follows, 3),
        },
        repair="split first, then choose columns on the training rows only (inside every fold)",
    )
    reason = (
        f"all {len(varying)} columns pass {cut:.1f} standard errors of association over train and test together, and "
        "fall off beyond it as picked noise does"
    )
    return Outcome(Status.FAIL, reason, n, (finding,))
