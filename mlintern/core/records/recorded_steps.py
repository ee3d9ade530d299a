"""The steps of a recorded run: its losses, the digests of its weights, its learning rates, from steps.parquet."""

from pathlib import Path
from typing import Any

from mlintern.core.errors import Absent, UserError
from mlintern.core.records import packed, record


def read_losses(folder: Path) -> Any:
    """float32 [steps] of a run folder's steps.parquet."""
    return read_steps(folder)[0]


def read_steps(folder: Path) -> tuple[Any, Any, Any]:
    """Losses (float32 [steps]), digests of the weights after each step (int64 [steps]) and learning rates [steps].

    The digests and rates of a run that did not note them are empty.
    """
    import numpy as np

    path = folder / record.STEPS_FILE
    try:
        content = record.beside(folder, record.STEPS_FILE)
    except Absent:
        raise UserError(f"{path}: no such file; it lies beside run.json, copy both") from None
    table = packed.table(content, path, record.MEND, {"loss": "float"})
    losses = np.asarray(table.column("loss").to_numpy(), dtype=np.float32)
    noted = [table.column(n).to_numpy() if n in table.column_names else losses[:0] for n in ("weights", "lr")]
    return losses, noted[0], noted[1]
