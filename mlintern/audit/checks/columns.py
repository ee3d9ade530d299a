"""`group_overlap` and `temporal_overlap`: what the group and time columns say outright."""

import itertools

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable, pair_examples, row_numbers
from mlintern.audit.report.report import Finding, Kind, Severity, Status


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
                kind=Kind.GROUP_OVERLAP,
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


def as_numbers(times: np.ndarray) -> np.ndarray:
    """Times as float64: datetimes in seconds since 1970, numbers as they are; NaT and NaN stay NaN."""
    if times.dtype.kind in "OUS":
        import pandas as pd

        times = pd.to_datetime(pd.Series(times), errors="coerce", utc=True).dt.tz_localize(None).to_numpy()
    if times.dtype.kind == "M":
        seconds = times.astype("datetime64[ns]").astype(np.int64) / 1e9
        seconds[np.isnat(times)] = np.nan
        return seconds
    return times.astype(np.float64)


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
                kind=Kind.TEMPORAL_OVERLAP,
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
