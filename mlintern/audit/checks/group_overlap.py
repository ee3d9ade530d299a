"""`group_overlap`: groups of a given column with rows in more than one part."""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable, pair_examples, row_numbers
from mlintern.audit.inputs.units import Units
from mlintern.audit.planting import Planting, fits, places_and_twins, put
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status


def _units(subject: Subject) -> Units | None:
    """One unit per value of the group column."""
    train, test = subject.train.groups, subject.test.groups
    if train is None or test is None:
        return None
    _, number = np.unique(np.concatenate([train.astype(str), test.astype(str)]), return_inverse=True)
    return Units(number[: len(train)], number[len(train) :])


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if fits(subject) and subject.train.groups is not None:
        places, others = places_and_twins(subject, rng)
        groups = np.array(subject.train.groups, dtype=object)
        test = dataclasses.replace(subject.test, groups=np.array(subject.test.groups, dtype=object))
        copy = dataclasses.replace(subject, splits=subject.splits.replace(test=test))
        yield Planting("mates", put(copy, "test", places, test.features[places], groups=groups[others]), places)


@check(place=60, planter=_planted, units=_units)
def group_overlap(subject: Subject) -> Outcome:
    """Groups (patients, users, sites) with rows in more than one part."""
    if any(part.groups is None for part in subject.parts().values()):
        return not_applicable("no group column was given")
    findings, notes = [], []
    for part_a, part_b in itertools.combinations(subject.parts(), 2):
        groups_a, groups_b = subject.parts()[part_a].groups, subject.parts()[part_b].groups
        assert groups_a is not None
        assert groups_b is not None
        groups_a, groups_b = groups_a.astype(str), groups_b.astype(str)
        shared = np.intersect1d(groups_a, groups_b)
        if not len(shared):
            continue
        rows_a, rows_b = np.flatnonzero(np.isin(groups_a, shared)), np.flatnonzero(np.isin(groups_b, shared))
        first_a = {str(g): int(i) for i, g in zip(rows_a[::-1], groups_a[rows_a][::-1], strict=True)}
        partners = np.array([first_a[str(g)] for g in groups_b[rows_b]])
        fraction = len(rows_b) / len(groups_b)
        total = len(np.unique(groups_b))
        notes.append(f"{len(shared)} of {total} groups in {part_b} have rows in {part_a} too")
        findings.append(
            Finding(
                kind=Kind("group_overlap"),
                # a validation part that shares groups with train misleads selection, not the reported number
                severity=Severity.HIGH if part_b == "test" else Severity.MEDIUM,
                splits=(part_a, part_b),
                count=len(rows_b),
                fraction=fraction,
                examples=pair_examples(subject, part_a, partners, part_b, rows_b),
                evidence={
                    "groups": [str(g) for g in shared[:100]],
                    "groups_shared": len(shared),
                    f"groups_in_{part_b}": total,
                    "rows": {part_a: row_numbers(rows_a), part_b: row_numbers(rows_b)},
                },
                repair="give every group to one part only",
            )
        )
    n = sum(map(len, subject.parts().values()))
    if not findings:
        return Outcome(Status.PASS, "no group has rows in two parts", n)
    return Outcome(Status.FAIL, "; ".join(notes), n, tuple(findings))
