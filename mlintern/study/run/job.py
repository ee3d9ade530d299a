"""The main job: one paper's study, or one cell of it, from overrides to report."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mlintern.audit.report.audit_report import AuditReport
from mlintern.config import Composer
from mlintern.core import environment, files
from mlintern.core.errors import UserError
from mlintern.core.records import record, sealed
from mlintern.engine import ENGINE_VERSION
from mlintern.engine.source import same_bits
from mlintern.packs import approval, snapshot
from mlintern.packs.pack import Pack
from mlintern.plan.cell_plan import CellPlan, dataset_folder, level_names
from mlintern.plan.grid import named_cell, names_a_cell, study_cells
from mlintern.study.folders import kept, made
from mlintern.study.run import gate, tracking
from mlintern.study.run.budget import plan_path, read_plan
from mlintern.study.run.logged import Logged, log_report
from mlintern.study.run.planned import Planned
from mlintern.study.run.session import run_cells

INDEX_FILE = "study.json"
COMPOSED_FILE = "composed.yaml"


def run_paper(slug: str, overrides: Sequence[str], console: Console) -> int:
    """Run what the overrides ask for: the pack's whole study, or one cell where they name a coordinate of one."""
    pack = Pack(slug)
    with Composer(slug) as composer:
        one = names_a_cell(overrides)
        cells = [named_cell(composer, overrides)] if one else study_cells(composer, overrides)
    config = cells[0].config
    if drift := environment.check_drift(config.env.drift):
        console.print(f"[yellow]{environment.describe(drift)}[/]", highlight=False)
    paper = config.paper
    name = paper["id"] if slug.startswith("local_") else f"arXiv:{paper['id']}"
    console.print(f"[bold]{paper['title']}[/] · {name}", highlight=False)
    if one:
        run_one(pack, cells[0], console)
        return 0
    return run_study(pack, cells, overrides, console)


def run_one(pack: Pack, cell: CellPlan, console: Console, standing: bool = False) -> record.RunRecord:
    """Run one cell, print its result and return its record; raises UserError where it fails.

    `standing`: the process's worker is kept for further cells.
    """
    planned, _, _, failed = run_cells(pack, [cell], console, standing=standing)
    if failed:
        raise UserError(f"{cell.name}: {failed[0]['message']}; see the pack's code, or run with --debug")
    path = planned[0].folder / record.RUN_FILE
    run = record.read_own_run(planned[0].folder)
    for part, values in run["metrics"].items():
        console.print(f"  {part}: " + ", ".join(f"{k} {v:.4f}" for k, v in values.items()), highlight=False)
    marks = (
        f", under acknowledged leaks: {', '.join(run['audit']['acknowledged'])}" if run["audit"]["acknowledged"] else ""
    )
    console.print(
        f"  checkpoint of step {run['selection']['step']}, chosen on {run['selection']['split']}{marks}\n"
        f"  weights {run['weights_sha256'][:16]}, losses {run['loss_chain_sha256'][:16]}\n"
        f"Record: {shown(path)}",
        highlight=False,
    )
    return run


def run_study(pack: Pack, cells: Sequence[CellPlan], overrides: Sequence[str], console: Console) -> int:
    """Run a whole study with workers of this process's own, and write its report."""
    began, state = time.monotonic(), snapshot.CodeState(pack.slug)
    index = index_path(cells[0].config.run.dir, pack.slug, overrides)
    planned, audits, seconds, failed = run_cells(pack, cells, console, plan_path(index))
    seconds = {**seconds, "total": time.monotonic() - began}
    return finish_study(pack, cells, overrides, planned, audits, seconds, failed, console, state)


def finish_study(
    pack: Pack,
    cells: Sequence[CellPlan],
    overrides: Sequence[str],
    planned: Sequence[Planned],
    audits: Mapping[str, AuditReport],
    seconds: Mapping[str, float],
    failed: Sequence[Mapping[str, Any]],
    console: Console,
    began: snapshot.CodeState,
) -> int:
    """Write the index and the report of a study that has run, and bring DVC up to date where nothing was overridden;
    returns the exit code. `began` is the state of code and packs that it was started with."""
    config = cells[0].config
    if not overrides:
        write_composed(pack, cells)
    folder = report_folder(config.run.report_dir, pack.slug, overrides)
    write_audits(folder, audits)
    index = index_path(config.run.dir, pack.slug, overrides)
    write_index(index, pack, planned, config.study.sections, failed)
    tracked = not overrides and tracking.tracks(pack.slug)
    write_cost(index, seconds, failed, kept.keep(index, [item.cell_id for item in planned]) if tracked else {})
    report_study(pack, index, folder, console)
    if first := next((item for item in planned if item.finished()), None):
        audit = folder / "audit" / gate.audit_name(audits, first.cell) / "audit.json"
        run = record.read_own_run(first.folder)
        log_report(Logged(first.cell.config, first.folder, run, audit), folder, console.print)
    if tracked and failed:  # a stage of DVC fails with them
        said = f"dvc.lock stays as it was: {len(failed)} cells failed; the same command tries them again."
        console.print(said, style="yellow", highlight=False)
    elif tracked:
        data_dir = Path(config.run.data_dir)
        used = {dataset_folder(data_dir, pack, cell.config.data, cell.overrides) for cell in cells}
        kept.prune(data_dir.absolute() / pack.slug, used)
        tracking.commit(pack.slug, began, all(made.is_current(folder) for folder in used), console)
    return 1 if failed else 0


