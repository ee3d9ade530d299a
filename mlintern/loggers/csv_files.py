"""`logger=csv`: curve.csv (step, name, value) as training goes, and steps.csv (step, loss, lr) at its end."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mlintern.core import files
from mlintern.loggers.log import Finished, Logger
from mlintern.loggers.rows import LoggedRow, curve, read_steps

CURVE_FILE, STEPS_FILE = "curve.csv", "steps.csv"
_CURVE, _STEPS = ("step", "name", "value"), ("step", "loss", "lr")


class Csv(Logger):
    """Both files; the curve grows row by row, and is written anew when training goes on and when it has ended."""

    def __init__(self, folder: Path):
        self.folder = folder

    def start(self) -> None:
        files.write_text(self.folder / CURVE_FILE, _text([_CURVE]))

    def row(self, row: LoggedRow) -> None:
        opened = os.open(self.folder / CURVE_FILE, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(opened, "a", encoding="utf-8", newline="") as handle:
            handle.write(_text(_lines(row)))

    def finish(self, done: Finished) -> None:
        lines = [line for row in curve(done.run) for line in _lines(row)]
        files.write_text(self.folder / CURVE_FILE, _text([_CURVE, *lines]))
        steps = [(step, repr(loss), repr(lr)) for step, loss, lr in read_steps(done.folder).rows()]
        files.write_text(self.folder / STEPS_FILE, _text([_STEPS, *steps]))


def _lines(row: LoggedRow) -> list[tuple[Any, ...]]:
    return [(row.step, name, repr(value)) for name, value in row.named().items()]


def _text(lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
