"""`test_reuse`: how often this very test part was read before, and what the best of those looks is worth.

The best of k scores is too high even where all k models are equally good: by the expected maximum of k draws of the
score's own sampling error. Models that err on the same rows move together, so that is an upper bound; it is 0 where
they agree on every row.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Price, Severity, Status
from mlintern.audit.report.ledger import SeenScore, read_ledger

NO_SHARES = ("loss", "squared_error")
"""Metrics that are no share of examples, also where their values lie between 0 and 1."""


def best_of(k: int) -> float:
    """Expected maximum of k standard normal draws, by integrating its distribution."""
    from scipy.special import ndtr

    if k <= 1:
        return 0.0
    grid = np.linspace(-8, 8, 4001)
    above, below = 1 - ndtr(grid) ** k, ndtr(grid) ** k
    return float(np.trapezoid(np.where(grid >= 0, above, -below), grid))


@check(place=140, no_canary="it counts the ledger's readings, and there is nothing to miss")
def reuse_of_test(subject: Subject) -> Outcome:
    """Distinct readings of this test part in the ledger (`audit.ledger`)."""
    if not subject.options.ledger:
        return not_applicable("no ledger of test readings was given (audit.ledger)")
    fingerprint = subject.test.fingerprint()
    found = [reading for reading in read_ledger(Path(subject.options.ledger)) if reading.test == fingerprint]
    looks = sorted({(reading.run, reading.score) for reading in found}, key=str)
    n = len(subject.test)
    if len(looks) < 2:
        return Outcome(
            Status.PASS, f"the ledger has {len(looks)} reading{'s' * (len(looks) != 1)} of this test part", n
        )
    metric, higher, scores = _scores(found)
    best = (max(scores) if higher else min(scores)) if scores else None
    shares = metric not in NO_SHARES and all(0 <= score <= 1 for score in scores)
    middle = float(np.median(scores)) if scores else 0.5
    worth = 100 * best_of(len(looks)) * float(np.sqrt(max(middle * (1 - middle), 1 / n) / n)) if shares else None
    said = f"up to {worth:.1f} points" if worth is not None else "something"
    price = None
    if best is not None and worth is not None:
        price = Price(
            points=round(worth, 2),
            low=0.0,
            high=round(worth, 2),
            metric=metric,
            with_leak=round(best, 4),
            without_leak=round(best - worth / 100 if higher else best + worth / 100, 4),
            measured_with=f"expected best of {len(looks)} looks at {n} rows",
            note="an upper bound: runs that err on the same rows are worth less",
        )
    finding = Finding(
        kind=Kind("test_reuse"),
        severity=Severity.LOW if worth is not None and worth < 1 else Severity.MEDIUM,
        splits=("test",),
        count=n,
        fraction=1.0,
        examples=tuple({"run": run, "score": score} for run, score in looks[:20]),
        evidence={
            "readings": len(looks),
            "metric": metric,
            "higher_is_better": higher,
            "best": best,
            "median": middle if scores else None,
        },
        price=price,
        repair="choose on a validation part; report the run that was chosen before test was read, or collect new "
        "test rows",
    )
    reason = f"this test part was read {len(looks)} times; the best of them is worth {said} by luck alone"
    return Outcome(Status.FAIL, reason, n, (finding,))


def _scores(readings: Sequence[SeenScore]) -> tuple[str, bool, list[float]]:
    """(metric, whether higher is better, distinct readings) of the metric that was read most; scores of others are no
    better or worse than these."""
    looks = {(r.run, r.score, r.metric, r.higher_is_better) for r in readings if r.score is not None}
    if not looks:
        return "score", True, []
    counts = Counter((metric, higher) for _, _, metric, higher in looks)
    metric, higher = min(counts, key=lambda kind: (-counts[kind], kind))
    of_it = (score for _, score, *kind in looks if kind == [metric, higher] and score is not None)
    return metric, higher, sorted(of_it)