def report_folder(reports: Path | str, slug: str, overrides: Sequence[str]) -> Path:
    """reports/<slug>/ for the study as the pack has it; a folder of its own below it for one with overrides."""
    base = Path(reports) / slug
    return base / f"with-{record.stable_hash(sorted(overrides))[:8]}" if overrides else base


def index_path(runs: Path | str, slug: str, overrides: Sequence[str]) -> Path:
    """Where a study's index goes."""
    name = f"study-{record.stable_hash(sorted(overrides))[:8]}.json" if overrides else INDEX_FILE
    return Path(runs) / slug / name


def write_audits(folder: Path, audits: Mapping[str, AuditReport]) -> None:
    """Copies of the audits beside the report, by `<data>__<protocol>`; without times, so equal ones are equal bytes.

    Those of an earlier state of the study go.
    """
    kept.prune(folder / "audit", [folder / "audit" / name for name in audits])
    for name, report in audits.items():
        value = report.to_json()
        value["checks"] = [{**check, "seconds": 0.0} for check in value["checks"]]
        value["sha256"] = report.sha256()
        files.write_json(folder / "audit" / name / "audit.json", value)


def read_audits(folder: Path) -> dict[str, dict[str, Any]]:
    """What `write_audits` wrote; raises Damaged where one is not as it was written."""
    paths = sorted((folder / "audit").glob("*/audit.json"))
    return {path.parent.name: AuditReport.read(path).to_json() for path in paths}


def write_index(
    path: Path,
    pack: Pack,
    planned: Sequence[Planned],
    sections: Sequence[str],
    failed: Sequence[Mapping[str, Any]] = (),
) -> None:
    """The study's index: its cells and what came out, in bytes that are equal wherever the bits are."""
    reasons = {row["cell_id"]: row["message"] for row in failed}
    named = ("status", "loss_chain_sha256", "weights_sha256", "metrics", "selection", "test_readings", "data")
    rows = []
    for item in planned:
        run: Mapping[str, Any] = record.read_own_run(item.folder) if item.finished() else {"status": "failed"}
        why = {"message": reasons[item.cell_id]} if item.cell_id in reasons and run["status"] == "failed" else {}
        rows.append({**item.row(), **{name: run[name] for name in named if name in run}, **why})
    value = {"slug": pack.slug, "engine_version": ENGINE_VERSION, "code_sha256": pack.code_sha256(), "cells": rows}
    if sections:
        value["sections"] = list(sections)
    plan_kept = read_plan(plan_path(path))
    if plan_kept is not None and plan_kept["budget_hours"] is not None:
        value["plan"] = {name: plan_kept[name] for name in ("budget_hours", "rule", "trimmed")}
    sealed.write(path, value)


def read_index(path: Path) -> dict[str, Any]:
    """What `write_index` wrote; raises Damaged where it is not as it was written."""
    from mlintern.study.folders import shapes

    return sealed.read(path, shapes.IndexFile, "run the study's command again, which writes it anew")


def read_cost(index: Path) -> dict[str, Any]:
    """What `write_cost` wrote beside an index; empty where there is none."""
    from mlintern.study.folders import shapes

    path = index.with_suffix(".cost.json")
    return sealed.read(path, shapes.CostFile) if os.path.lexists(path) else {}


