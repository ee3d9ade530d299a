"""`temporal_overlap`: what the time column says outright."""

from collections.abc import Iterator

import numpy as np

from mlintern.audit.inputs.order import as_numbers
from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable, pair_examples, row_numbers
from mlintern.audit.planting import Planting, fits, places_and_twins, put
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if fits(subject) and subject.train.times is not None:
        places, others = places_and_twins(subject, rng)
        times = subject.train.times[others]
        yield Planting(
            "rows of training times", put(subject, "test", places, subject.test.features[places], times=times), places
        )


@check(place=80, planter=_planted)
def temporal_overlap(subject: Subject) -> Outcome:
    """Training rows that are not `horizon` older than the first test row.

    A split is meant to be chronological once a time column is named for it.
    """
    if any(part.times is None for part in subject.parts().values()):
        return not_applicable("no time column was given")
    assert subject.test.times is not None
    horizon = subject.options.horizon
    test_times = as_numbers(subject.test.times)
    if not np.isfinite(test_times).any():
        return Outcome(Status.INCONCLUSIVE, "the time column of test holds no usable time")
    start = float(np.nanmin(test_times))
    findings, notes = [], []
    for name, part in subject.parts().items():
        if name == "test" or part.times is None:
            continue
        times = as_numbers(part.times)
        late = np.flatnonzero(times + horizon >= start)
        if name == "valid":
            late = np.flatnonzero(times > start)
        if not len(late):
            continue
        if horizon == 0 and (times[late] == start).all():
            continue  # both sides of a boundary may share its last tick
        seen = np.flatnonzero(test_times <= float(np.nanmax(times)) + horizon)
        partners = late[np.argsort(times[late], kind="stable")][::-1]
        notes.append(
            f"{len(late)} of {len(times)} {name} rows are not {'older than' if not horizon else 'a horizon before'} "
            "the first test row"
        )
        findings.append(
            Finding(
                kind=Kind("temporal_overlap"),
                severity=Severity.HIGH if name == "train" else Severity.MEDIUM,
                splits=(name, "test"),
                count=len(seen),
                fraction=len(seen) / len(test_times),
                examples=pair_examples(subject, name, partners, "test", seen),
                evidence={
                    "test_begins": start,
                    f"{name}_ends": float(np.nanmax(times)),
                    "horizon": horizon,
                    f"{name}_rows_too_late": len(late),
                    "rows": {name: row_numbers(late), "test": row_numbers(seen)},
                },
                repair=f"drop the {len(late)} {name} rows at or after the first test time less the horizon, "
                "or split by time",
            )
        )
    n = sum(map(len, subject.parts().values()))
    if not findings:
        return Outcome(Status.PASS, "every training row is older than the first test row", n)
    return Outcome(Status.FAIL, "; ".join(notes), n, tuple(findings))
