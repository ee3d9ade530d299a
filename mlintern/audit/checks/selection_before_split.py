"""`selection_before_split`: were these columns picked out of many by how they go with the label on all rows?

Noise columns that were picked so keep a fingerprint. Their association with the label over all rows is the tail of a
chi distribution (of one degree of freedom per class beyond the first) beyond a cut: nothing below the cut, and over it
the mean excess of that tail. Columns with effects of their own spread by at least one standard error around them and
have no such edge. Columns picked on train alone have the edge there, and tell nothing about the test rows.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable
from mlintern.audit.planting import Planting, smaller
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status

_COLUMNS = 10
_CANDIDATES, _PICKED = 500, 20  # planted columns of noise, of which the best are picked
_LEVEL = 0.11  # chance level of the edge (1.6 standard errors): a lower edge is no selection worth the name
_RATIO = (0.4, 2.2)  # mean excess against what the tail has; effects that spread by a standard error give 3 and more
_BLUR = 0.1  # share of columns left below the cut: they were picked by a score that is not quite this one


@dataclasses.dataclass(frozen=True)
class _Moments:
    """Sums over the rows of one part, block by block."""

    rows: int
    spread: np.ndarray
    """[d] deviation of each column, 0 where it is constant."""
    squares: np.ndarray
    """[d] summed squares about the mean over both parts."""
    along: np.ndarray
    """[k, d] sums of those differences times the targets over both parts."""
    along_own: np.ndarray
    """[k, d] and times the targets centred in this part."""


def _known(block: np.ndarray) -> np.ndarray:
    return np.nan_to_num(block, copy=False)


def _moments(subject: Subject, part: str, centre: np.ndarray, targets: np.ndarray) -> _Moments:
    """Moments of a part about `centre` [d]; `targets` [n, k] are its rows of the targets over both parts."""
    width, k, n = len(centre), targets.shape[1], len(targets)
    total, squares, along = np.zeros(width), np.zeros(width), np.zeros((k, width))
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    for rows, block in subject.blocks(part):
        apart = _known(block) - centre
        low, high = np.minimum(low, apart.min(0)), np.maximum(high, apart.max(0))
        total += apart.sum(0)
        squares += (apart**2).sum(0)
        along += targets[rows].T @ apart
    spread = np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0))
    own = along - np.outer(targets.mean(0), total)
    return _Moments(n, np.where(high > low, np.maximum(spread, 1e-300), 0), squares, along, own)


def orthonormal(labels: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """[n, k] centred, orthonormal columns that span the labels: one for a measured target, classes less one else."""
    block = labels[:, None].astype(np.float64) if classes is None else (labels[:, None] == classes).astype(np.float64)
    basis, size, _ = np.linalg.svd(block - block.mean(0), full_matrices=False)
    return basis[:, size > 1e-9 * size[0]]


def _tail_excess(cut: float, freedom: int) -> float:
    """Mean of (r - cut) over the tail r > cut of a chi distribution: what columns picked beyond it exceed it by."""
    from scipy.stats import chi

    grid = np.linspace(cut, cut + 12, 6001)
    return float(np.trapezoid(chi.sf(grid, freedom), grid) / chi.sf(cut, freedom))


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    subject = smaller(subject)
    joint = np.nan_to_num(np.concatenate([subject.flat(part) for part in ("train", "test")]).astype(np.float64))
    labels = np.concatenate([subject.parts()[part].labels for part in ("train", "test")])
    targets = orthonormal(labels, np.unique(labels) if subject.classification else None)
    border = len(subject.train)
    for time in ("once", "again", "a third time"):
        noise = np.column_stack([rng.permutation(joint[:, rng.integers(joint.shape[1])]) for _ in range(_CANDIDATES)])
        noise = (noise - noise.mean(0)) / np.maximum(noise.std(0), 1e-300)
        best = noise[:, np.argsort(-((targets.T @ noise) ** 2).sum(0))[:_PICKED]]
        parts = {
            "train": dataclasses.replace(subject.train, features=best[:border]),
            "test": dataclasses.replace(subject.test, features=best[border:]),
        }
        copy = dataclasses.replace(subject, splits=subject.splits.replace(**parts), columns=None)
        yield Planting(f"shuffled columns picked on all rows {time}", copy)


@check(place=120, planter=_planted)
def selection_before_split(subject: Subject) -> Outcome:
    """Looks for the edge over all rows, and for test rows that follow train although the columns are noise."""
    from scipy.stats import chi2

    if not subject.numeric or subject.kind_of_data != "tabular":
        return not_applicable("features are no columns that could have been chosen")
    width = subject.flat("train").shape[1]
    if width < _COLUMNS:
        return not_applicable(f"{width} columns are too few to show how they were chosen")
    labels = {part: subject.parts()[part].labels for part in ("train", "test")}
    every = np.concatenate(list(labels.values()))
    classes = np.unique(every) if subject.classification else None
    n = len(every)
    if min(len(np.unique(values)) for values in labels.values()) < 2 or width > 5000:
        return not_applicable(f"{width} columns, or labels that are all equal: no edge can be read from them")
    if classes is not None and any(len(np.unique(values)) < len(classes) for values in labels.values()):
        return not_applicable("train and test do not hold the same classes")
    if classes is not None and len(classes) > 20:
        return not_applicable(f"{len(classes)} classes: too many for an edge to be read")
    targets = orthonormal(every, classes)
    freedom, border = targets.shape[1], len(labels["train"])
    centre = sum(_known(block).sum(0) for part in labels for _, block in subject.blocks(part)) / n
    own, other = (
        _moments(subject, part, centre, rows)
        for part, rows in (("train", targets[:border]), ("test", targets[border:]))
    )
    varying = np.flatnonzero((own.spread > 0) & (other.spread > 0))
    if len(varying) < _COLUMNS:
        return not_applicable(f"{len(varying)} varying columns: no edge can be read from them")
    along = own.along + other.along
    size = np.sqrt((own.squares + other.squares)[varying] / n)
    strength = np.sort(np.sqrt((along**2).sum(0))[varying] / size)
    cut = float(np.quantile(strength, _BLUR))
    level = float(chi2.sf(cut**2, freedom))
    clear = "the columns' association with the label has no edge, as columns picked on all rows would have"
    if level > _LEVEL:
        return Outcome(Status.PASS, clear, n)
    ratio = float((strength[strength >= cut] - cut).mean()) / _tail_excess(cut, freedom)
    if not _RATIO[0] <= ratio <= _RATIO[1]:
        return Outcome(Status.PASS, clear, n)
    one, two = ((part.along_own / part.spread)[:, varying] for part in (own, other))
    size = np.sqrt((one**2).sum(0) * (two**2).sum(0))
    follows = float(((one * two).sum(0) / np.maximum(size, 1e-300)).mean())
    if follows < 3 / np.sqrt(len(varying) * freedom):
        return Outcome(Status.PASS, "the columns tell nothing about the test rows: they were not picked with them", n)
    products = -along[:, varying].T @ along[:, varying]  # of the columns within classes
    for part in labels:
        for _, block in subject.blocks(part):
            apart = _known(block)[:, varying] - centre[varying]
            products += apart.T @ apart
    scale = np.sqrt(np.maximum(np.diagonal(products), 1e-300))
    together = products / np.outer(scale, scale)
    shared = float((together[np.triu_indices(len(varying), 1)] ** 2).mean())
    if shared > 2 / n + 0.005:
        return Outcome(Status.PASS, "the columns hang together, so that their like strength is no sign of a choice", n)
    finding = Finding(
        kind=Kind("selection_before_split"),
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
