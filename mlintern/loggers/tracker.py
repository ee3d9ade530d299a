"""`logger=wandb`: one run at W&B for each cell, its id the cell's.

Talking to W&B takes a process of its own, one for all cells of a command: its library and its network cannot hold up a
study, and what it leaves behind at exit is not ours. Offline, a cell's run is written whole once its record is there,
so that there is one folder to sync, however often the cell was interrupted (two of one id replace each other there).
Online, rows go once a checkpoint covers them, each under the number of its step: a run that is continued takes no
number twice.
"""

import atexit
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlintern.core.records import record
from mlintern.core.roots import ROOT
from mlintern.loggers.log import Finished, Logger
from mlintern.loggers.rows import LoggedRow, Steps, merged, plain, shown_name

PATIENCE_S, SHORT_S = 120.0, 3.0
"""How long a command waits at its end for what is still to be sent, and after Ctrl-C."""
_LONGEST_TAG = 64


class WandB(Logger):
    """One cell's run."""

    def __init__(
        self, folder: Path, project: str | None, mode: str | None, cell: Mapping[str, Any], say: Callable[[str], None]
    ):
        self.online = mode == "online"
        self.say = say
        self.cell = {
            "id": str(cell["cell_id"]),
            "folder": str(folder.absolute()),
            "project": project,
            "mode": mode,
            "name": shown_name(cell),
            "group": str(cell["slug"]),
            "tags": tags(cell),
            "config": {**cell["config"], "variant": cell["variant"], "levels": dict(cell["levels"])},
        }
        self.rows: list[LoggedRow] = []

    def start(self) -> None:
        self.rows = []
        if self.online:
            self._send("open")

    def row(self, row: LoggedRow) -> None:
        if self.online:
            self.rows.append(row)

    def saved(self, step: int, steps: Steps) -> None:
        """Send what the checkpoint covers; a step has one row, so an evaluation goes with the losses beside it."""
        if not self.online or step == 0:
            return
        covered = [row for row in self.rows if row.step <= step]
        self.rows = [row for row in self.rows if row.step > step]
        self._send("rows", rows=[[at, {k: plain(v) for k, v in of.items()}] for at, of in merged(covered, steps)])

    def finish(self, done: Finished) -> None:
        files = [{"kind": a.kind, "name": a.name, "files": [str(f) for f in a.files]} for a in done.artifacts]
        self._send("finish", record=str(done.folder / record.RUN_FILE), artifacts=files)

    def close(self) -> None:
        if self.online:
            self._send("close")

    def _send(self, what: str, **more: Any) -> None:
        tracker(self.say).send({"do": what, "cell": self.cell, **more})


def tags(cell: Mapping[str, Any]) -> list[str]:
    """Slug, variant, levels, and the kinds of leaks that the cell was trained in spite of."""
    marks = [f"acknowledged:{kind}" for kind in cell.get("audit", {}).get("acknowledged", [])]
    levels = [f"{name}:{level}" for name, level in sorted(cell["levels"].items())]
    clean = [] if cell.get("audit", {}).get("clean", True) else ["audit:findings"]
    found = [str(cell["slug"]), str(cell["variant"]), *levels, *clean, *marks]
    return list(dict.fromkeys(tag[:_LONGEST_TAG] for tag in found))


class Tracker:
    """The process that talks to W&B, and the way to it, which never blocks."""

    def __init__(self, say: Callable[[str], None], argv: list[str] | None = None):
        self.say = say
        self.waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            argv or [sys.executable, "-m", "mlintern.loggers.wandb_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,  # Ctrl-C is for the command, which then gives it a moment
        )
        self.threads = [threading.Thread(target=act, daemon=True) for act in (self._write, self._listen)]
        for thread in self.threads:
            thread.start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, message: Mapping[str, Any]) -> None:
        """Put a message in the queue."""
        self.waiting.put(json.dumps(message).encode() + b"\n")

    def close(self, patience_s: float | None = None) -> None:
        """Wait until everything is sent, and end the process in any case."""
        self.waiting.put(None)
        try:
            self.process.wait(PATIENCE_S if patience_s is None else patience_s)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self.say("logger=wandb: not everything reached W&B; the records have it all")
            self.process.kill()
            self.process.wait()
        for thread in self.threads:
            thread.join(1.0)

    def _write(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin:
            while (line := self.waiting.get()) is not None:
                self.process.stdin.write(line)
                self.process.stdin.flush()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.say(line.decode(errors="replace").strip())


_tracker: Tracker | None = None


def tracker(say: Callable[[str], None]) -> Tracker:
    """The one of this process, started when there is first something to send."""
    global _tracker
    if _tracker is None or not _tracker.alive:
        if _tracker is None:
            atexit.register(close)
        _tracker = Tracker(say)
    return _tracker


def close(patience_s: float | None = None) -> None:
    """Wait for what is on its way to W&B, if anything is."""
    global _tracker
    if _tracker is not None:
        _tracker.close(patience_s)
        _tracker = None
