"""The gate between audit and training: no audit, no training; no training on a finding that nobody acknowledged."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.audit.report.audit_report import AuditReport
from mlintern.core.errors import Damaged, LeakRefused
from mlintern.core.records.record import stable_hash
from mlintern.engine.source import source_sha256
from mlintern.packs.pack import Pack
from mlintern.packs.pack_files import joined
from mlintern.plan.cell_plan import CellPlan
from mlintern.study.folders.audit_names import name_for

AUDIT_VERSION = 6
"""Raise when a check changes what it finds, so that audits on disk are made anew."""


def audit_key(cell: CellPlan, fingerprints: Mapping[str, str], pack: Pack) -> str:
    """Hash of everything that an audit's outcome depends on, the pack's code and that of the audit included."""
    plain = cell.config.plain()
    given, asked = cell.config.data, plain["audit"].items()
    data = {k: given.get(k) for k in ("preprocess", "view", "classes")}
    data |= {k: given[k] for k in ("train_size", "label_noise") if given.get(k) is not None}
    options = {k: v for k, v in asked if k not in ("fail_on", "acknowledge", "threads", "memory", "backend")}
    parts = {
        "version": AUDIT_VERSION,
        "parts": dict(fingerprints),
        "data": data,
        "protocol": plain["protocol"],
        "options": options,
    }
    if cell.config.audit.price == "model":  # what the leak is worth then depends on who is trained
        parts["model"] = {k: plain[k] for k in ("model", "loss", "method", "optimizer", "scheduler", "trainer")}
    parts["code"] = pack.code_for(parts["data"], parts["protocol"], parts.get("model"))
    parts["audit_code"] = joined(source_sha256(("audit", "data", "engine")))
    return stable_hash(parts)[:16]


def audit_path(folder: Path, key: str) -> Path:
    """Where the audit of that key is kept."""
    return folder / "audits" / key / "audit.json"


def audit_name(audits: Mapping[str, Any], cell: CellPlan) -> str:
    """Which of the audits is that of a cell's data under its protocol."""
    name = name_for(audits, cell.levels)
    assert name is not None, f"{cell.name}: no audit"
    return name


def pass_gate(cells: Sequence[CellPlan], audits: Mapping[str, AuditReport]) -> dict[str, dict[str, Any]]:
    """{audit name: what the record says of it}; raises LeakRefused at the first cell that may not train.

    `audits` by name, as `Session.audit` gives them.
    """
    passed: dict[str, dict[str, Any]] = {}
    for cell in cells:
        name = audit_name(audits, cell)
        report = audits[name]
        blocking = report.blocking(cell.config.audit.fail_on, cell.acknowledged)
        if blocking:
            kinds = ",".join(sorted({str(finding.kind) for finding in blocking}))
            raise LeakRefused(
                f"{cell.levels['data']} under protocol={cell.levels['protocol']} leaks ({kinds}): training refused; "
                f"repair the split or the protocol, or run with 'audit.acknowledge=[{kinds}]' to train anyway and have "
                "every number carry the mark"
            )
        found = {str(finding.kind) for finding in report.findings}
        passed[name] = {
            "sha256": report.sha256(),
            "clean": report.clean,
            "summary": report.summary(),
            "acknowledged": sorted(found & set(cell.acknowledged)),
        }
    return passed


def kept_audit(path: Path) -> tuple[AuditReport | None, str]:
    """The report at `path`, as it was written (None where there is none), and what is wrong with the file, if it is."""
    if not os.path.lexists(path):
        return None, ""
    try:
        return AuditReport.read(path, sealed=True), ""
    except Damaged as error:
        return None, str(error)
