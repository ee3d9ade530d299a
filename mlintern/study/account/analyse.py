"""From records to a report: join runs to the paper's cells, compare, judge, and say why a run does not count.

`analyse` is a pure function of its arguments and imports no torch; the only files behind it are those beside the
records, handed in as readers (`read_outcomes`, `read_steps`).
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlintern.claims.observation import Outcomes
from mlintern.core.errors import Absent
from mlintern.core.records import packed, record
from mlintern.core.records.record import PREDICTIONS_FILE, STEPS_FILE, RunRecord, stable_hash
from mlintern.report.curves import learning_curves
from mlintern.report.headline import headline
from mlintern.report.model.report import Contrast, PaperUnderTest, ProtocolDifference, Report, TableShape, VariantRow
from mlintern.spec.paper_spec import PaperSpec
from mlintern.spec.sourced import AssumedSetting
from mlintern.study.account import contrasts as paired
from mlintern.study.account import report_sections
from mlintern.study.account.claim_rows import judge_all
from mlintern.study.account.comparison import compare_tables
from mlintern.study.account.figures import Maps, probe_figures
from mlintern.study.account.level_curves import level_curves
from mlintern.study.account.smells.all_smells import find_smells
from mlintern.study.judge.which_runs_count import Evidence, Place

CLEAN = "clean"


def read_outcomes(folder: Path) -> Outcomes:
    """Per-example outcomes of the cells below `runs/<slug>/`, read when asked for and kept."""
    return _reader(folder, PREDICTIONS_FILE, {"id": "str"})


def read_steps(folder: Path) -> Outcomes:
    """Loss, learning rate and hash chain per step of the cells below `runs/<slug>/`, read when asked for and kept."""
    return _reader(folder, STEPS_FILE, {"step": "int", "loss": "float"})


def _reader(folder: Path, name: str, columns: Mapping[str, str]) -> Outcomes:
    @functools.cache
    def read(cell_id: str) -> pd.DataFrame | None:
        place = Path(folder) / cell_id
        try:
            content = record.beside(place, name)
        except Absent:
            return None
        return packed.table(content, place / name, record.MEND, columns).to_pandas()

    return read


def analyse(
    spec: PaperSpec,
    runs: Sequence[RunRecord],
    audits: Mapping[str, Mapping[str, Any]],
    plan: Sequence[Mapping[str, Any]] | None,
    cost: Mapping[str, Any],
    outcomes: Outcomes,
    steps: Outcomes,
    kept_plan: Mapping[str, Any] | None,
    maps: Maps,
) -> Report:
    """The report of one study.

    `audits` holds audit.json by `<data>__<protocol>`; `plan` lists the study's cells as {"cell_id", "variant",
    "levels", "seed"} (None: read off the records); "failed" of `cost` (rows with "cell_id" and "message") says why a
    planned cell has no record, and the rest of it is none of the report's, which is the same wherever its bits are.
    `outcomes` and `steps` read a cell's files, and `maps` what its probes drew; what only they can show is left out
    without them. `kept_plan` is the study's plan: what a budget left out.
    """
    evidence = Evidence(spec, runs, audits, plan, {row["cell_id"]: row["message"] for row in cost.get("failed", [])})
    protocol = _main_protocol(evidence)
    claims, judged_cells = judge_all(spec, evidence, protocol, outcomes)
    table = compare_tables(spec, evidence, protocol, judged_cells)
    contrasts = _contrasts(spec, evidence, protocol, outcomes)
    sections = report_sections.audit_sections(evidence)
    reductions = [reduction.model_dump(mode="json") for reduction in spec.scale.reductions]
    paper = spec.paper.model_dump(include={"id", "slug", "version", "title", "authors", "year", "licence"})
    shape = {"id", "label", "description", "unit", "rows", "columns"}
    groups = [counting for place in evidence.places if (counting := evidence.counting(place))]
    lost = sum(bool(planned.refused) for planned in evidence.planned)
    smells = find_smells(spec, groups, table=table, audits=audits, outcomes=outcomes, steps=steps)
    return Report(
        paper=PaperUnderTest(**paper, scale=spec.scale.published, sections={s.id: s.title for s in spec.sections}),
        headline=headline(table, claims, contrasts, sections, smells, lost, len(reductions)),
        variants=[VariantRow(id=variant.id, name=variant.name) for variant in spec.variants],
        tables=[TableShape(**t.model_dump(include=shape)) for t in spec.tables if t.cells],
        table=table,
        claims=claims,
        contrasts=contrasts,
        protocol_differences=_protocol_differences(evidence, protocol),
        curves=learning_curves(groups, _units(spec)),
        audit=sections,
        assumptions=[report_sections.setting_row(setting) for setting in spec.unsaid],
        settings=[
            report_sections.setting_row(setting) for setting in spec.settings if not isinstance(setting, AssumedSetting)
        ],
        reductions=reductions,
        smells=smells,
        not_tested=report_sections.not_tested(spec, table, claims),
        runs=[report_sections.run_row(spec, planned) for planned in evidence.planned],
        marks=report_sections.meanings(table, contrasts, reductions),
        environment=report_sections.environment(evidence.all_counting),
        cost={"cells": len(evidence.all_counting)},
        plan=report_sections.study_plan(evidence, kept_plan),
        figures=probe_figures(groups, maps),
        level_curves=level_curves(spec.ablations, evidence, _units(spec)),
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
            base = str(evidence.bases.get(factor, "none"))
            found.append(
                paired.contrast(
                    pairs, examples[-1], factor=factor, base_level=base, metric=metric, unit=unit, marks=marks
                )
            )
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
