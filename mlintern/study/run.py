"""Running cells: data, audit, gate, estimate, training; and a study's index of what came out.

Everything that takes torch happens in worker processes; this side composes, decides and shows.
"""

import dataclasses
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mlintern import files, record
from mlintern.audit.report import AuditReport
from mlintern.config import ROOT
from mlintern.data.prepare import fingerprints, is_prepared, load_parts
from mlintern.engine import ENGINE_VERSION
from mlintern.engine.determinism import Determinism
from mlintern.errors import UserError
from mlintern.pack import Pack
from mlintern.study import gate
from mlintern.study.launch import launcher
from mlintern.study.plan import CellPlan, dataset_folder
from mlintern.study.pool import Pool, Task
from mlintern.study.progress import Progress, duration


@dataclasses.dataclass(frozen=True)
class Planned:
    """A planned cell with its id and its place on disk."""

    cell: CellPlan
    cell_id: str
    folder: Path

    def finished(self) -> bool:
        return (self.folder / record.RUN_FILE).exists()

    def row(self) -> dict[str, Any]:
        """What the index and the report know of a planned cell."""
        cell = self.cell
        return {"cell_id": self.cell_id, "variant": cell.variant, "levels": dict(cell.levels), "seed": cell.seed}


class Session:
    """One command's work on one paper's cells, all under one determinism level."""

    def __init__(self, pack: Pack, cells: Sequence[CellPlan], console: Console):
        if len({record.stable_hash(cell.config["determinism"]) for cell in cells}) != 1:
            raise UserError("determinism: cells of one study must share one level")
        self.pack, self.cells, self.console = pack, list(cells), console
        config = cells[0].config
        self.runs = Path(config["run"]["dir"]).absolute() / pack.slug
        self.data_dir = Path(config["run"]["data_dir"])
        folders = sorted({self.runs, *(self.prepared(cell).parent for cell in self.cells)})
        for folder in folders:
            files.make_writable(folder)
        pins = Determinism(**config["determinism"]).pins()
        self.jobs = min(config["study"]["jobs"] or len(os.sched_getaffinity(0)), len(cells))
        launch = launcher(pack, config["sandbox"], folders, self.jobs, console)
        self.pool = Pool(self.jobs, pins, config["study"]["retries"], launch)
        self.failed: list[dict[str, Any]] = []
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.close()

    def prepared(self, cell: CellPlan) -> Path:
        """Where a cell's prepared data are."""
        return dataset_folder(self.data_dir, self.pack.slug, cell.config, cell.overrides)

    def prepare(self) -> None:
        """Build the datasets that are not there yet."""
        missing = {self.prepared(c): c for c in self.cells if not is_prepared(self.prepared(c))}
        if missing:
            self.console.print(f"Preparing {len(missing)} dataset{'s' * (len(missing) > 1)} …", highlight=False)
        self._timed(
            "prepare",
            [
                Task(f"data {folder.name}", {"kind": "prepare", "config": cell.config, "folder": str(folder)})
                for folder, cell in missing.items()
            ],
        )

    def fingerprints(self, cell: CellPlan) -> dict[str, str]:
        """{part: sha256} of a cell's prepared data."""
        return fingerprints(self.prepared(cell))

    def audit(self) -> dict[str, AuditReport]:
        """{<data>__<protocol>: report}: made where there is none for this very data, protocol and depth."""
        wanted = {gate.audit_name(cell): cell for cell in self.cells}
        paths = {name: gate.audit_path(self.runs, cell, self.fingerprints(cell)) for name, cell in wanted.items()}
        tasks = [
            Task(
                f"audit {name}",
                {
                    "kind": "audit",
                    "config": wanted[name].config,
                    "folder": str(self.prepared(wanted[name])),
                    "out": str(path),
                },
            )
            for name, path in paths.items()
            if not path.exists()
        ]
        if tasks:
            count = f"{len(tasks)} split{'s' * (len(tasks) > 1)}"
            self.console.print(f"Auditing {count} for leakage …", highlight=False)
        self._timed("audit", tasks)
        return {name: AuditReport.read(path) for name, path in paths.items()}

    def planned(self) -> list[Planned]:
        """The cells with their ids, which are known once the data are."""
        code = self.pack.code_sha256()
        rows = []
        for cell in self.cells:
            identity = record.cell_id(cell.config, ENGINE_VERSION, code, self.fingerprints(cell))
            rows.append(Planned(cell, identity, self.runs / identity))
        return rows

    def estimate(self, planned: Sequence[Planned]) -> dict[str, float]:
        """{cell id: expected seconds}, from a few steps of each distinct computation, timed alone in a worker."""
        kinds: dict[str, Planned] = {}
        of: dict[str, str] = {}
        for item in planned:
            config = {**record.determinants(item.cell.config, ENGINE_VERSION), "seed": 0}
            config["data"] = {}
            of[item.cell_id] = record.stable_hash(config)
            kinds.setdefault(of[item.cell_id], item)

        def named(item: Planned) -> str:
            return f"{item.cell.name} ({item.cell_id})"

        jobs = [
            Task(named(item), {"kind": "estimate", "config": item.cell.config, "folder": str(self.prepared(item.cell))})
            for item in kinds.values()
        ]
        timed = self.pool.map(jobs)
        seconds = {kind: sum(timed[named(item)].values()) for kind, item in kinds.items()}
        return {item.cell_id: seconds[of[item.cell_id]] for item in planned}

    def train(self, planned: Sequence[Planned], marks: Mapping[str, Mapping[str, Any]]) -> None:
        """Train what is not finished, longest first; finished cells are never trained again."""
        todo = {item.cell_id: item for item in planned if not item.finished()}
        done = len({item.cell_id for item in planned}) - len(todo)
        if not todo:
            for folder in sorted({self.prepared(item.cell) for item in planned}):
                load_parts(folder)  # what training would have checked: records and data on disk belong together
            cells = "The cell is" if done == 1 else f"All {done} cells are"
            self.console.print(f"{cells} finished already.", highlight=False)
            return
        expected = self.estimate(list(todo.values()))
        order = sorted(todo.values(), key=lambda item: (-expected[item.cell_id], item.cell_id))
        total = sum(expected.values()) / self.jobs
        kept = f" ({done} of {len(todo) + done} are finished already)" if done else ""
        self.console.print(
            f"Training {len(todo)} cell{'s' * (len(todo) > 1)}{kept}, {self.jobs} at a time: "
            f"about [bold]{duration(total)}[/].",
            highlight=False,
        )
        git = git_state()
        by_name = {item.cell.name: item for item in order}
        tasks = [Task(item.cell.name, self._cell_job(item, marks, git)) for item in order]
        began = time.monotonic()
        with Progress(
            self.console,
            {item.cell.name: expected[item.cell_id] for item in order},
            {item.cell.name: item.cell.config["trainer"]["max_steps"] for item in order},
            self.jobs,
            done,
        ) as progress:
            for event in self.pool.run(tasks):
                name = event.task.name
                if event.kind == "started":
                    progress.started(name)
                elif event.kind == "progress":
                    progress.step(name, event.step)
                elif event.kind == "done":
                    progress.done(name, outcome(by_name[name].folder))
                elif event.kind == "retried":
                    progress.stopped(name, f"{event.message}; trying again")
                elif event.kind == "failed":
                    progress.stopped(name, f"failed: {event.message}")
                    self.failed.append({**by_name[name].row(), "message": event.message})
        self.seconds["train"] = time.monotonic() - began

    def _cell_job(self, item: Planned, marks: Mapping[str, Mapping[str, Any]], git: dict[str, Any]) -> dict[str, Any]:
        cell = item.cell
        return {
            "kind": "cell",
            "config": cell.config,
            "folder": str(self.prepared(cell)),
            "out": str(item.folder),
            "facts": {
                "cell_id": item.cell_id,
                "slug": self.pack.slug,
                "variant": cell.variant,
                "levels": dict(cell.levels),
                "overrides": list(cell.overrides),
                "git": git,
                "pack_sha256": self.pack.sha256(),
                "code_sha256": self.pack.code_sha256(),
                "prepared": self.fingerprints(cell),
                "audit": marks[gate.audit_name(cell)],
            },
        }

    def _timed(self, stage: str, tasks: Sequence[Task]) -> None:
        began = time.monotonic()
        self.pool.map(tasks)
        self.seconds[stage] = time.monotonic() - began


