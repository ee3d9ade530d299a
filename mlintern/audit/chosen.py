"""`selection_before_split`: were these columns picked out of many by how they go with the label on all rows?

Noise columns that were picked so keep a fingerprint. Their association with the label over all rows is the tail of a
chi distribution (of one degree of freedom per class beyond the first) beyond a cut: nothing below the cut, and over it
the mean excess of that tail. Columns with effects of their own spread by at least one standard error around them and
have no such edge. Columns picked on train alone have the edge there, and tell nothing about the test rows.
"""

import numpy as np

from mlintern.audit.report import Finding, Kind, Severity, Status
from mlintern.audit.subject import Outcome, Subject, not_applicable

_COLUMNS = 10
_LEVEL = 0.11  # chance level of the edge (1.6 standard errors): a lower edge is no selection worth the name
_RATIO = (0.4, 2.2)  # mean excess against what the tail has; effects that spread by a standard error give 3 and more
_BLUR = 0.1  # share of columns left below the cut: they were picked by a score that is not quite this one


def _directions(x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """[k, d] how each column goes with each target [n, k], in standard errors; targets are centred and orthonormal."""
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-300)
    return targets.T @ x


def _targets(labels: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """[n, k] centred, orthonormal columns that span the labels: one for a measured target, classes less one else."""
    block = labels[:, None].astype(np.float64) if classes is None else (labels[:, None] == classes).astype(np.float64)
    basis, size, _ = np.linalg.svd(block - block.mean(0), full_matrices=False)
    return basis[:, size > 1e-9 * size[0]]


def _tail_excess(cut: float, freedom: int) -> float:
    """Mean of (r - cut) over the tail r > cut of a chi distribution: what columns picked beyond it exceed it by."""
    from scipy.stats import chi

    grid = np.linspace(cut, cut + 12, 6001)
    return float(np.trapezoid(chi.sf(grid, freedom), grid) / chi.sf(cut, freedom))


def selection_before_split(subject: Subject) -> Outcome:
    """Looks for the edge over all rows, and for test rows that follow train although the columns are noise."""
    from scipy.stats import chi2

    if not subject.numeric or subject.kind_of_data != "tabular":
        return not_applicable("features are no columns that could have been chosen")
    width = subject.flat("train").shape[1]
    if width < _COLUMNS:
        return not_applicable(f"{width} columns are too few to show how they were chosen")
    blocks = {part: np.nan_to_num(subject.flat(part).astype(np.float64)) for part in ("train", "test")}
    labels = {part: subject.parts()[part].labels for part in blocks}
    joint, every = np.concatenate(list(blocks.values())), np.concatenate(list(labels.values()))
    classes = np.unique(every) if subject.classification else None
    varying = np.flatnonzero((blocks["train"].std(0) > 0) & (blocks["test"].std(0) > 0))
    n = len(every)
    if len(varying) < _COLUMNS or min(len(np.unique(values)) for values in labels.values()) < 2 or len(varying) > 5000:
        return not_applicable(f"{len(varying)} varying columns: no edge can be read from them")
    if classes is not None and any(len(np.unique(values)) < len(classes) for values in labels.values()):
        return not_applicable("train and test do not hold the same classes")
    if classes is not None and len(classes) > 20:
        return not_applicable(f"{len(classes)} classes: too many for an edge to be read")
    targets = _targets(every, classes)
    freedom = targets.shape[1]
    strength = np.sort(np.sqrt((_directions(joint[:, varying], targets) ** 2).sum(0)))
    cut = float(np.quantile(strength, _BLUR))
    level = float(chi2.sf(cut**2, freedom))
    clear = "the columns' association with the label has no edge, as columns picked on all rows would have"
    if level > _LEVEL:
        return Outcome(Status.PASS, clear, n)
    ratio = float((strength[strength >= cut] - cut).mean()) / _tail_excess(cut, freedom)
    if not _RATIO[0] <= ratio <= _RATIO[1]:
        return Outcome(Status.PASS, clear, n)
    border = len(labels["train"])
    own, other = (
        _directions(block[:, varying], part - part.mean(0))
        for block, part in ((blocks["train"], targets[:border]), (blocks["test"], targets[border:]))
    )
    size = np.sqrt((own**2).sum(0) * (other**2).sum(0))
    follows = float(((own * other).sum(0) / np.maximum(size, 1e-300)).mean())
    if follows < 3 / np.sqrt(len(varying) * freedom):
        return Outcome(Status.PASS, "the columns tell nothing about the test rows: they were not picked with them", n)
    within = joint[:, varying] - joint[:, varying].mean(0)
    within -= targets @ (targets.T @ within)
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
            "chance_level_of_the_cut": float(f"{level:.2g}"),
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
