"""The logs of a study's cells, fed by what happens to the cells; nothing in here can end a run or change one."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlintern import files, record
from mlintern.loggers import CellLog, open_log
from mlintern.loggers.log import Artifact, Finished
from mlintern.study.pool import Event

REPORT_FILES = ("report.json", "report.html")


class Logs:
    """One log for each cell that is being trained, by the name of its task."""

    def __init__(self, say: Callable[[str], None]):
        self.say = say
        self.open: dict[str, tuple[CellLog, Path, list[Artifact]]] = {}

    def add(self, name: str, config: Mapping[str, Any], folder: Path, facts: Mapping[str, Any], audit: Path) -> None:
        """A cell that will be trained, and the audit that it is trained under."""
        self.open[name] = open_log(config, folder, facts, self.say), folder, [audit_artifact(facts, audit)]

    def take(self, event: Event) -> None:
        """What happened to a cell."""
        if event.task.name not in self.open:
            return
        log, folder, artifacts = self.open[event.task.name]
        if event.kind in ("started", "retried"):
            log.start()  # training tells again what is behind it
        elif event.kind == "told":
            log.event(event.result)
        elif event.kind in ("done", "failed", "out_of_memory"):
            del self.open[event.task.name]
            if event.kind == "done" and event.result.get("status") != "finished elsewhere":
                log.finish(Finished(files.read_json(folder / record.RUN_FILE), folder, artifacts))
            else:
                log.close()

    def close(self) -> None:
        """Training ends here for now."""
        for log, *_ in self.open.values():
            log.close()
        self.open.clear()


def audit_artifact(facts: Mapping[str, Any], path: Path) -> Artifact:
    """The audit that a cell was trained under."""
    levels = [str(facts["levels"][name]) for name in ("data", "protocol") if name in facts["levels"]]
    return Artifact("audit", _name("audit", str(facts["slug"]), *levels), [path])


def log_report(run: Mapping[str, Any], folder: Path, audit: Path, report: Path, say: Callable[[str], None]) -> None:
    """Give a study's report to the log of one of its cells, which has its record."""
    log = open_log(run["config"], folder, run, say)
    artifact = Artifact("report", _name("report", str(run["slug"])), [report / name for name in REPORT_FILES])
    log.finish(Finished(run, folder, [audit_artifact(run, audit), artifact]))


def _name(*parts: str) -> str:
    """A name as W&B takes it."""
    return re.sub(r"[^\w.-]", "_", "-".join(parts))[:128]
