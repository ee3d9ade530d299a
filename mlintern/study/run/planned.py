"""A planned cell with its id and place, what it is expected to cost, and the plan as it is printed."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mlintern.core.printing import duration
from mlintern.plan.cell_plan import CellPlan
from mlintern.study.folders.standing import is_finished


@dataclasses.dataclass(frozen=True)
class Planned:
    """A planned cell with its id and its place on disk."""

    cell: CellPlan
    cell_id: str
    folder: Path
    origin: CellPlan
    """The cell that was asked for: `cell` itself, but where that ran out of memory and a smaller one stands in."""
    asked: str = ""
    """Id of `origin` where it is another cell; else empty."""

    def finished(self) -> bool:
        """Has it a record, with all that lies beside it as it was written?"""
        return is_finished(self.folder)

    def row(self) -> dict[str, Any]:
        """What the index and the report know of a planned cell."""
        cell = self.cell
        return {"cell_id": self.cell_id, "variant": cell.variant, "levels": dict(cell.levels), "seed": cell.seed}


_LONGEST_S = 1e12
"""More seconds than any cell takes: no estimate, but a false word."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one cell is expected to take."""

    seconds: float = 0.0
    memory_bytes: int = 0
    """Most memory of the worker, the libraries' own included; of the GPU where there is one. 0: not known."""

    @property
    def known(self) -> bool:
        return self.memory_bytes > 0

    @classmethod
    def told(cls, result: Mapping[str, Any]) -> "Cost":
        """What a worker measured; not known where its code says something that is no measurement."""
        seconds = [result.get(name) for name in ("train_s", "evaluate_s")]
        memory = result.get("peak_memory_bytes")
        whole = isinstance(memory, int) and not isinstance(memory, bool) and 0 < memory < 1 << 62
        if not whole or not all(isinstance(s, float) and 0 <= s < _LONGEST_S for s in seconds):
            return cls()
        return cls(sum(seconds), memory)  # type: ignore[arg-type]


def show_plan(console: Console, planned: Sequence[Planned], costs: Mapping[str, Cost]) -> None:
    """One line per place (a variant under its levels): seeds, expected time and memory per cell; nothing for one."""
    places: dict[str, list[Planned]] = {}
    for item in planned:
        places.setdefault(item.cell.place, []).append(item)
    if len(planned) < 2 or not costs:
        return
    table = Table("cells", "seeds", "to train", "each", "memory", title="Plan", title_justify="left")
    for name, members in places.items():
        todo = [item for item in members if not item.finished()]
        cost = next((costs[item.cell_id] for item in todo if costs[item.cell_id].known), None)
        unknown = "-" if not todo else "not known"
        table.add_row(
            name,
            str(len(members)),
            str(len(todo)),
            duration(cost.seconds) if cost else unknown,
            f"{cost.memory_bytes / 2**20:.0f} MiB" if cost else unknown,
        )
    console.print(table)
