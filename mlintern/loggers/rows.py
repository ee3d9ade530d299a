"""What is logged of a cell: the rows of its learning curve, and loss and learning rate of every step."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.core.records import record

LOSS, LR = "loss", "lr"
"""Names of a step's loss and learning rate; those of the curve are `<part>/<metric>`."""


@dataclasses.dataclass(frozen=True)
class LoggedRow:
    """One evaluation of one part."""

    step: int
    """Steps done."""
    part: str
    values: Mapping[str, float]
    """{loss or metric: value}."""

    def named(self) -> dict[str, float]:
        """{"valid/accuracy": value}."""
        return {f"{self.part}/{name}": value for name, value in self.values.items()}


@dataclasses.dataclass(frozen=True)
class Steps:
    """Loss and learning rate of a stretch of steps."""

    first: int
    """How many steps were done before the first of them."""
    losses: Sequence[float]
    lrs: Sequence[float]

    def rows(self) -> Iterator[tuple[int, float, float]]:
        """(steps done, loss, learning rate) of each: a step's row stands at the step that it completes."""
        for i, (loss, lr) in enumerate(zip(self.losses, self.lrs, strict=True)):
            yield self.first + i + 1, loss, lr


def curve(run: Mapping[str, Any]) -> list[LoggedRow]:
    """The learning curve of a record."""
    rows = []
    for row in run["evaluations"]:
        values = {name: value for name, value in row.items() if name not in ("step", "split")}
        rows.append(LoggedRow(row["step"], row["split"], values))
    return rows


def read_steps(folder: Path) -> Steps:
    """The steps of a finished cell, from steps.parquet in its folder; none where there is no such file."""
    path = folder / record.STEPS_FILE
    if not path.exists():
        return Steps(0, [], [])
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["loss", "lr"])
    return Steps(0, table["loss"].to_pylist(), table["lr"].to_pylist())


def merged(rows: Sequence[LoggedRow], steps: Steps) -> list[tuple[int, dict[str, float]]]:
    """[(steps done, {name: value})], one for each step that has anything, in order: what a tracker takes once each."""
    found: dict[int, dict[str, float]] = {}
    for step, loss, lr in steps.rows():
        found[step] = {LOSS: loss, LR: lr}
    for row in rows:
        found.setdefault(row.step, {}).update(row.named())
    return sorted(found.items())


def finals(run: Mapping[str, Any]) -> dict[str, float]:
    """{"final/test/accuracy": value}: the metrics of the chosen checkpoint."""
    return {f"final/{part}/{name}": value for part, of in run["metrics"].items() for name, value in of.items()}


def shown_name(run: Mapping[str, Any]) -> str:
    """How a cell is called: `cnn · mnist1d · clean · seed 0`."""
    first = [str(run["levels"][name]) for name in ("data", "protocol") if name in run["levels"]]
    rest = [f"{name}={level}" for name, level in sorted(run["levels"].items()) if name not in ("data", "protocol")]
    return " · ".join([run["variant"], *first, *rest, f"seed {run['config']['seed']}"])


class Telling:
    """The half of a log that is where training is: what it is told becomes events for the half that is not."""

    def __init__(self, tell: Callable[..., None]):
        self.tell = tell

    def evaluated(self, step: int, part: str, values: Mapping[str, float]) -> None:
        told = {name: plain(value) for name, value in values.items()}
        self.tell(event="evaluated", step=step, rows=[{"step": step, "split": part, **told}])

    def saved(self, step: int, first: int, losses: Sequence[float], lrs: Sequence[float]) -> None:
        told = {"losses": [plain(v) for v in losses], "lrs": [plain(v) for v in lrs]}
        self.tell(event="saved", step=step, first=first, **told)


def plain(value: float) -> float | None:
    """JSON has no NaN: None for what is not finite."""
    return value if math.isfinite(value) else None
