"""A sweep: cells through any Hydra launcher, ending in the records that an undisturbed study would have.

Planning, data, audits and the gate happen here, once; then every cell that has no record becomes a job. What counts is
what stands on disk afterwards: a job that left neither a record nor a reason was lost with its process, and is launched
again, as long as rounds bring something, and `study.retries` more times when they do not. Killed altogether, the same
command goes on from the records and checkpoints that are there.
"""

import itertools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from rich.console import Console
from rich.markup import escape

from mlintern.config import Composer
from mlintern.core.errors import LeakRefused, UserError
from mlintern.core.records import record
from mlintern.packs import snapshot
from mlintern.packs.pack import Pack
from mlintern.plan.cell_plan import CellPlan
from mlintern.plan.grid import named_cell, names_a_cell, study_cells
from mlintern.study.folders import failures
from mlintern.study.run import gate
from mlintern.study.run.budget import plan_path
from mlintern.study.run.job import finish_study, index_path
from mlintern.study.run.planned import Planned
from mlintern.study.run.session import Session, outcome, show_audits
from mlintern.study.sweeps import summary
from mlintern.study.sweeps.cell_job import CellJob

Launch = Callable[[Sequence[Sequence[str]], int], Sequence[Any]]
"""A Hydra launcher's `launch`: overrides of every job and the first one's number to Hydra's JobReturns."""


def sweep(task: CellJob, arguments: Sequence[str], launch: Launch) -> list[float | None]:
    """Run what the arguments ask for; the exit code goes to `task.codes`. Returns each cell's validation metric."""
    try:
        code, values = Sweep(task.slug, launch, Console()).run(arguments)
    except UserError as error:
        print(f"mlintern: {error}", file=sys.stderr)
        task.codes.append(error.exit_code)
        return []
    task.codes[:] = [code]  # what single jobs said stands in their records and notes
    return values


def combinations(arguments: Sequence[str]) -> list[list[str]]:
    """Every combination of what the arguments sweep: one list of plain overrides each."""
    lists = []
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        line = override.input_line or ""
        if line.lstrip("+").startswith("paper="):
            continue
        if not override.is_sweep_override():
            lists.append([line])
        elif override.is_discrete_sweep():
            lists.append([f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()])
        else:
            raise UserError(f"{line}: an interval needs a sweeper that searches; add hydra/sweeper=optuna")
    return [list(chosen) for chosen in itertools.product(*lists)]


