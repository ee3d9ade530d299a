"""What a report accounts for beside its comparisons: audits, settings, what is left out, runs, environment, cost."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from mlintern.core.records.record import RunRecord
from mlintern.engine.source import source_hash
from mlintern.report import commands
from mlintern.report.model.base import place
from mlintern.report.model.places import place_in_paper
from mlintern.report.model.report import AuditSection, ClaimRow, Contrast, NotTested, SettingRow, TableCell
from mlintern.report.model.runs import RunRow, SmallerRow, StudyPlan, Trimmed
from mlintern.spec.paper_spec import PaperSpec
from mlintern.spec.sourced import CodeLocator, PaperLocator, Setting
from mlintern.study.folders.audit_names import parts_of
from mlintern.study.judge.which_runs_count import Evidence, PlannedRun

_EVIDENCE = 5  # items of a list of evidence that the report keeps
_LISTED = 3  # a key of the environment that takes more values than this over the cells is counted, not listed


def audit_sections(evidence: Evidence) -> list[AuditSection]:
    """Every audit at hand, without its timings."""
    sections = []
    for key, audit in evidence.audits.items():
        data, protocol, levels = parts_of(key)
        under = [p for p in evidence.planned if p.run and evidence.audit_of(p.run["levels"]) is audit]
        value = audit.to_json()
        sections.append(
            AuditSection(
                data=" · ".join([data, *levels]),
                protocol=protocol,
                clean=audit.clean,
                summary=audit.summary(),
                acknowledged=sorted({str(k) for p in under if p.run for k in p.run["audit"].get("acknowledged", [])}),
                checks=[{k: v for k, v in check.items() if k != "seconds"} for check in value["checks"]],
                findings=[{**finding, "evidence": _short(finding["evidence"])} for finding in value["findings"]],
                fingerprints=value["data"],
                ceiling=audit.ceiling.accuracy if audit.ceiling else None,
                runs=sum(not p.refused for p in under),
            )
        )
    return sections


def _short(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence with long lists cut to their first items; audit.json keeps them whole."""

    def cut(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {key: cut(value) for key, value in item.items()}
        if isinstance(item, list) and len(item) > _EVIDENCE:
            return [*item[:_EVIDENCE], f"… {len(item)} in all"]
        return item

    return {key: cut(value) for key, value in evidence.items()}


def setting_row(setting: Setting) -> SettingRow:
    """One value that training needs, with the place that gives it or the reason for it."""
    locator = setting.locator
    others: list[Any] = []
    if isinstance(locator, PaperLocator):
        origin = place_in_paper(locator)
    elif isinstance(locator, CodeLocator):
        origin = f"{locator.repository}: {locator.file}" + (f" at {locator.commit[:12]}" if locator.commit else "")
    else:
        origin, others = locator.reason, list(locator.probe_range)
    return SettingRow(
        key=setting.key,
        value=setting.value,
        unit=setting.unit,
        where=dict(setting.where),
        source=setting.source,
        origin=origin,
        probe=others,
        note=setting.note,
    )


def not_tested(spec: PaperSpec, table: Sequence[TableCell], claims: Sequence[ClaimRow]) -> list[NotTested]:
    """Cells and claims without a verdict, for the spec's reasons or the study's, and parts of the paper left out."""
    rows = [
        NotTested(what=f"{cell.column}, {cell.row}", printed=cell.paper.raw, reason=cell.judgement.reason)
        for cell in table
        if cell.verdict == "not tested"
    ]
    rows += [
        NotTested(what=claim.statement, printed=None, reason=claim.reason)
        for claim in claims
        if claim.verdict == "not tested"
    ]
    return rows + [NotTested(what=part.what, printed=None, reason=part.reason) for part in spec.not_trainable]


def run_row(spec: PaperSpec, planned: PlannedRun) -> RunRow:
    """One planned run, how it ended, and what repeats it; the numbers of a run that does not count stay out."""
    run: RunRecord = planned.run or {}
    acknowledged = sorted(str(kind) for kind in run.get("audit", {}).get("acknowledged", []))
    return RunRow(
        cell_id=planned.cell_id,
        **place(planned.variant, planned.levels),
        seed=planned.seed,
        status=run.get("status", "failed" if planned.failure else "not run"),
        message=run.get("message", planned.failure),
        used=not planned.refused,
        refused=planned.refused,
        metrics={} if planned.refused else run.get("metrics", {}),
        selection={} if planned.refused else run.get("selection", {}),
        test_readings=run.get("test_readings"),
        weights_sha256=run.get("weights_sha256"),
        loss_chain_sha256=run.get("loss_chain_sha256"),
        parameters=run.get("parameters"),
        marks=list(planned.marks),
        command=commands.reproduce(
            spec.paper.id, planned.variant, planned.levels, planned.seed, run.get("overrides", []), acknowledged
        ),
        verify=commands.verify(run["cell_id"]) if run else None,
    )


def meanings(
    table: Sequence[TableCell], contrasts: Sequence[Contrast], reductions: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """What each mark in the report means, in words."""
    marks = {mark for cell in table for mark in [*cell.marks, *(m for other in cell.others for m in other.marks)]}
    marks |= {mark for contrast in contrasts for mark in contrast.marks}
    by_key = {f"reduced:{r['key']}": r for r in reductions}
    return {
        mark: (
            f"{by_key[mark]['key']} is {by_key[mark]['reduced']} instead of the published {by_key[mark]['published']}"
            if mark in by_key
            else f"trained under an audit that found {mark.partition(':')[2]}"
        )
        for mark in sorted(marks)
    }


def environment(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """What the cells were made with that is the same wherever their bits are: the code of pack and engine, and the
    level of determinism. What differs from run to run is in `circumstances`."""
    rows = [
        {
            "engine": _engine(run.get("engine") or {}),
            "pack": run.get("pack_sha256"),
            "pack_code": run.get("code_sha256"),
            "determinism": run.get("config", {}).get("determinism", {}).get("level"),
            "sandbox": _sandbox(run),
        }
        for run in runs
    ]
    return _together(rows)


def _engine(engine: Mapping[str, Any]) -> str | None:
    if not engine:
        return None
    return f"version {engine['version']}, code {source_hash(engine['files'])[:12]}"


def circumstances(runs: Sequence[Mapping[str, Any]], cost: Mapping[str, Any]) -> dict[str, Any]:
    """When and where the cells were trained, and what that took: what differs from run to run."""
    rows = [{**run.get("environment", {}), **_git(run), "sandbox": run.get("sandbox")} for run in runs]
    return {"environment": _together(rows), "cost": costs(runs, cost)}


def _together(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every key of the rows: its one value, or the values that they differ in."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return {key: _distinct([row.get(key) for row in rows]) for key in keys}


def _git(run: Mapping[str, Any]) -> dict[str, Any]:
    git = run.get("git", {})
    return {"commit": git.get("commit"), "uncommitted_changes": git.get("dirty")}


def _sandbox(run: RunRecord) -> str | None:
    """What held the pack's code, in words; None where the record does not say."""
    held = run.get("sandbox")
    if not held:
        return None
    if held["backend"] == "none":
        return "none: the pack's code ran bare"
    reach = {"none": "no network", "loopback": "a network of its own", "peers": "the host's network (peers)"}
    return f"yes, {reach.get(held['network'], held['network'])}"


def _distinct(values: Sequence[Any]) -> Any:
    keyed: Callable[[Any], str] = repr
    kinds = [next(group) for _, group in groupby(sorted(values, key=keyed), key=keyed)]
    if len(kinds) == 1:
        return kinds[0]
    return kinds if len(kinds) <= _LISTED else f"{len(kinds)} different values"


def study_plan(evidence: Evidence, kept: Mapping[str, Any] | None) -> StudyPlan:
    """What the study left out for its budget, and the cells that memory made smaller."""
    smaller = [
        SmallerRow(
            cell_id=run["cell_id"],
            variant=run["variant"],
            levels=run["levels"],
            seed=run["seed"],
            **run["out_of_memory"],
        )
        for planned in evidence.planned
        if (run := planned.run) is not None and run.get("out_of_memory")
    ]
    given = kept or {}
    trimmed = [Trimmed(**row) for row in given.get("trimmed", [])]
    rule = str(given.get("rule", "")) if trimmed else ""
    return StudyPlan(budget_hours=given.get("budget_hours"), rule=rule, trimmed=trimmed, smaller=smaller)


def costs(runs: Sequence[Mapping[str, Any]], cost: Mapping[str, Any]) -> dict[str, Any]:
    """`cost` as given, with the sums over the cells."""
    return {
        **{key: value for key, value in cost.items() if key in ("seconds", "failed")},
        "cells": len(runs),
        "cells_wall_s": sum(run.get("wall_s", 0.0) for run in runs),
        "cells_wall_s_by_variant": {
            variant: sum(run.get("wall_s", 0.0) for run in runs if run["variant"] == variant)
            for variant in sorted({run["variant"] for run in runs})
        },
        "peak_memory_bytes": max((run.get("peak_memory_bytes", 0) for run in runs), default=0),
    }
