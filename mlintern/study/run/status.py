"""`mlintern status ID`: how far a paper's studies are, from what stands on disk."""

import argparse
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mlintern.core.errors import UserError
from mlintern.core.printing import duration
from mlintern.core.records import record
from mlintern.packs.places import place
from mlintern.paper.ids import PaperId
from mlintern.plan.cell_plan import level_names
from mlintern.study.folders import failures, kept, standing
from mlintern.study.folders.locks import is_locked
from mlintern.study.run import budget, memory_fallback
from mlintern.study.run.job import INDEX_FILE, read_index

STATES = ("finished", "diverged", "damaged", "running", "failed", "waiting")


@dataclasses.dataclass(frozen=True)
class CellState:
    """One planned cell and where it is."""

    row: dict[str, Any]
    state: str
    """One of STATES."""
    message: str = ""
    """Why it failed or diverged, or what is wrong with its record."""


def main(argv: Sequence[str]) -> int:
    """Run `mlintern status`; exit 0 where every planned cell has a record, 1 where not (yet)."""
    parser = argparse.ArgumentParser(prog="mlintern status", description=__doc__)
    parser.add_argument("paper", help="arXiv id or slug of a paper of which a study was started")
    parser.add_argument("--runs", type=Path, default=place("runs"), help="where records are (default: runs)")
    arguments = parser.parse_args(list(argv))
    folder = arguments.runs / PaperId.parse(arguments.paper).slug
    plans = sorted(folder.glob("study*.plan.json"), key=lambda path: path.stat().st_mtime)
    if not plans and (folder / INDEX_FILE).exists():  # as `dvc pull` brings it, which has no plan
        plans = [folder / INDEX_FILE]
    if not plans:
        raise UserError(f"{folder}: no study was started; run `python -m mlintern paper={arguments.paper}` first")
    console = Console()
    return max([show(path, console) for path in plans])


def show(path: Path, console: Console) -> int:
    """Print one study's state, by place and in all; 0 where it is complete."""
    plan = as_plan(read_index(path)) if path.name == INDEX_FILE else budget.read_plan(path)
    assert plan is not None
    cells = [state_of(path.parent, row) for row in plan["cells"]]
    places: dict[str, list[CellState]] = {}
    for cell in cells:
        place = " · ".join([cell.row["variant"], *level_names(cell.row["levels"])])
        places.setdefault(place, []).append(cell)
    table = Table("cells", *STATES, title=path.name.removesuffix(".json").removesuffix(".plan"), title_justify="left")
    for place, members in places.items():
        table.add_row(place, *(str(sum(m.state == state for m in members) or "") for state in STATES))
    console.print(table)
    for cell in cells:
        if cell.message:
            place = " · ".join([cell.row["variant"], *level_names(cell.row["levels"]), f"seed {cell.row['seed']}"])
            console.print(f"  {place}: {cell.state}: {cell.message}", highlight=False, markup=False, soft_wrap=True)
    counts = {state: sum(cell.state == state for cell in cells) for state in STATES}
    said = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    trimmed = f", {len(plan['trimmed'])} left out for the budget" if plan["trimmed"] else ""
    line = f"{len(cells)} cells planned: {said}{trimmed}; {time_left(cells, plan['jobs'])}"
    console.print(line, highlight=False, soft_wrap=True)
    return 0 if counts["finished"] + counts["diverged"] == len(cells) else 1


def as_plan(index: dict[str, Any]) -> dict[str, Any]:
    """A study's index in the form of its plan, which DVC does not hold: nothing in it is left to estimate."""
    rows = [{**row, "seconds": 0.0} for row in index["cells"]]
    return {"cells": rows, "jobs": 1, "trimmed": index.get("plan", {}).get("trimmed", [])}


def state_of(folder: Path, row: dict[str, Any]) -> CellState:
    """Where one planned cell is, followed to the smaller one that runs in its stead after out-of-memory."""
    place, shards = kept.place_of(folder, row["cell_id"]), 0
    while not os.path.lexists(place / record.RUN_FILE) and (note := memory_fallback.noted(place)):
        memory_fallback.check(place, note, note["cell_id"], shards)  # ever more pieces, so that it ends
        place, shards = folder / note["cell_id"], note["instead"]["shards"]
    if wrong := standing.damage(place):
        return CellState(row, "damaged", wrong)
    if os.path.lexists(place / record.RUN_FILE):
        run = record.read_own_run(place)
        return CellState(row, "diverged" if run["status"] == "diverged" else "finished", run["message"])
    if is_locked(place):
        return CellState(row, "running")
    if message := failures.noted(place):
        return CellState(row, "failed", message)
    return CellState(row, "waiting")


def time_left(cells: Sequence[CellState], jobs: int) -> str:
    """What the estimates leave to do, in words; a running cell counts half."""
    running = sum(cell.state == "running" for cell in cells)
    weights = {"running": 0.5, "waiting": 1.0, "damaged": 1.0}
    left = sum(cell.row["seconds"] * weights.get(cell.state, 0.0) for cell in cells)
    if not any(cell.state in weights for cell in cells):
        return "nothing is left to do"
    at_a_time = running or jobs
    going = f"{running} at a time" if running else "nothing is running; the same command continues"
    return f"about {duration(left / at_a_time)} left ({going})"
