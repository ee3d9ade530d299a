"""Running cells: data, audit, gate, estimate, training; and a study's index of what came out.

Everything that takes torch happens in worker processes; this side composes, decides and shows.
"""

import contextlib
import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mlintern.audit.report.audit_report import AuditReport
from mlintern.config import ranges
from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.core.printing import duration
from mlintern.core.records import record
from mlintern.core.targets.check import targets_in
from mlintern.core.turns import alone
from mlintern.data.prepare import fingerprints, is_prepared, load_parts
from mlintern.engine import ENGINE_VERSION
from mlintern.engine.rows import is_control
from mlintern.loggers import tracker
from mlintern.packs import snapshot
from mlintern.packs.pack import Pack
from mlintern.plan.cell_plan import CellPlan, dataset_folder
from mlintern.sandbox import policy
from mlintern.study.folders import failures, kept, made, standing
from mlintern.study.folders.audit_names import names_of, parts_of
from mlintern.study.folders.source_files import made_from, source_files
from mlintern.study.run import budget, gate, memory_fallback
from mlintern.study.run.life import Work
from mlintern.study.run.lives import Lives
from mlintern.study.run.logged import Logged, Logs
from mlintern.study.run.planned import Cost, Planned, show_plan
from mlintern.study.run.progress import Progress
from mlintern.study.run.tabled import Tabled, make_folder, said_unseen, tables_of, unseen_labels
from mlintern.study.workers import notices
from mlintern.study.workers.launch import launcher, needs_network, standing_pool
from mlintern.study.workers.pool import Pool, Task

MOST_LINES = 5
"""Damaged records that are named one by one."""


