"""`exact_duplicate`: rows of one part that stand in another part too, beyond chance (search/chance.py)."""

import itertools
from collections.abc import Iterator

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, pair_examples, pair_numbers, row_numbers
from mlintern.audit.planting import Planting, fits, places_and_twins, put
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status
from mlintern.audit.search.duplicates import CHANCE_P, duplicate_rows, severity_of_share


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if fits(subject):
        places, twins = places_and_twins(subject, rng)
        yield Planting("copies", put(subject, "test", places, subject.train.features[twins]), places)


@check(place=10, planter=_planted)
def exact_duplicates(subject: Subject) -> Outcome:
    """Rows that stand in two parts: train-test, train-valid and valid-test."""
    from scipy.stats import poisson

    findings = []
    names = list(subject.parts())
    notes = []
    for part_a, part_b in itertools.combinations(names, 2):
        rows_a, rows_b, expected = duplicate_rows(subject, part_a, part_b)
        count, size = len(np.unique(rows_b)), len(subject.parts()[part_b])
        if not count:
            continue
        chance = float(poisson.sf(count - 1, max(expected, 1e-9)))
        by_chance = chance > CHANCE_P
        fraction = count / size
        severity = Severity.INFO if by_chance else severity_of_share(count, fraction)
        notes.append(f"{count} of {size} {part_b} rows stand in {part_a} too, {expected:.1f} expected by chance")
        findings.append(
            Finding(
                kind=Kind("exact_duplicate"),
                severity=severity,
                splits=(part_a, part_b),
                count=count,
                fraction=fraction,
                examples=pair_examples(subject, part_a, rows_a, part_b, rows_b),
                evidence={
                    "expected_by_chance": expected,
                    "p": chance,
                    "rows": {part_a: row_numbers(rows_a), part_b: row_numbers(rows_b)},
                    "pairs": pair_numbers(rows_a, rows_b),
                },
                repair="nothing to repair: at chance level"
                if by_chance
                else f"remove the {len(np.unique(rows_a))} twins from {part_a}, or keep all copies in one part",
            )
        )
    n = sum(map(len, subject.parts().values()))
    if not findings:
        return Outcome(Status.PASS, "no row stands in two parts", n)
    failed = any(f.severity > Severity.INFO for f in findings)
    return Outcome(Status.FAIL if failed else Status.PASS, "; ".join(notes), n, tuple(findings))
