"""The audit: leakage checks on data splits, with what each leak is worth and how to repair it.

from mlintern.audit import audit
report = audit(train=train_frame, test=test_frame, label="y")
print(report.summary())
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlintern.audit.report.audit_report import AuditReport, Check, Finding, Kind, Severity, Status
    from mlintern.audit.report.options import AuditOptions
    from mlintern.audit.run import audit

__all__ = ["AuditOptions", "AuditReport", "Check", "Finding", "Kind", "Severity", "Status", "audit"]


def __getattr__(name: str) -> Any:
    # numpy, pandas and scikit-learn load on first use, so that `import mlintern.audit` stays light
    import importlib

    if name in ("AuditReport", "Check", "Finding", "Kind", "Severity", "Status"):
        return getattr(importlib.import_module("mlintern.audit.report.audit_report"), name)
    if name == "AuditOptions":
        return importlib.import_module("mlintern.audit.report.options").AuditOptions
    if name == "audit":
        return importlib.import_module("mlintern.audit.run").audit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