class Session:
    """One command's work on one paper's cells, all under one determinism level.

    With `standing`, the workers outlive the session for the next one of this process (a launcher's job).
    """

    def __init__(self, pack: Pack, cells: Sequence[CellPlan], console: Console, standing: bool = False):
        if len({record.stable_hash(cell.config.determinism.plain()) for cell in cells}) != 1:
            raise UserError("determinism: cells of one study must share one level")
        for cell in cells:
            ranges.check_cell(cell.config)
        said = () if standing else {note for cell in cells for note in ranges.notes(cell.config)}
        for note in sorted(said):
            console.print(f"[yellow]{note}.[/]", highlight=False)
        self.pack, self.cells, self.console, self.standing = pack, list(cells), console, standing
        config = cells[0].config
        self.runs = Path(config.run.dir).absolute() / pack.slug
        self.data_dir = Path(config.run.data_dir)
        self.code_sha256 = pack.code_sha256()
        folders = sorted({self.runs, *(self.prepared(cell).parent for cell in self.cells)})
        for folder in folders:
            files.make_writable(folder)
        pins = config.determinism.pins()
        self.jobs = min(config.study.jobs or len(os.sched_getaffinity(0)), len(cells))
        retries = config.study.retries
        asked = policy.current()
        talk = any(needs_network(cell.config) for cell in cells)
        self.made_from = {self.prepared(c): source_files(c.config, pack.folder, asked.reads) for c in self.cells}
        sources = sorted({path for paths in self.made_from.values() for path in paths})
        targets = sorted({target for cell in cells for target in targets_in(cell.config.plain())})
        launch = launcher(pack, asked, folders, self.jobs, console, talk=talk, files=sources, targets=targets)
        self.sandbox = dict(launch.record)
        self.pool = (
            standing_pool(pack, asked, folders, pins, retries, launch)
            if standing
            else Pool(self.jobs, pins, retries, launch)
        )
        self.warnings: dict[str, set[str]] = {}
        self.pool.warned = self._warned
        self.tables = tables_of(self.pool, self.runs)
        self.failed: list[dict[str, Any]] = []
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None or not self.standing:
            self.pool.close()
        if isinstance(kind, type) and issubclass(kind, KeyboardInterrupt):
            tracker.close(tracker.SHORT_S)

    def prepared(self, cell: CellPlan) -> Path:
        """Where a cell's prepared data are."""
        return dataset_folder(self.data_dir, self.pack, cell.config.data, cell.overrides)

    def prepare(self) -> None:
        """Build the datasets that are not there yet, or that other code of the engine, or other files, made."""
        with contextlib.ExitStack() as held:
            for place in sorted({folder.parent for folder in self._missing()}):
                held.enter_context(self._alone(place, "preparing data"))
            missing = self._missing()  # what another command made in the meantime is there
            if missing:
                self.console.print(f"Preparing {len(missing)} dataset{'s' * (len(missing) > 1)} …", highlight=False)
            self._build(missing)

    def _missing(self) -> dict[Path, CellPlan]:
        folders, read = {self.prepared(cell): cell for cell in self.cells}, self.made_from
        return {f: cell for f, cell in folders.items() if not is_prepared(f) or made.is_current(f, read[f]) is False}

    def _alone(self, folder: Path, what: str) -> contextlib.AbstractContextManager[None]:
        said = f"Another command is {what} in {folder}; waiting for it."
        return alone(folder, lambda: self.console.print(said, style="yellow", highlight=False, markup=False))

    def _build(self, missing: Mapping[Path, CellPlan]) -> None:
        tasks = [
            Task(
                f"data {folder.name}",
                {
                    "kind": "prepare",
                    "config": cell.config,
                    "folder": str(folder),
                    **made_from(self.made_from[folder]),
                    "writes": [str(make_folder(folder))],
                },
            )
            for folder, cell in missing.items()
        ]
        done = False
        try:
            self._timed("prepare", tasks)
            done = True
        finally:
            for folder in missing:
                self._tidied(folder, made.tidy(folder, done))
        for folder in missing:
            made.note(folder, self.made_from[folder])

    def _tidied(self, folder: Path, gone: Sequence[str]) -> None:
        if gone:
            names = notices.one_line(", ".join(gone))
            self.console.print(f"Removed from {folder}, which is for data alone: {names}", style="yellow", markup=False)

    def check_data(self) -> None:
        """Check the data on disk as training would, where nothing is trained: records and data belong together."""
        for folder in sorted({self.prepared(cell) for cell in self.cells}):
            load_parts(folder)

    def fingerprints(self, cell: CellPlan) -> dict[str, str]:
        """{part: sha256} of a cell's prepared data."""
        return fingerprints(self.prepared(cell))

    def audit(self) -> dict[str, AuditReport]:
        """{name (see `audit_names`): report}: made where there is none for this very data, protocol and depth."""
        keyed = [(cell, gate.audit_key(cell, self.fingerprints(cell), self.pack)) for cell in self.cells]
        names = names_of([(cell.levels, key) for cell, key in keyed])
        wanted = {names[key]: cell for cell, key in keyed}
        paths = {names[key]: gate.audit_path(self.runs, key) for _, key in keyed}
        if any(self.kept_audit(path) is None for path in paths.values()):
            place = make_folder(next(iter(paths.values())).parent.parent)
            with self._alone(place, "auditing"):
                self._audit({name: (path, wanted[name]) for name, path in paths.items()})
        else:
            self._timed("audit", [])
        return {name: AuditReport.read(path) for name, path in paths.items()}

    def _audit(self, wanted: Mapping[str, tuple[Path, CellPlan]]) -> None:
        tasks = [
            Task(
                f"audit {name}",
                {
                    "kind": "audit",
                    "config": cell.config,
                    "folder": str(self.prepared(cell)),
                    "out": str(path),
                    "reads": [str(self.prepared(cell))],
                    "writes": [str(make_folder(path.parent))],
                },
            )
            for name, (path, cell) in wanted.items()
            if self.kept_audit(path) is None
        ]
        if tasks:
            count = f"{len(tasks)} split{'s' * (len(tasks) > 1)}"
            self.console.print(f"Auditing {count} for leakage …", highlight=False)
        try:
            self._timed("audit", tasks)
        finally:
            for task in tasks:
                out = Path(task.job["out"])
                self._tidied(out.parent, files.keep_only(out.parent, {out.name}))

    def kept_audit(self, path: Path) -> AuditReport | None:
        """The audit that is there already; one that is not as it was written is said, and made anew."""
        report, wrong = gate.kept_audit(path)
        if wrong:
            self.say(wrong.removesuffix("; run the audit again") + ": the split is audited again.")
            with contextlib.suppress(OSError):  # a folder in its place: writing will say so
                path.unlink()
        return report

    def planned(self) -> list[Planned]:
        """The cells with their ids, which are known once the data are; smaller ones where memory did not suffice.

        A record that is not as it was written is set aside, with a line: its cell is trained again.
        """
        found = [self.resolve(cell) for cell in self.cells]
        wrong = list(filter(None, map(standing.set_aside_if_wrong, dict.fromkeys(item.folder for item in found))))
        for line in wrong[:MOST_LINES]:
            self.say(f"{line}: the cell is trained again.")
        if len(wrong) > MOST_LINES:
            self.say(f"… and {len(wrong) - MOST_LINES} more records like these.")
        return found

    def _warned(self, name: str, message: str) -> None:
        """Show what data, their preprocessing or their audit warned of: the same once, and so many of them."""
        known = self.warnings.setdefault(name, set())
        if message not in known and len(known) < notices.MOST:
            known.add(message)
            self.say(f"{name}: warning: {message}")

    def say(self, line: str) -> None:
        """One line that the user should see, whatever its text holds."""
        self.console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)

    def resolve(self, origin: CellPlan) -> Planned:
        """A cell with its id and place, or the smaller one that runs in its stead."""
        item = self._identified(origin, origin)
        while not item.finished() and (note := memory_fallback.noted(item.folder)):
            less = memory_fallback.with_trainer(
                item.cell, {name: note["instead"][name] for name in memory_fallback.CHANGED}
            )
            then = self._identified(less, origin, item.asked or item.cell_id)
            memory_fallback.check(item.folder, note, then.cell_id, item.cell.config.trainer.shards)
            item = then
        return item

    def _identified(self, cell: CellPlan, origin: CellPlan, asked: str = "") -> Planned:
        identity = record.cell_id(cell.config.plain(), ENGINE_VERSION, self.code_sha256, self.fingerprints(cell))
        kept.restore(self.runs, identity)
        return Planned(cell, identity, self.runs / identity, origin, asked)

    def estimate(self, planned: Sequence[Planned]) -> dict[str, Cost]:
        """{cell id: expected cost}, from a few steps of each distinct computation, measured alone in a worker.

        A computation that fails has no estimate: training it will say why.
        """
        kinds: dict[str, Planned] = {}
        of: dict[str, str] = {}
        for item in planned:
            computed = {**record.determinants(item.cell.config.plain(), ENGINE_VERSION), "seed": 0, "data": {}}
            of[item.cell_id] = record.stable_hash(computed)
            kinds.setdefault(of[item.cell_id], item)
        tasks = [
            Task(kind, self._estimate_job(item.cell), attempts=self.pool.retries, tolerant=True)  # once is enough
            for kind, item in kinds.items()
        ]
        costs = {event.task.name: Cost.told(event.result) for event in self.pool.run(tasks) if event.kind == "done"}
        return {item.cell_id: costs.get(of[item.cell_id], Cost()) for item in planned}

    def _estimate_job(self, cell: CellPlan) -> dict[str, Any]:
        tabled = self.tabled(cell)
        return {
            "kind": "estimate",
            "config": cell.config,
            "tables": str(tabled.paths.folder),
            "parts": tabled.seen,
            "sizes": tabled.sizes if is_control(cell.config.model) else {},
            "top": tabled.top,
            "unseen": tabled.rows["test"],
            "reads": tabled.reads(tabled.seen, targets=True),
        }

    def tabled(self, cell: CellPlan) -> Tabled:
        """What workers are given of a cell's data."""
        return self.tables.of(cell.config, self.prepared(cell))

    def fit(self, planned: Sequence[Planned], plan_file: Path | None) -> tuple[list[Planned], dict[str, Cost]]:
        """The cells that the budget allows, by `budget.trim`, with the expected cost of those not finished.

        Prints the plan; with `plan_file`, keeps it there, and follows what is kept there already for the same cells.
        """
        open_cells = list({item.cell_id: item for item in planned if not item.finished()}.values())
        costs = self.estimate(open_cells) if open_cells else {}
        rows = [item.row() for item in planned]
        hours = self.cells[0].config.study.budget_hours
        before = budget.read_plan(plan_file) if plan_file is not None else None
        asked = record.stable_hash(sorted(item.asked or item.cell_id for item in planned), "plan")
        same = before is not None and (before["budget_hours"], before["asked_sha256"]) == (hours, asked)
        seconds = {row["cell_id"]: row["seconds"] for row in before["cells"]} if before is not None and same else {}
        seconds |= {name: cost.seconds for name, cost in costs.items() if cost.known}
        trimmed: Sequence[Mapping[str, Any]] = []
        if before is not None and same:
            trimmed = before["trimmed"]
        elif hours is not None:
            finished = {item.cell_id for item in planned if item.finished()}
            trimmed = budget.trim(rows, seconds, finished, hours * 3600).trimmed
        out = {row["cell_id"] for row in trimmed}
        kept = [item for item in planned if item.cell_id not in out]
        if plan_file is not None:
            budget.write_plan(plan_file, [item.row() for item in kept], trimmed, seconds, hours, self.jobs, asked)
        show_plan(self.console, kept, costs)
        if trimmed:
            self.console.print(
                f"[yellow]study.budget_hours={hours:g}: {len(trimmed)} cells are left out ({budget.RULE}).[/]",
                highlight=False,
            )
        return kept, costs

    def train(
        self, planned: Sequence[Planned], costs: Mapping[str, Cost], marks: Mapping[str, Mapping[str, Any]]
    ) -> list[Planned]:
        """Train what is not finished, longest first; finished cells are never trained again.

        Returns the cells as they came to be run: one that ran out of memory is replaced by a smaller one.
        """
        todo = {item.cell_id: item for item in planned if not item.finished()}
        done = len({item.cell_id for item in planned}) - len(todo)
        if not todo:
            self.check_data()
            cells = "The cell is" if done == 1 else f"All {done} cells are"
            self.console.print(f"{cells} finished already.", highlight=False)
            return list(planned)
        expected = {name: costs.get(name, Cost()).seconds for name in todo}
        order = sorted(todo.values(), key=lambda item: (-expected[item.cell_id], item.cell_id))
        kept = f" ({done} of {len(todo) + done} are finished already)" if done else ""
        total = f": about [bold]{duration(sum(expected.values()) / self.jobs)}[/]" if costs else ""
        self.console.print(
            f"Training {len(todo)} cell{'s' * (len(todo) > 1)}{kept}, {self.jobs} at a time{total}.", highlight=False
        )
        git = snapshot.git_state()
        by_name = {item.cell.name: item for item in order}
        for item in order:
            failures.forget(item.folder)
        lives = Lives(self.pool, self.tables.desk)
        works = [self._work(item, marks, git) for item in order]
        lines = [line for w in works for line in said_unseen(w.config.data.name, w.facts.get("unseen_labels", {}))]
        for line in dict.fromkeys(lines):
            self.say(f"{line}.")
        began = time.monotonic()
        with (
            Progress(
                self.console,
                {item.cell.name: expected[item.cell_id] for item in order},
                {item.cell.name: item.cell.config.trainer.max_steps for item in order},
                self.jobs,
                done,
            ) as progress,
            contextlib.closing(Logs(lambda name: self._logged(by_name[name], marks), progress.say)) as logs,
        ):
            for event in lives.run(works):
                name = event.task.name
                logs.take(event)
                if event.kind == "started":
                    progress.started(name)
                elif event.kind == "progress":
                    progress.step(name, event.step)
                elif event.kind == "waiting":
                    progress.noted(name, event.message)
                elif event.kind == "warning":
                    progress.warned(name, event.message)
                elif event.kind == "done":
                    progress.done(name, outcome(by_name[name].folder))
                    for line in contradicted(event.result.get("differs", [])):
                        progress.say(f"{name}: {line}")
                elif event.kind == "retried":
                    progress.stopped(name, f"{event.message}; trying again")
                elif event.kind == "out_of_memory" and (less := memory_fallback.halved(by_name[name].cell)) is not None:
                    item = by_name[name]
                    by_name[name] = self._identified(less, item.origin, item.asked or item.cell_id)
                    memory_fallback.note(item.folder, item.cell, less, by_name[name].cell_id, event.message)
                    progress.stopped(name, f"{event.message}; {memory_fallback.described(less)}")
                    if not by_name[name].finished():
                        lives.add(dataclasses.replace(self._work(by_name[name], marks, git), tolerant=True))
                    else:
                        progress.done(name, outcome(by_name[name].folder))
                elif event.kind in ("failed", "out_of_memory"):
                    progress.stopped(name, f"failed: {event.message}")
                    item = by_name[name]
                    failures.note(item.folder, event.message)
                    self.failed.append({**item.row(), "message": event.message})
        self.seconds["train"] = time.monotonic() - began
        ran = {item.cell_id: by_name[item.cell.name] for item in order}
        smaller = {name: item for name, item in ran.items() if item.cell_id != name}
        return [smaller.get(item.cell_id, item) for item in planned]

    def _logged(self, item: Planned, marks: Mapping[str, Mapping[str, Any]]) -> Logged:
        """What a cell's log says of it before it is trained; `marks` are what records say of its audits."""
        cell = item.cell
        audit = gate.audit_path(self.runs, gate.audit_key(cell, self.fingerprints(cell), self.pack))
        facts = {"cell_id": item.cell_id, "slug": self.pack.slug, "variant": cell.variant, "levels": dict(cell.levels)}
        return Logged(cell.config, item.folder, {**facts, "audit": marks[gate.audit_name(marks, cell)]}, audit)

    def _work(self, item: Planned, marks: Mapping[str, Mapping[str, Any]], git: dict[str, Any]) -> Work:
        cell = item.cell
        facts = {
            "cell_id": item.cell_id,
            "slug": self.pack.slug,
            "variant": cell.variant,
            "levels": dict(cell.levels),
            "overrides": list(cell.overrides),
            "git": git,
            "pack_sha256": self.pack.sha256(),
            "code_sha256": self.code_sha256,
            "prepared": self.fingerprints(cell),
            "audit": marks[gate.audit_name(marks, cell)],
            "sandbox": self.sandbox,
            **({"unseen_labels": unseen} if (unseen := unseen_labels(cell.config, self.tabled(cell))) else {}),
            **({"out_of_memory": self._story(item)} if item.asked else {}),
        }
        several = len(self.cells) > 1  # then one that cannot be had takes no other with it
        return Work(cell.name, cell.config, item.folder, self.tabled(cell), self.pack.folder, facts, tolerant=several)

    def _story(self, item: Planned) -> dict[str, Any]:
        """What the record of a smaller cell says of the one that was asked for."""
        note = memory_fallback.noted(self.runs / item.asked) or {}
        now = {name: getattr(item.cell.config.trainer, name) for name in note.get("before", {})}
        return {"asked": item.asked, "message": note.get("message", ""), "before": note.get("before", {}), "now": now}

    def _timed(self, stage: str, tasks: Sequence[Task]) -> None:
        began = time.monotonic()
        if tasks:
            self.tables.get_ready(self.cells[0].config)
        self.pool.map(tasks)
        self.seconds[stage] = time.monotonic() - began


