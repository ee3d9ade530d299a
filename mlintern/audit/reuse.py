"""`test_reuse`: how often this very test part was read before, and what the best of those looks is worth.

The best of k scores is too high even where all k models are equally good: by the expected maximum of k draws of the
score's own sampling error. Models that err on the same rows move together, so that is an upper bound; it is 0 where
they agree on every row.
"""

from pathlib import Path

import numpy as np

from mlintern.audit.ledger import read_ledger
from mlintern.audit.report import Finding, Kind, Price, Severity, Status
from mlintern.audit.subject import Outcome, Subject, not_applicable


def best_of(k: int) -> float:
    """Expected maximum of k standard normal draws, by integrating its distribution."""
    from scipy.special import ndtr

    if k <= 1:
        return 0.0
    grid = np.linspace(-8, 8, 4001)
    above, below = 1 - ndtr(grid) ** k, ndtr(grid) ** k
    return float(np.trapezoid(np.where(grid >= 0, above, -below), grid))


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
    scores = [score for _, score in looks if score is not None]
    best, middle = (max(scores), float(np.median(scores))) if scores else (None, 0.5)
    rate = min(max(middle, 0.0), 1.0)
    worth = 100 * best_of(len(looks)) * float(np.sqrt(max(rate * (1 - rate), 1 / n) / n))
    price = Price(
        points=round(worth, 2),
        low=0.0,
        high=round(worth, 2),
        metric="score",
        with_leak=round(best, 4) if best is not None else float("nan"),
        without_leak=round(best - worth / 100, 4) if best is not None else float("nan"),
        measured_with=f"expected best of {len(looks)} looks at {n} rows",
        note="an upper bound: runs that err on the same rows are worth less",
    )
    finding = Finding(
        kind=Kind.TEST_REUSE,
        severity=Severity.MEDIUM if worth >= 1 else Severity.LOW,
        splits=("test",),
        count=n,
        fraction=1.0,
        examples=tuple({"run": run, "score": score} for run, score in looks[:20]),
        evidence={"readings": len(looks), "best": best, "median": middle if scores else None},
        price=price if best is not None else None,
        repair="choose on a validation part; report the run that was chosen before test was read, or collect new "
        "test rows",
    )
    reason = (
        f"this test part was read {len(looks)} times; the best of them is worth up to {worth:.1f} points by luck alone"
    )
    return Outcome(Status.FAIL, reason, n, (finding,))
