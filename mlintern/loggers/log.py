"""One cell's log, from the start of its training to its record."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.loggers.rows import LoggedRow, Steps

PARTS = ("train", "valid", "test")
_MOST_NAMES = 200
_LONGEST_NAME = 100
_MOST_STEPS = 10_000
"""In one event; a training sends more in several."""
_BREAKS = (OSError, ValueError, TypeError, ImportError, RuntimeError, LookupError, UserError)
"""What a logger may end in without ending the run."""


@dataclasses.dataclass(frozen=True)
class Finished:
    """A cell that has its record."""

    run: Mapping[str, Any]
    """The record."""
    folder: Path
    """Where it is, with steps.parquet beside it."""
    artifacts: Sequence["Artifact"] = ()


@dataclasses.dataclass(frozen=True)
class Artifact:
    """Files that go with a run: the audit it was trained under, the report of its study."""

    kind: str
    """`audit` or `report`."""
    name: str
    files: Sequence[Path]


class Logger:
    """One kind of log of one cell, which takes what it can use. What it raises ends it, and nothing else."""

    def start(self) -> None:
        """Training starts, or goes on from a checkpoint: what was logged of it before is told again."""

    def row(self, row: LoggedRow) -> None:
        """An evaluation; no checkpoint covers it yet."""

    def saved(self, step: int, steps: Steps) -> None:
        """A checkpoint covers the first `step` steps at least; `steps` are the last of them, not told before."""

    def finish(self, done: Finished) -> None:
        """The record is there: write from it, whatever was written before."""

    def close(self) -> None:
        """Training ends here for now, without a record."""


class CellLog:
    """Hands what a training tells to a logger, each row once.

    What comes from a process that runs code of a pack is checked: wrong types, too many names and steps that cannot be
    are left out, and said once.
    """

    def __init__(self, logger: Logger | None, name: str, max_steps: int, say: Callable[[str], None]):
        self.logger, self.name, self.max_steps, self.say = logger, name, max_steps, say
        self._seen: set[tuple[int, str]] = set()
        self._covered = 0
        self._told = False

    def start(self) -> None:
        """Training starts, or goes on from a checkpoint, which it tells again from the beginning."""
        self._seen.clear()
        self._covered = 0
        self._do(lambda logger: logger.start())

    def event(self, event: Mapping[str, Any]) -> bool:
        """Take in one event of a training, as JSON brought it; False where it is none of the log's."""
        kind = event.get("event")
        if kind not in ("evaluated", "saved"):
            return False
        if self.logger is None:
            return True
        try:
            if kind == "evaluated":
                step = self._step(event["step"])
                for row in _rows(event["rows"], step):
                    self.evaluated(row.step, row.part, row.values)
            else:
                steps = self._steps(event)
                self.saved(self._step(event["step"]), steps.first, steps.losses, steps.lrs)
        except (ValueError, TypeError, KeyError, AttributeError):
            if not self._told:
                self._told = True
                self.say(f"{self.name}: what its training told the logger is malformed; it is left out")
        return True

    def evaluated(self, step: int, part: str, values: Mapping[str, float]) -> None:
        """An evaluation of one part after `step` steps; one that was told before is left out."""
        if (step, part) not in self._seen:
            self._seen.add((step, part))
            self._do(lambda logger: logger.row(LoggedRow(step, part, values)))

    def saved(self, step: int, first: int, losses: Sequence[float], lrs: Sequence[float]) -> None:
        """A checkpoint covers `step` steps, and `losses` and `lrs` are of those from `first` on.

        Each stretch follows the one before, or is left out.
        """
        if first == self._covered < step:
            self._covered = step
            self._do(lambda logger: logger.saved(step, Steps(first, losses, lrs)))

    def finish(self, done: Finished) -> None:
        """The record is there."""
        self._do(lambda logger: logger.finish(done))

    def close(self) -> None:
        """Training ends here for now, without a record."""
        self._do(lambda logger: logger.close())

    def _do(self, act: Callable[[Logger], None]) -> None:
        if self.logger is None:
            return
        try:
            act(self.logger)
        except _BREAKS as error:
            self.logger = None
            self.say(f"{self.name}: its logger broke ({type(error).__name__}: {error}); the run goes on without it")

    def _step(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= self.max_steps:
            raise ValueError("no step of this training")
        return value

    def _steps(self, event: Mapping[str, Any]) -> Steps:
        first, losses, lrs = self._step(event.get("first", 0)), event.get("losses", []), event.get("lrs", [])
        if not (isinstance(losses, list) and isinstance(lrs, list) and len(losses) == len(lrs) <= _MOST_STEPS):
            raise ValueError("not as many learning rates as losses")
        if first + len(losses) != event["step"]:
            raise ValueError("not the steps before it")
        return Steps(first, [_number(v) for v in losses], [_number(v) for v in lrs])


def _rows(given: Any, step: int) -> list[LoggedRow]:
    """Rows of a learning curve as a record has them: step, split and the metrics' values."""
    if not isinstance(given, list) or len(given) > len(PARTS):
        raise ValueError("no rows")
    found = []
    for row in given:
        values = {name: value for name, value in row.items() if name not in ("step", "split")}
        if row["split"] not in PARTS or row["step"] != step or len(values) > _MOST_NAMES:
            raise ValueError("no row of this step")
        if any(len(name) > _LONGEST_NAME or not name.isprintable() for name in values):
            raise ValueError("no name")
        found.append(LoggedRow(step, row["split"], {name: _number(value) for name, value in values.items()}))
    return found


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("no number")
    return float(value)