def contradicted(differs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the code that trained told of its weights, and they do not score, in words."""
    return [
        f"its training told {item['part']} {item['name']} {item['told']}, but its weights score {item['computed']}: "
        "the model keeps state outside its weights, or its code is not honest (told.differs in the record)"
        for item in differs
    ]


def outcome(folder: Path) -> str:
    """A finished cell in a few words, for the progress display."""
    run = record.read_own_run(folder)
    if run["status"] != "finished":
        return f"{run['status']}: {run['message']}"
    name = run["selection"]["metric"]
    value = run["metrics"]["test"].get(name)
    return f"test {name} {'not finite' if value is None else f'{value:.4g}'} in {duration(run['wall_s'])}"


def run_cells(
    pack: Pack, cells: Sequence[CellPlan], console: Console, plan_file: Path | None = None, standing: bool = False
) -> tuple[list[Planned], dict[str, AuditReport], dict[str, float], list[dict[str, Any]]]:
    """All stages up to trained cells: the plan, the audits, seconds per stage, and the cells that failed.

    `standing` is for a launcher's job: the worker stays for the next one, and nothing is estimated, for the sweep did.
    Raises LeakRefused where the audit forbids training.
    """
    with Session(pack, cells, console, standing) as session:
        session.prepare()
        audits = session.audit()
        if not standing:
            show_audits(console, audits)
        marks = gate.pass_gate(cells, audits)
        planned, costs = session.planned(), dict[str, Cost]()
        if not standing:
            planned, costs = session.fit(planned, plan_file)
        planned = session.train(planned, costs, marks)
    return planned, audits, session.seconds, session.failed


def show_audits(console: Console, audits: Mapping[str, AuditReport]) -> None:
    """One line per audited split."""
    for name, report in sorted(audits.items()):
        data, protocol, levels = parts_of(name)
        data = " · ".join([data, *levels])
        colour = "green" if report.clean else "red" if report.blocking() else "yellow"
        console.print(f"  {data}, protocol {protocol}: [{colour}]{report.summary()}[/]", highlight=False)
