"""The logs of a study's cells, fed by what happens to the cells; nothing in here can end a run or change one."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlintern.core.records import record
from mlintern.engine.config import CellConfig
from mlintern.loggers import CellLog, open_log
from mlintern.loggers.log import Artifact, Finished
from mlintern.study.workers.pool import Event

REPORT_FILES = ("report.json", "report.html")


@dataclasses.dataclass(frozen=True)
class Logged:
    """What a log needs to know of a cell before it is trained."""

    config: CellConfig
    folder: Path
    facts: Mapping[str, Any]
    """cell_id, slug, variant, levels, audit."""
    audit: Path
    """The audit that it is trained under."""


class Logs:
    """One log for each cell that is being trained, by the name of its task."""

    def __init__(self, cell: Callable[[str], Logged], say: Callable[[str], None]):
        self.cell, self.say = cell, say
        self.open: dict[str, tuple[CellLog, Logged]] = {}

    def take(self, event: Event) -> None:
        """What happened to a cell."""
        name = event.task.name
        if event.kind in ("started", "retried"):  # training tells again what is behind it
            if name not in self.open:
                cell = self.cell(name)
                self.open[name] = _open(cell, self.say), cell
            self.open[name][0].start()
        elif name in self.open and event.kind == "told":
            self.open[name][0].event(event.result)
        elif name in self.open and event.kind in ("done", "failed", "out_of_memory"):
            log, cell = self.open.pop(name)
            if event.kind == "done" and event.result.get("status") != "finished elsewhere":
                log.finish(finished(record.read_own_run(cell.folder), cell.folder, cell.audit))
            else:
                log.close()

    def close(self) -> None:
        """Training ends here for now."""
        for log, _ in self.open.values():
            log.close()
        self.open.clear()


def _open(cell: Logged, say: Callable[[str], None]) -> CellLog:
    config = cell.config
    facts = {**cell.facts, "config": config.plain()}
    return open_log(config.logger, config.trainer.max_steps, cell.folder, facts, say)


def finished(run: Mapping[str, Any], folder: Path, audit: Path, report: Path | None = None) -> Finished:
    """A cell with its record, its audit, and where it stands for its study the study's report."""
    levels = [str(run["levels"][name]) for name in ("data", "protocol") if name in run["levels"]]
    artifacts = [Artifact("audit", _name("audit", str(run["slug"]), *levels), [audit])]
    if report is not None:
        artifacts.append(Artifact("report", _name("report", str(run["slug"])), [report / f for f in REPORT_FILES]))
    return Finished(run, folder, artifacts)


def log_report(cell: Logged, report: Path, say: Callable[[str], None]) -> None:
    """Give a study's report, in its folder, to the run at W&B of one of its cells, which has its record."""
    if cell.config.logger.kind == "wandb":
        run = record.read_own_run(cell.folder)
        _open(cell, say).finish(finished(run, cell.folder, cell.audit, report))


def _name(*parts: str) -> str:
    """A name as W&B takes it."""
    return re.sub(r"[^\w.-]", "_", "-".join(parts))[:128]