def outcome(folder: Path) -> str:
    """A finished cell in a few words, for the progress display."""
    run: record.RunRecord = files.read_json(folder / record.RUN_FILE)
    if run["status"] != "finished":
        return f"{run['status']}: {run['message']}"
    name = run["selection"]["metric"]
    return f"test {name} {run['metrics']['test'][name]:.4g} in {duration(run['wall_s'])}"


def git_state() -> dict[str, Any]:
    """Commit, whether there are uncommitted changes, and the hash of their diff; empty outside a repository."""
    import hashlib

    def git(*argv: str) -> bytes:
        return subprocess.run(["git", *argv], cwd=ROOT, capture_output=True, check=True).stdout

    try:
        commit = git("rev-parse", "HEAD").decode().strip()
        dirty = bool(git("status", "--porcelain", "--untracked-files=no").strip())
        diff = hashlib.sha256(git("diff", "HEAD")).hexdigest() if dirty else None
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "dirty": dirty, "diff_sha256": diff}


def run_cells(
    pack: Pack, cells: Sequence[CellPlan], console: Console
) -> tuple[list[Planned], dict[str, AuditReport], dict[str, float], list[dict[str, Any]]]:
    """All stages up to trained cells: the plan, the audits, seconds per stage, and the cells that failed.

    Raises LeakRefused where the audit forbids training.
    """
    with Session(pack, cells, console) as session:
        session.prepare()
        audits = session.audit()
        show_audits(console, audits)
        marks = gate.pass_gate(cells, audits)
        planned = session.planned()
        session.train(planned, marks)
    return planned, audits, session.seconds, session.failed


def show_audits(console: Console, audits: Mapping[str, AuditReport]) -> None:
    """One line per audited split."""
    for name, report in sorted(audits.items()):
        data, protocol = name.split("__", 1)
        colour = "green" if report.clean else "red" if report.blocking() else "yellow"
        console.print(f"  {data}, protocol {protocol}: [{colour}]{report.summary()}[/]", highlight=False)