def write_cost(
    index: Path,
    seconds: Mapping[str, float],
    failed: Sequence[Mapping[str, Any]],
    cells: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """What the study took, beside its index: the one thing that differs from rerun to rerun. `cells` is what varies of
    the cells that are kept for DVC."""
    rounded = {stage: round(value, 1) for stage, value in seconds.items()}
    value = {"seconds": rounded, "failed": list(failed), **({"cells": dict(cells)} if cells else {})}
    sealed.write(index.with_suffix(".cost.json"), value)


def report_study(pack: Pack, index: Path, folder: Path, console: Console) -> None:
    """From a study's index, its records and its audits to the report's files and the table on the terminal."""
    from mlintern.report.opinions import with_opinions
    from mlintern.report.terminal import print_report
    from mlintern.report.write import write_report
    from mlintern.spec.paper_spec import load_spec
    from mlintern.study.account.analyse import analyse, read_outcomes, read_steps
    from mlintern.study.account.figures import read_maps
    from mlintern.study.account.report_sections import circumstances

    listed = read_index(index)
    rows, sections = listed["cells"], listed.get("sections", [])
    planned = [{name: row[name] for name in ("cell_id", "variant", "levels", "seed")} for row in rows]
    ended = [row["cell_id"] for row in rows if row["status"] != "failed"]
    folder_of_runs = kept.records_folder(index, ended)
    records = [folder_of_runs / name / record.RUN_FILE for name in ended]
    if lost := [path for path in records if not os.path.lexists(path)]:
        raise UserError(
            f"{lost[0]}: missing, though {index.name} lists it ({len(lost)} such); "
            f"run `python -m mlintern paper={pack.slug}` to train it again"
        )
    runs = [record.read_own_run(path.parent) for path in records]
    if old := sum(not record.is_sealed(run) for run in runs):
        console.print(
            f"[yellow]{old} of {len(runs)} records are unsealed, of an earlier version: nothing vouches for what they "
            "say.[/]",
            highlight=False,
        )
    say_other_code(pack, runs, console)
    cost = read_cost(index)
    spec = load_spec(pack.folder / "spec.yaml").for_study(sections)
    outcomes, steps = read_outcomes(folder_of_runs), read_steps(folder_of_runs)
    kept_plan, maps = listed.get("plan") or read_plan(plan_path(index)), read_maps(folder_of_runs)
    failed = [row for row in rows if row["status"] == "failed" and "message" in row] or cost.get("failed", [])
    report = analyse(spec, runs, read_audits(folder), planned, {"failed": failed}, outcomes, steps, kept_plan, maps)
    report = with_opinions(report, index.parent)
    used = {run.cell_id for run in report.runs if run.used}
    took = [{**run, **cost.get("cells", {}).get(run["cell_id"], {})} for run in runs if run["cell_id"] in used]
    told = circumstances(took, cost)
    write_report(report, folder, told)
    console.print(approval.said(snapshot.project() / "papers" / pack.slug), style="dim", highlight=False, markup=False)
    print_report(report, console, shown(folder / "report.html"), told["cost"])


def say_other_code(pack: Pack, runs: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Name the code of cells that the engine, or the pack, is no longer: they are judged as they were recorded."""
    from mlintern.study.folders.standing import code_of

    engines = [code_of(run) for run in runs if not same_bits(run.get("engine"), ENGINE_VERSION)]
    now = pack.code_sha256()
    packs = [f"code {run['code_sha256'][:12]} of the pack" for run in runs if run["code_sha256"] != now]
    for name in dict.fromkeys([*engines, *packs]):
        count = (engines + packs).count(name)
        here = "which is now another" if name in packs else "not certified to make the bits of the one here"
        console.print(
            f"{count} of {len(runs)} cells are of {name}, {here}; they are judged as recorded.",
            style="yellow",
            highlight=False,
        )


def write_composed(pack: Pack, cells: Sequence[CellPlan]) -> None:
    """papers/<slug>/composed.yaml: what the pack's configuration comes to, in one reviewable file that DVC tracks."""
    path = (
        snapshot.project() / "papers" / pack.slug / COMPOSED_FILE if snapshot.entered() else pack.folder / COMPOSED_FILE
    )
    text = composed(cells)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        files.write_text(path, text)


def composed(cells: Sequence[CellPlan]) -> str:
    """The text of composed.yaml: every group of cells, its seeds, its data and what determines its result."""
    import yaml

    groups: dict[str, Any] = {}
    for cell in cells:
        group = groups.setdefault("_".join([cell.variant, *level_names(cell.levels)]), {"seeds": []})
        group["seeds"].append(cell.seed)
        group["source"] = cell.config.data.source
        group["audit"] = {k: v for k, v in cell.config.audit.plain().items() if k != "backend"}  # findings agree
        group["determinants"] = {
            k: v for k, v in record.determinants(cell.config.plain(), ENGINE_VERSION).items() if k != "seed"
        }
    head = "# Made by the main job from conf/ and this pack's conf/; DVC tracks it. Do not edit.\n"
    dumper = yaml.SafeDumper
    dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]
    return head + yaml.dump(groups, Dumper=dumper, sort_keys=True, allow_unicode=True, width=120)


def shown(path: Path) -> Path:
    """A path as short as it can be said from here."""
    path = path.absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
