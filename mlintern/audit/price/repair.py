"""Repair: rows that hang together go to one part, whole; parts keep their sizes and classes as near as can be.

Everything found is an edge: a pair of copies, two rows of one group. The connected components of all edges are dealt
out again, largest first, each to the part that lacks its rows most. The repaired split is audited again, and both the
outcome and what it rests on are written beside it as a certificate.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import mlintern
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.inputs.units import Units
from mlintern.audit.randomness import generator
from mlintern.audit.registry import detector
from mlintern.audit.report.audit_report import AuditReport, Finding, Severity
from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.data.splits import Examples, Splits


def units_of_pairs(pairs: Iterable[tuple[int, int]], n_train: int, n_test: int) -> Units:
    """Connected components of train-test pairs as units; rows in no pair are rows of their own."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    edges = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    size = n_train + n_test
    graph = csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1] + n_train)), (size, size))
    _, number = connected_components(graph, directed=False)
    number[np.bincount(number)[number] == 1] = -1
    return Units(number[:n_train], number[n_train:])


def units_of(subject: Subject, finding: Finding) -> Units | None:
    """The units that a train-test finding connects, or None where it connects no rows (a column, a protocol)."""
    if finding.splits != ("train", "test"):
        return None
    ask = detector(finding.kind).units
    if ask is not None and (asked := ask(subject)) is not None:
        return asked
    if "units" in finding.evidence:
        units = finding.evidence["units"]
        if len(units["train"]) == len(subject.train) and len(units["test"]) == len(subject.test):
            return Units(np.array(units["train"]), np.array(units["test"]))
        return None
    if "pairs" in finding.evidence:
        return units_of_pairs(finding.evidence["pairs"], len(subject.train), len(subject.test))
    return None


@dataclasses.dataclass(frozen=True)
class Assignment:
    """Where each row goes: pooled rows in the order train, valid, test."""

    origin: np.ndarray
    """[n] the part a row came from."""
    row: np.ndarray
    """[n] its row number there."""
    part: np.ndarray
    """[n] the part it goes to."""

    def apply(self, splits: Splits) -> Splits:
        """The repaired splits; protocol and preprocessing stay as they are."""
        pooled = pooled_examples(splits)
        return splits.replace(**{name: pooled.take(np.flatnonzero(self.part == name)) for name in splits.parts()})


def pooled_examples(splits: Splits) -> Examples:
    """All rows in the order train, valid, test."""
    columns: dict[str, Any] = {}
    for field in dataclasses.fields(Examples):
        given = [getattr(part, field.name) for part in splits.parts().values()]
        columns[field.name] = None if any(column is None for column in given) else np.concatenate(given)
    return Examples(**columns)


