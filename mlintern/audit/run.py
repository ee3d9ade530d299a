"""Running an audit: every check over one set of splits, in order, with its status, reason and time."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from mlintern.audit.inputs.frames import subject_from_anything
from mlintern.audit.inputs.labels import with_one_label_each
from mlintern.audit.inputs.subject import Fit, Outcome, Subject
from mlintern.audit.price.canaries import with_recall
from mlintern.audit.price.ceiling import nearest_neighbour_ceiling
from mlintern.audit.price.repair import units_of
from mlintern.audit.price.retrained import price_of
from mlintern.audit.registry import Detector, detectors
from mlintern.audit.report.audit_report import AuditReport, Check, Finding, Severity, Status
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.search.backend import backend
from mlintern.core.errors import UserError
from mlintern.data.protocol import EvaluationProtocol
from mlintern.data.splits import Splits

CHECKS = detectors()
"""In the order of the report: every file of `mlintern/audit/checks/`."""


def audit(
    splits: Splits | None = None,
    protocol: EvaluationProtocol | None = None,
    options: AuditOptions | None = None,
    *,
    train: Any = None,
    test: Any = None,
    valid: Any = None,
    fit: Fit | None = None,
    **roles: str | None,
) -> AuditReport:
    """Audit splits for leakage; nothing is written and no global random state is touched.

    Give `splits` as the data stage makes them, or the parts themselves as `train`, `test` and `valid`: DataFrames or
    Hugging Face datasets with the column names `label`, `group`, `time`, `id`, `text`, `image`; (features [n, ...],
    labels [n]) tuples, features being an array, texts or networkx graphs; or torch Datasets of (features, label).
    `protocol` lets the check of checkpoint selection run; `fit` is the model that price=model retrains.
    Raises UserError for input that cannot be audited.
    """
    options = options or AuditOptions()
    unknown = set(roles) - {"label", "group", "time", "id", "text", "image"}
    if unknown:
        raise TypeError(f"audit() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    if splits is None:
        parts = {"train": train, "test": test, "valid": valid}
        return audit_subject(dataclasses.replace(subject_from_anything(parts, roles, options, protocol), fit=fit))
    if train is not None or test is not None or valid is not None:
        raise UserError("audit: give splits, or train and test, not both")
    return audit_subject(Subject(splits=splits, options=options, protocol=protocol, fit=fit))


def audit_subject(subject: Subject, progress: Callable[[str, int, int], None] | None = None) -> AuditReport:
    """Run every check on `subject`. `progress(name, done, total)` is called before each check."""
    if subject.options.price == "model" and subject.fit is None:
        raise UserError("audit.price=model: there is no model to retrain here; run it with a pack, or use probe")
    for name, part in subject.parts().items():
        if not len(part):
            raise UserError(f"audit: the part {name} has no rows; give at least one row per part")
        widths = part.features.shape[1:], subject.train.features.shape[1:]
        if widths[0] != widths[1]:
            raise UserError(f"audit: {name} has features of shape {widths[0]}, train has {widths[1]}; they must agree")
    fingerprints = subject.splits.fingerprints()
    subject = with_one_label_each(subject)
    checks: list[Check] = []
    findings: list[Finding] = []
    with backend(subject.options):
        for index, check in enumerate(CHECKS):
            if progress is not None:
                progress(str(check.kind), index, len(CHECKS))
            started = time.perf_counter()
            outcome = _with_rows_drawn(subject, check, check.look(subject))
            if subject.options.canaries:
                outcome = with_recall(subject, check, outcome)
            seconds = round(time.perf_counter() - started, 4)
            checks.append(Check(str(check.kind), outcome.status, outcome.reason, outcome.n, seconds))
            findings.extend(outcome.findings)
        if subject.options.price != "none":
            if progress is not None:
                progress("price", len(CHECKS), len(CHECKS))
            findings = [priced(subject, finding) for finding in findings]
    ceiling = nearest_neighbour_ceiling(subject)
    return AuditReport(tuple(checks), tuple(findings), fingerprints, ceiling)


def _with_rows_drawn(subject: Subject, check: Detector, outcome: Outcome) -> Outcome:
    """The outcome with a word on the rows that its check drew, where it did not look at all of them."""
    parts = subject.drawn.get(check.draws, {})
    if not parts or outcome.status is Status.NOT_APPLICABLE:
        return outcome
    told = " and ".join(f"{rows:,} of {len(subject.parts()[part]):,} {part} rows" for part, rows in parts.items())
    return dataclasses.replace(outcome, reason=f"{outcome.reason} (looked at {told}, drawn at random)")


def priced(subject: Subject, finding: Finding) -> Finding:
    """The finding with its price, and at least as severe as the price says; untouched where it connects no rows."""
    if finding.price is not None or finding.severity == Severity.INFO:
        return finding
    units = units_of(subject, finding)
    price = None if units is None else price_of(subject, units, finding.kind)
    if price is None:
        return finding
    severity = Severity.HIGH if price.low >= 1 else finding.severity
    return dataclasses.replace(finding, price=price, severity=severity)