class Sweep:
    """One sweep over one paper."""

    def __init__(self, slug: str, launch: Launch, console: Console):
        self.slug, self.launch, self.console = slug, launch, console
        self.pack, self.began = Pack(slug), snapshot.CodeState(slug)
        self.launched = self.refused = 0
        self.failed: dict[str, str] = {}
        """{cell id: why it has no record}."""

    def run(self, arguments: Sequence[str]) -> tuple[int, list[float | None]]:
        """The whole sweep: exit code, and each planned cell's validation metric."""
        began = time.monotonic()
        groups: list[tuple[list[str], list[CellPlan], bool]] = []
        with Composer(self.slug) as composer:
            for overrides in combinations(arguments):
                one = names_a_cell(overrides)
                cells = [named_cell(composer, overrides)] if one else study_cells(composer, overrides)
                groups.append((overrides, cells, not one))
        if not any(whole for *_, whole in groups):
            groups = [([], [cell for _, cells, _ in groups for cell in cells], False)]
        code, values = 0, []
        for overrides, cells, whole in groups:
            if whole and len(groups) > 1:
                self.console.print(f"[bold]{escape(' '.join(overrides))}[/]", highlight=False)
            planned, audits, seconds = self.run_group(cells, overrides if whole else None)
            values += [_selection(item) for item in planned]
            failed = [{**p.row(), "message": self.failed[p.cell_id]} for p in planned if p.cell_id in self.failed]
            if whole:
                seconds["total"] = time.monotonic() - began
                finish_study(self.pack, cells, overrides, planned, audits, seconds, failed, self.console, self.began)
            else:
                self.summary(planned, cells, arguments)
            code = max(code, 1 if failed or self.refused else 0)
        return code, values

    def run_cells(self, cells: Sequence[CellPlan]) -> list[tuple[str, float | None]]:
        """Run cells and return each one's id and validation metric (None for one that failed), in their order."""
        planned, _, _ = self.run_group(cells, None)
        by_origin = {item.origin.overrides: item for item in planned}
        found = [by_origin.get(cell.overrides) for cell in cells]
        return [(item.cell_id, _selection(item)) if item else ("", None) for item in found]

    def run_group(
        self, cells: Sequence[CellPlan], study: Sequence[str] | None
    ) -> tuple[list[Planned], dict[str, Any], dict[str, float]]:
        """Plan, audit and run cells; `study` are the overrides where they are a whole study."""
        levels: dict[str, list[CellPlan]] = {}
        for cell in cells:
            levels.setdefault(record.stable_hash(cell.config.determinism.plain()), []).append(cell)
        planned: list[Planned] = []
        audits: dict[str, Any] = {}
        seconds: dict[str, float] = {}
        for members in levels.values():
            with Session(self.pack, members, self.console) as session:
                session.prepare()
                audits |= (found := session.audit())
                show_audits(self.console, found)
                allowed = self.pass_gate(session, found, together=study is not None)
                plan_file = (
                    None if study is None else plan_path(index_path(members[0].config.run.dir, self.slug, study))
                )
                kept, _ = session.fit(allowed, plan_file)
                session.pool.close()  # a worker that waits would only take memory from the jobs
                began = time.monotonic()
                planned += self.run_jobs(session, kept)
                seconds |= {**session.seconds, "train": time.monotonic() - began}
        return planned, audits, seconds

    def pass_gate(self, session: Session, audits: Any, together: bool) -> list[Planned]:
        """The cells that may train; raises LeakRefused for a study, whose cells stand or fall together."""
        planned = session.planned()
        if together:
            gate.pass_gate(session.cells, audits)
            return planned
        allowed = []
        for item in planned:
            try:
                gate.pass_gate([item.cell], audits)
                allowed.append(item)
            except LeakRefused as error:
                self.refused += 1
                print(f"mlintern: {error}", file=sys.stderr)
        return allowed

    def run_jobs(self, session: Session, planned: Sequence[Planned]) -> list[Planned]:
        """Launch what has no record until every cell has one, or a reason for having none; the cells as they ran."""
        wanted = list({item.origin.overrides: item.origin for item in planned}.values())
        retries = session.cells[0].config.study.retries
        for item in planned:
            if not item.finished():
                failures.forget(item.folder)
        without_result, reasons = 0, dict[str, str]()
        if all(item.finished() for item in planned):
            session.check_data()
            self.console.print(f"All {len(planned)} cells are finished already.", highlight=False)
        while True:
            now = [session.resolve(origin) for origin in wanted]
            todo = {item.cell_id: item for item in now if not item.finished() and not failures.noted(item.folder)}
            todo = {name: item for name, item in todo.items() if name not in self.failed}
            if not todo:
                break
            if without_result > retries:
                for name in todo:
                    self.failed[name] = reasons.get(name, "its job ended without a record")
                continue
            say = "Launching" if not self.launched else "Launching again, for their processes were lost:"
            self.console.print(f"{say} {len(todo)} job{'s' * (len(todo) > 1)} …", highlight=False)
            reasons = self.launch_once(list(todo.values()))
            left = sum(not i.finished() and not failures.noted(i.folder) for i in map(session.resolve, wanted))
            without_result = without_result + 1 if left >= len(todo) else 0
        for item in now:
            if not item.finished() and (message := failures.noted(item.folder)):
                self.failed[item.cell_id] = message
        return now

    def launch_once(self, items: Sequence[Planned]) -> dict[str, str]:
        """Launch a job per cell and wait for all; {cell id: why it may have no record} as the launcher tells it."""
        jobs = [[f"paper={self.slug}", *item.origin.overrides] for item in items]
        first, self.launched = self.launched, self.launched + len(jobs)
        try:
            results = self.launch(jobs, first)
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 - any launcher's failure: what counts is which records are there
            message = f"the launcher ended with {type(error).__name__}: {str(error).strip().splitlines()[:1]}"
            self.console.print(f"[yellow]{message}[/]", highlight=False)
            return {item.cell_id: message for item in items}
        reasons = {}
        for item, result in zip(items, results, strict=True):
            try:
                _ = result.return_value
            except UserError as error:  # the job ran and said why it cannot be
                reasons[item.cell_id] = self.failed[item.cell_id] = str(error)
            except Exception as error:  # noqa: BLE001 - whatever ended the job's process
                reasons[item.cell_id] = f"its job was lost: {error}"
        return reasons

    def summary(self, planned: Sequence[Planned], cells: Sequence[CellPlan], arguments: Sequence[str]) -> None:
        """What came out of a sweep that is no whole study, by what was swept; several cells leave it in a file too."""
        keys = summary.swept_keys(arguments)
        ran = {item.origin.overrides: item for item in planned}
        outcomes = []
        for cell in cells:
            item, swept = ran.get(cell.overrides), summary.values_of(keys, cell.overrides)
            if item is not None and item.finished():
                outcomes.append(summary.finished(item, swept, outcome(item.folder)))
            else:
                why = f"failed: {self.failed[item.cell_id]}" if item else "refused: see above"
                outcomes.append(summary.CellOutcome(swept, cell.name, item.cell_id if item else "-", said=why))
        summary.show(self.console, outcomes)
        if len(outcomes) > 1:
            given = sorted(a for a in arguments if not a.lstrip("+").startswith("paper="))
            name = f"sweep-{record.stable_hash(given, 'arguments')[:8]}.json"
            path = Path(cells[0].config.run.dir) / self.slug / name
            summary.write(path, given, outcomes)
            self.console.print(f"Sweep: {path}", highlight=False, soft_wrap=True)


def _selection(item: Planned) -> float | None:
    """The validation metric of a cell's chosen checkpoint; None for a cell without one."""
    if not item.finished():
        return None
    value = record.read_own_run(item.folder)["selection"]["value"]
    return None if value is None else float(value)
