"""A study with nothing between a pack's code and the rest: the baseline of `benchmarks.sandbox_overhead`.

    python benchmarks/bare_cells.py SLUG OVERRIDES…        (in a project, with its packages on PYTHONPATH)

Composes, prepares, audits, estimates, trains, scores, records and reports as the command does, in this one process,
which imports the pack's code and has the targets of test: no snapshot, no sandbox, no worker, no scorer.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from mlintern.packs import snapshot
from mlintern.plan.cell_plan import CellPlan
from mlintern.sandbox import policy
from mlintern.study.run import session
from mlintern.study.run.job import run_paper
from mlintern.study.run.planned import Cost, Planned
from mlintern.study.workers.pool import Event, Task


class Here:
    """In the place of a pool: tasks are done at once, in this process."""

    retries = 0

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Do the tasks; each gives one event, its end."""
        from mlintern.study.workers.jobs import KINDS

        for task in tasks:
            alone: Any = None  # a worker's side of the conversation, which preparing and auditing have no use for
            result = task.job["do"]() if "do" in task.job else KINDS[task.job["kind"]](alone, task.job)
            yield Event("done", task, result=result)

    def map(self, tasks: Sequence[Task]) -> dict[str, Any]:
        """Do the tasks; {task name: result}."""
        return {event.task.name: event.result for event in self.run(tasks)}

    def close(self) -> None:
        """Nothing is open."""


class Bare(session.Session):
    """A session that does everything itself."""

    def __init__(self, pack: Any, cells: Sequence[CellPlan], console: Console, standing: bool = False):
        super().__init__(pack, cells, console, standing)
        os.environ |= self.pool.environment  # before torch is imported
        self.pool.close()
        self.pool = Here()  # type: ignore[assignment]

    def _timed(self, stage: str, tasks: Sequence[Task]) -> None:
        self.pool.map(tasks)

    def tabled(self, cell: CellPlan) -> Any:
        """No tables: the code that trains has the splits, and nobody looks for classes that it has no example of."""
        return SimpleNamespace(unseen={})

    def _splits(self, cell: CellPlan) -> Any:
        from mlintern.study.workers.jobs import load_splits

        return load_splits(cell.config, str(self.prepared(cell)))

    def _estimate_job(self, cell: CellPlan) -> dict[str, Any]:
        def few_steps() -> dict[str, Any]:
            from mlintern.engine import memory, rows
            from mlintern.engine.training import seconds_per_step

            parts, sizes = rows.seen(cell.config, splits := self._splits(cell))
            seconds = seconds_per_step(cell.config, parts, sizes, len(splits.test))
            return {**seconds, "peak_memory_bytes": memory.peak_bytes()}

        return {"do": few_steps}

    def train(
        self, planned: Sequence[Planned], costs: Mapping[str, Cost], marks: Mapping[str, Mapping[str, Any]]
    ) -> list[Planned]:
        """Train the cells one after the other."""
        from mlintern.engine.cell import run_cell

        git = snapshot.git_state()
        for item in planned:
            run_cell(item.cell.config, self._splits(item.cell), item.folder, self._work(item, marks, git).facts)
        return list(planned)


def main(slug: str, overrides: Sequence[str]) -> int:
    """Run one cell, or the study."""
    sys.path.insert(0, str(Path.cwd()))
    policy.say(policy.from_overrides(["sandbox=none"]))
    session.Session = Bare
    return run_paper(slug, overrides, Console())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
