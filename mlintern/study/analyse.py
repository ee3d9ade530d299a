"""From records to a report: join runs to the paper's cells, compare, judge, and say why a run does not count.

`analyse` is a pure function of its arguments and imports no torch; the only files behind it are those beside the
records, handed in as readers (`read_outcomes`, `read_steps`).
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlintern.record import PREDICTIONS_FILE, STEPS_FILE, RunRecord, stable_hash
from mlintern.report import commands
from mlintern.report.curves import learning_curves
from mlintern.report.headline import headline
from mlintern.report.model import (
    AuditSection,
    ClaimRow,
    Contrast,
    NotTested,
    Paper,
    ProtocolDifference,
    Report,
    Run,
    SettingRow,
    Table,
    TableCell,
    Variant,
)
from mlintern.report.places import place_in_paper
from mlintern.sourced import AssumedSetting, CodeLocator, PaperLocator, Setting
from mlintern.spec import PaperSpec
from mlintern.study import contrasts as paired
from mlintern.study.claim_rows import judge_all
from mlintern.study.comparison import compare_tables
from mlintern.study.evidence import Evidence, Place, Planned
from mlintern.study.observation import Outcomes
from mlintern.study.smells import find_smells

CLEAN = "clean"
_EVIDENCE = 5
_LISTED = 3  # a key of the environment that takes more values than this over the cells is counted, not listed


def read_outcomes(folder: Path) -> Outcomes:
    """Per-example outcomes of the cells below `runs/<slug>/`, read when asked for and kept."""
    return _reader(folder, PREDICTIONS_FILE)


def read_steps(folder: Path) -> Outcomes:
    """Loss, learning rate and hash chain per step of the cells below `runs/<slug>/`, read when asked for and kept."""
    return _reader(folder, STEPS_FILE)


def _reader(folder: Path, name: str) -> Outcomes:
    @functools.cache
    def read(cell_id: str) -> pd.DataFrame | None:
        path = Path(folder) / cell_id / name
        return pd.read_parquet(path) if path.is_file() else None

    return read


def _nothing(_: str) -> pd.DataFrame | None:
    return None


def analyse(
    spec: PaperSpec,
    runs: Sequence[RunRecord],
    audits: Mapping[str, Mapping[str, Any]],
    plan: Sequence[Mapping[str, Any]] | None,
    cost: Mapping[str, Any],
    outcomes: Outcomes = _nothing,
    steps: Outcomes = _nothing,
) -> Report:
    """The report of one study.

    `audits` holds audit.json by `<data>__<protocol>`; `plan` lists the study's cells as {"cell_id", "variant",
    "levels", "seed"} (None: read off the records); `cost` goes into the report as it stands, with the sums over cells;
    its "failed" (rows with "cell_id" and "message") says why a planned cell has no record. `outcomes` and `steps` read
    a cell's files; what only they can show is left out without them.
    """
    evidence = Evidence(spec, runs, audits, plan, {row["cell_id"]: row["message"] for row in cost.get("failed", [])})
    protocol = _main_protocol(evidence)
    claims, judged_cells = judge_all(spec, evidence, protocol, outcomes)
    table = compare_tables(spec, evidence, protocol, judged_cells)
    contrasts = _contrasts(spec, evidence, protocol, outcomes)
    sections = _audit_sections(evidence)
    reductions = [reduction.model_dump(mode="json") for reduction in spec.scale.reductions]
    paper = spec.paper.model_dump(include={"id", "slug", "version", "title", "authors", "year", "licence"})
    shape = {"id", "label", "description", "unit", "rows", "columns"}
    groups = [counting for place in evidence.places if (counting := evidence.counting(place))]
    lost = sum(bool(planned.refused) for planned in evidence.planned)
    smells = find_smells(spec, groups, table=table, audits=audits, outcomes=outcomes, steps=steps)
    return Report(
        paper=Paper(**paper, scale=spec.scale.published),
        headline=headline(table, claims, contrasts, sections, smells, lost, len(reductions)),
        variants=[Variant(id=variant.id, name=variant.name) for variant in spec.variants],
        tables=[Table(**t.model_dump(include=shape)) for t in spec.tables],
        table=table,
        claims=claims,
        contrasts=contrasts,
        protocol_differences=_protocol_differences(evidence, protocol),
        curves=learning_curves(groups, _units(spec)),
        audit=sections,
        assumptions=[_setting(setting) for setting in spec.unsaid],
        settings=[_setting(setting) for setting in spec.settings if not isinstance(setting, AssumedSetting)],
        reductions=reductions,
        smells=smells,
        not_tested=_not_tested(spec, table, claims),
        runs=[_run(spec, planned) for planned in evidence.planned],
        marks=_meanings(table, contrasts, reductions),
        environment=_environment(evidence.all_counting),
        cost=_cost(evidence, cost),
    )


def _main_protocol(evidence: Evidence) -> str:
    """The clean protocol where the study has it, else the first one."""
    found = [str(planned.levels.get("protocol", "")) for planned in evidence.planned]
    return CLEAN if CLEAN in found or not found else found[0]


def _units(spec: PaperSpec) -> dict[str, str]:
    """The unit of every metric that the paper prints."""
    return {table.metric: table.unit for table in spec.tables}


def _contrasts(spec: PaperSpec, evidence: Evidence, protocol: str, outcomes: Outcomes) -> list[Contrast]:
    """Every other protocol against the main one, and every ablation against none, variant by variant."""
    factors = {key for _, levels in evidence.places for key, _ in levels} - {"data"}
    found: list[Contrast] = []
    for metric, unit in _units(spec).items():
        for factor in sorted(factors, key=lambda name: (name != "protocol", name)):
            base = protocol if factor == "protocol" else evidence.bases.get(factor)
            sides: dict[tuple[str, str, str], list[tuple[Place, Place]]] = {}
            for variant, levels in evidence.places:
                there = dict(levels)
                if there.get(factor, base) != base:
                    rest = {key: value for key, value in levels if key != factor}
                    base_place = evidence.place(variant, {**rest, factor: base} if base is not None else rest)
                    shared = stable_hash({key: value for key, value in rest.items() if key != "data"})
                    group = (str(there[factor]), str(there.get("data", "")), shared)
                    sides.setdefault(group, []).append((base_place, (variant, levels)))
            for members in sides.values():
                found += _group_contrasts(evidence, members, factor, metric, unit, outcomes)
    return found


def _group_contrasts(
    evidence: Evidence,
    members: Sequence[tuple[Place, Place]],
    factor: str,
    metric: str,
    unit: str,
    outcomes: Outcomes,
) -> list[Contrast]:
    """The contrasts of one level on one dataset, and their mean over variants."""
    found: list[Contrast] = []
    examples: list[np.ndarray | None] = []
    for base_place, place in members:
        pairs = paired.shared_seeds(evidence.counting(base_place), evidence.counting(place), metric)
        if pairs:
            marks = sorted({*evidence.marks(base_place), *evidence.marks(place)})
            examples.append(paired.example_differences(pairs, metric, outcomes))
            found.append(paired.contrast(pairs, examples[-1], factor=factor, metric=metric, unit=unit, marks=marks))
    together = paired.pooled(found, examples)
    return found if together is None else [*found, together]


def _protocol_differences(evidence: Evidence, protocol: str) -> list[ProtocolDifference]:
    configs: dict[str, Mapping[str, Any]] = {}
    for run in evidence.all_counting:
        configs.setdefault(str(run["levels"].get("protocol", "")), run["config"].get("protocol", {}))
    if not all(isinstance(config, Mapping) for config in configs.values()) or protocol not in configs:
        return []
    return [
        ProtocolDifference(protocol=name, setting=setting, base=base, level=level)
        for name, config in sorted(configs.items())
        if name != protocol
        for setting, base, level in paired.differing_settings(configs[protocol], config)
    ]


def _audit_sections(evidence: Evidence) -> list[AuditSection]:
    """Every audit at hand, without its timings."""
    sections = []
    for key, audit in evidence.audits.items():
        data, _, protocol = key.rpartition("__")
        under = [p for p in evidence.planned if p.run and evidence.audit_of(p.run["levels"]) is audit]
        value = audit.to_json()
        sections.append(
            AuditSection(
                data=data,
                protocol=protocol,
                clean=audit.clean,
                summary=audit.summary(),
                acknowledged=sorted({str(k) for p in under if p.run for k in p.run["audit"].get("acknowledged", [])}),
                checks=[{k: v for k, v in check.items() if k != "seconds"} for check in value["checks"]],
                findings=[{**finding, "evidence": _short(finding["evidence"])} for finding in value["findings"]],
                fingerprints=value["data"],
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


def _setting(setting: Setting) -> SettingRow:
    locator = setting.locator
    probe: list[Any] = []
    if isinstance(locator, PaperLocator):
        origin = place_in_paper(locator)
    elif isinstance(locator, CodeLocator):
        origin = f"{locator.repository}: {locator.file}" + (f" at {locator.commit[:12]}" if locator.commit else "")
    else:
        origin, probe = locator.reason, list(locator.probe_range)
    return SettingRow(
        key=setting.key,
        value=setting.value,
        unit=setting.unit,
        where=dict(setting.where),
        source=setting.source,
        origin=origin,
        probe=probe,
        note=setting.note,
    )


def _not_tested(spec: PaperSpec, table: Sequence[TableCell], claims: Sequence[ClaimRow]) -> list[NotTested]:
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


def _run(spec: PaperSpec, planned: Planned) -> Run:
    run: RunRecord = planned.run or {}
    acknowledged = sorted(str(kind) for kind in run.get("audit", {}).get("acknowledged", []))
    levels = planned.levels
    return Run(
        cell_id=planned.cell_id,
        variant=planned.variant,
        data=str(levels.get("data", "")),
        protocol=str(levels.get("protocol", "")),
        levels={key: level for key, level in levels.items() if key not in ("data", "protocol")},
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
            spec.paper.id, planned.variant, levels, planned.seed, run.get("overrides", []), acknowledged
        ),
        verify=commands.verify(run["cell_id"]) if run else None,
    )


def _meanings(
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


def _environment(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """Every key of the records' environments and of git: its one value, or the values that the cells differ in."""
    rows = [{**run.get("environment", {}), **_git(run), "pack": run.get("pack_sha256")} for run in runs]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return {key: _distinct([row.get(key) for row in rows]) for key in keys}


def _git(run: RunRecord) -> dict[str, Any]:
    git = run.get("git", {})
    return {"commit": git.get("commit"), "uncommitted_changes": git.get("dirty")}


def _distinct(values: Sequence[Any]) -> Any:
    keyed: Callable[[Any], str] = repr
    kinds = [next(group) for _, group in groupby(sorted(values, key=keyed), key=keyed)]
    if len(kinds) == 1:
        return kinds[0]
    return kinds if len(kinds) <= _LISTED else f"{len(kinds)} different values"


def _cost(evidence: Evidence, cost: Mapping[str, Any]) -> dict[str, Any]:
    """`cost` as given, with the sums over the cells that count."""
    runs = evidence.all_counting
    return {
        **cost,
        "cells": len(runs),
        "cells_wall_s": sum(run.get("wall_s", 0.0) for run in runs),
        "cells_wall_s_by_variant": {
            variant: sum(run.get("wall_s", 0.0) for run in runs if run["variant"] == variant)
            for variant in sorted({run["variant"] for run in runs})
        },
        "peak_memory_bytes": max((run.get("peak_memory_bytes", 0) for run in runs), default=0),
    }
