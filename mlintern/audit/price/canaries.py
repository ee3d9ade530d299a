"""Canaries: known leaks planted in a copy of the user's own data, so that a PASS says how much it is worth.

A check that found nothing is run again on data with its kind of leak in them, planted by the planter in its file. The
share that it then names is its recall on these very data: on two low-dimensional columns a near copy cannot be told
from chance. A check that names none of the rows planted is blind there, and having found nothing says nothing: it is
INCONCLUSIVE.
"""

import dataclasses

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject
from mlintern.audit.randomness import generator
from mlintern.audit.registry import Detector
from mlintern.audit.report.audit_report import Status


def with_recall(subject: Subject, check: Detector, outcome: Outcome) -> Outcome:
    """The outcome of a check that found nothing, with its recall on planted leaks in its reason."""
    if outcome.status is not Status.PASS or outcome.findings:
        return outcome
    if check.planter is None:
        why = check.no_canary or f"nothing plants {check.kind} yet"
        return dataclasses.replace(outcome, reason=f"{outcome.reason}; no canary: {why}")
    tried, named = [], 0
    for planting in check.planter(subject, generator(subject.options.seed, "canaries", check.kind)):
        found = [finding for finding in check.look(planting.subject).findings if finding.kind == check.kind]
        if planting.rows is not None:
            hit = int(np.isin(planting.rows, found[0].evidence["rows"]["test"] if found else []).sum())
            told = f"{outcome.reason}; of {len(planting.rows)} {planting.what} planted in these data it names {hit}"
            return dataclasses.replace(outcome, status=Status.PASS if hit else Status.INCONCLUSIVE, reason=told)
        tried.append(planting.what)
        named += bool(found)
    if not tried:
        return dataclasses.replace(outcome, reason=f"{outcome.reason}; no canary: too few rows to plant a leak among")
    told = f"of {len(tried)} leak{'s' * (len(tried) > 1)} planted in these data ({', '.join(tried)}) it names {named}"
    return dataclasses.replace(outcome, reason=f"{outcome.reason}; {told}")
