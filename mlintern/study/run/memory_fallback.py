"""What a cell that ran out of memory becomes: the same effective batch in smaller pieces.

The number of pieces (`trainer.shards`) is part of what a run computes: sums are taken in another order and every piece
has dropout of its own. So the smaller cell has an id of its own, and the bits that anyone gets who asks for that number
of shards; the promise that equal ids mean equal bits knows no exception for small machines.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlintern.core.errors import Damaged
from mlintern.core.records import sealed
from mlintern.plan.cell_plan import CellPlan

NOTE_FILE = "out_of_memory.json"
"""In the folder of the cell that was asked for; while it is there, the same command runs the smaller one."""
CHANGED = ("shards", "eval_batch_size")
"""What of `trainer` a smaller cell has otherwise."""


def halved(cell: CellPlan) -> CellPlan | None:
    """The cell with its batch in twice as many pieces, evaluated by half as many examples at a time.

    None where a piece is one example already, so that nothing smaller is possible.
    """
    trainer = cell.config.trainer
    changed = {"shards": trainer.shards * 2, "eval_batch_size": max(1, trainer.eval_batch_size // 2)}
    if changed["shards"] > trainer.batch_size:
        return None
    return with_trainer(cell, changed)


def with_trainer(cell: CellPlan, changed: Mapping[str, Any]) -> CellPlan:
    """The cell with other values in `trainer`, and the overrides that say so."""
    trainer = dataclasses.replace(cell.config.trainer, **changed)
    config = dataclasses.replace(cell.config, trainer=trainer)
    said = tuple(f"trainer.{name}={value}" for name, value in sorted(changed.items()))
    kept = tuple(o for o in cell.overrides if o.partition("=")[0] not in {word.partition("=")[0] for word in said})
    return dataclasses.replace(cell, config=config, overrides=(*kept, *said))


def note(folder: Path, cell: CellPlan, instead: CellPlan, cell_id: str, message: str) -> None:
    """Write down that `cell`, whose folder is given, runs as `instead`, which has the id given, from now on."""
    before, after = cell.config.trainer, instead.config.trainer
    changed = {name: getattr(after, name) for name in CHANGED}
    value = {
        "message": message,
        "cell_id": cell_id,
        "instead": changed,
        "before": {name: getattr(before, name) for name in changed},
    }
    sealed.write(folder / NOTE_FILE, value, below=folder.parent)


def noted(folder: Path) -> dict[str, Any] | None:
    """What `note` wrote in a cell's folder, None where the cell has not run out of memory; raises Damaged."""
    from mlintern.study.folders import shapes

    path = folder / NOTE_FILE
    return sealed.read(path, shapes.SmallerFile) if os.path.lexists(path) else None


def check(folder: Path, found: dict[str, Any], cell_id: str, shards: int) -> None:
    """See that the cell which a note in `folder` leads to is the one that it names, and in more pieces than before."""
    if found["cell_id"] != cell_id or found["instead"]["shards"] <= shards:
        raise Damaged(
            f"{folder / NOTE_FILE}: names the cell {found['cell_id']}, but trainer.shards={found['instead']['shards']} "
            f"makes {cell_id} of it; delete it and run again"
        )


def described(cell: CellPlan) -> str:
    """What a smaller cell does, in words."""
    batch, shards = cell.config.trainer.batch_size, cell.config.trainer.shards
    return (
        f"the batch of {batch} goes on in {shards} pieces of at most {-(-batch // shards)} (trainer.shards={shards}, a "
        "cell of its own)"
    )