def components(subject: Subject, findings: Iterable[Finding]) -> np.ndarray:
    """Component number of each pooled row, over the edges of all findings and of the group column."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    parts = subject.parts()
    starts = dict(zip(parts, np.cumsum([0, *map(len, parts.values())]), strict=False))
    size = sum(map(len, parts.values()))
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]

    def join(rows: np.ndarray, names: np.ndarray) -> None:
        order = np.argsort(names, kind="stable")
        same = np.flatnonzero(names[order][1:] == names[order][:-1])
        left.append(rows[order][same])
        right.append(rows[order][same + 1])

    for finding in findings:
        if finding.severity == Severity.INFO or len(finding.splits) != 2:
            continue
        one, two = finding.splits
        if "pairs" in finding.evidence:
            pairs = np.array(finding.evidence["pairs"], dtype=np.int64).reshape(-1, 2)
            left.append(pairs[:, 0] + starts[one])
            right.append(pairs[:, 1] + starts[two])
        elif (units := units_of(subject, finding)) is not None and "units" in finding.evidence:
            rows = np.concatenate(
                [np.arange(len(units.train)) + starts["train"], np.arange(len(units.test)) + starts["test"]]
            )
            names = np.concatenate([units.train, units.test])
            join(rows[names >= 0], names[names >= 0])
    if all(part.groups is not None for part in parts.values()):
        join(np.arange(size), np.concatenate([np.asarray(part.groups).astype(str) for part in parts.values()]))
    a, b = np.concatenate(left), np.concatenate(right)
    _, number = connected_components(csr_matrix((np.ones(len(a)), (a, b)), (size, size)), directed=False)
    return np.asarray(number)


def reassigned(subject: Subject, report: AuditReport) -> Assignment:
    """Deal components out again. Rows alone stay where they are; components that straddle move whole.

    Raises UserError where one component is too large for any split of these sizes.
    """
    parts = subject.parts()
    names = list(parts)
    origin = np.concatenate([np.full(len(part), name) for name, part in parts.items()])
    row = np.concatenate([np.arange(len(part)) for part in parts.values()])
    number = components(subject, report.findings)
    labels = np.concatenate([part.labels for part in parts.values()])
    classes = np.unique(labels, return_inverse=True)[1] if subject.classification else np.zeros(len(labels), np.int64)
    width = int(classes.max()) + 1
    sizes = np.bincount(number)
    if sizes.max() > 0.8 * len(origin):
        raise UserError(
            f"audit: {sizes.max()} of {len(origin)} rows hang together, so no split keeps them in one part; "
            "remove copies first, or collect rows from more sources"
        )
    home = np.unique(origin, return_inverse=True)[1]
    straddles = np.zeros(len(sizes), bool)
    low, high = np.full(len(sizes), 99), np.zeros(len(sizes), np.int64)
    np.minimum.at(low, number, home)
    np.maximum.at(high, number, home)
    straddles = low != high
    lacking = np.zeros((len(names), width))
    for index, name in enumerate(names):
        moved = (origin == name) & straddles[number]
        lacking[index] = np.bincount(classes[moved], minlength=width)
    part = origin.astype(object)
    profile = np.zeros((len(sizes), width))
    np.add.at(profile, (number, classes), 1)
    order = np.flatnonzero(straddles)
    order = order[generator(subject.options.seed, "repair").permutation(len(order))]
    order = order[np.argsort(-sizes[order], kind="stable")]
    goes = {}
    for component in order:
        want = profile[component]
        # the loss of room squared: what would be left unfilled, or filled beyond its size, by class
        cost = [((lacking[i] - want) ** 2).sum() - (lacking[i] ** 2).sum() for i in range(len(names))]
        index = int(np.argmin(cost))
        lacking[index] -= want
        goes[int(component)] = names[index]
    moving = straddles[number]
    part[moving] = [goes[int(c)] for c in number[moving]]
    return Assignment(origin, row, part.astype(str))


def repaired_subject(subject: Subject, assignment: Assignment) -> Subject:
    """The subject under the new assignment, with its side columns carried along."""

    def deal(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        pooled = np.concatenate([np.asarray(columns[name]) for name in subject.parts()])
        return {name: pooled[assignment.part == name] for name in subject.parts()}

    return subject.dealt(assignment.apply(subject.splits), deal)


def write_repair(
    subject: Subject, before: AuditReport, assignment: Assignment, after: AuditReport, folder: Path
) -> None:
    """Write the repaired split, its assignment row by row and its certificate to `folder`."""
    import pandas as pd

    splits = assignment.apply(subject.splits)
    ids = pooled_examples(subject.splits).ids
    if subject.numeric:
        arrays = {}
        for name, part in splits.parts().items():
            arrays[f"x_{name}"], arrays[f"y_{name}"] = part.features, part.labels
            arrays[f"ids_{name}"] = part.ids.astype(str)
            if part.groups is not None:
                arrays[f"groups_{name}"] = part.groups.astype(str)
        with files.atomic_path(folder / "repaired.npz") as draft, open(draft, "wb") as handle:
            np.savez(handle, **arrays)  # type: ignore[arg-type]
    table = pd.DataFrame({"id": ids, "was": assignment.origin, "row": assignment.row, "part": assignment.part})
    files.write_text(folder / "assignment.csv", table.to_csv(index=False))
    files.write_json(folder / "certificate.json", certificate(subject, before, assignment, after))


def certificate(subject: Subject, before: AuditReport, assignment: Assignment, after: AuditReport) -> dict[str, Any]:
    """What was repaired, by which version with which options, and how the repaired split fares."""
    options = dataclasses.asdict(subject.options)
    options["acknowledge"] = list(options["acknowledge"])
    return {
        "tool": f"mlintern {mlintern.__version__}",
        "options": options,
        "rows_moved": int((assignment.origin != assignment.part).sum()),
        "sizes": {
            name: {"was": len(part), "is": int((assignment.part == name).sum())}
            for name, part in subject.parts().items()
        },
        "before": {"data": before.data, "summary": before.summary(), "sha256": before.sha256()},
        "after": {
            "data": after.data,
            "summary": after.summary(),
            "sha256": after.sha256(),
            "checks": [{"name": c.name, "status": c.status.value, "reason": c.reason} for c in after.checks],
        },
    }
