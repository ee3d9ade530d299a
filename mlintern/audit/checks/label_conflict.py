"""`label_conflict`: equal rows on both sides of the split whose labels differ."""

from collections.abc import Iterator

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, pair_examples, row_numbers
from mlintern.audit.planting import Planting, fits, places_and_twins, put
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status
from mlintern.audit.search.duplicates import CHANCE_P, duplicate_rows


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    names = np.unique(subject.train.labels)
    if fits(subject) and len(names) > 1:
        places, twins = places_and_twins(subject, rng)
        other = names[(np.searchsorted(names, subject.train.labels[twins]) + 1) % len(names)]
        copy = put(subject, "test", places, subject.train.features[twins], labels=other)
        yield Planting("copies with another label", copy, places)


@check(place=20, planter=_planted)
def label_conflicts(subject: Subject) -> Outcome:
    """Equal rows in train and test (beyond chance) whose labels differ."""
    from scipy.stats import poisson

    if not subject.classification:
        return Outcome(Status.NOT_APPLICABLE, "labels are numbers, not classes")
    rows_a, rows_b, expected = duplicate_rows(subject, "train", "test")
    n = len(subject.test)
    count = len(np.unique(rows_b))
    if not count:
        return Outcome(Status.PASS, "no row stands in train and test, so no labels conflict", n)
    differ = subject.train.labels[rows_a] != subject.test.labels[rows_b]
    if subject.whole_labels is not None:
        differ |= (subject.whole_labels["train"][rows_a] != subject.whole_labels["test"][rows_b]).any(1)
    conflicts = np.unique(rows_b[differ])
    if not len(conflicts):
        return Outcome(Status.PASS, f"all {count} duplicated test rows carry the label of their twin", n)
    by_chance = float(poisson.sf(count - 1, max(expected, 1e-9))) > CHANCE_P
    finding = Finding(
        kind=Kind("label_conflict"),
        severity=Severity.INFO if by_chance else Severity.MEDIUM,
        splits=("train", "test"),
        count=len(conflicts),
        fraction=len(conflicts) / n,
        examples=pair_examples(subject, "train", rows_a[differ], "test", rows_b[differ]),
        evidence={"rows": {"train": row_numbers(rows_a[differ]), "test": row_numbers(conflicts)}},
        repair="decide which label is right, or remove both rows",
    )
    reason = f"{len(conflicts)} test rows have a training twin with another label"
    if by_chance:
        return Outcome(Status.PASS, f"{reason}, but the twins are at chance level", n, (finding,))
    return Outcome(Status.FAIL, reason, n, (finding,))
