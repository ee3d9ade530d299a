"""Comparing runs bit by bit: finding a record, the first step whose losses differ, and the distance in ulp."""

import dataclasses
from pathlib import Path
from typing import Any

from mlintern import record
from mlintern.errors import UserError


@dataclasses.dataclass(frozen=True)
class Losses:
    """How the losses of two runs compare, over the steps that both have."""

    steps: int
    """Steps compared."""
    first_difference: int | None
    """First step (0-based) whose loss differs; None where all agree."""
    first: float | None = None
    """The first run's loss at that step."""
    second: float | None = None
    ulp: int | None = None
    """Distance of the two, in units of the last place of float32."""


def find(text: str, runs: Path) -> Path:
    """The run.json that a cell id (or the start of one), a folder or a file names."""
    given = Path(text)
    candidates = [given] if given.is_file() else [given / record.RUN_FILE] if given.is_dir() else []
    candidates = candidates or sorted(runs.glob(f"*/{text}*/{record.RUN_FILE}"))
    existing = [path for path in candidates if path.is_file()]
    if not existing:
        raise UserError(f"{text}: no finished run of that id in {runs}/, and no such folder or file")
    if len(existing) > 1:
        raise UserError(f"{text}: {len(existing)} runs begin with that; give more digits")
    return existing[0]


def compare_losses(first: Path, second: Path, steps: int | None = None) -> Losses:
    """Compare the losses that two run folders hold, all of them or the first `steps`.

    Raises UserError where a folder has no losses, or they cannot be read.
    """
    import numpy as np

    a, b = read_losses(first), read_losses(second)
    n = min(len(a), len(b), steps or len(a))
    different = np.flatnonzero(a[:n].view(np.int32) != b[:n].view(np.int32))
    if not len(different):
        return Losses(n, None)
    step = int(different[0])
    return Losses(n, step, float(a[step]), float(b[step]), ulp_distance(a[step], b[step]))


def read_losses(folder: Path) -> Any:
    """float32 [steps] of a run folder's steps.parquet."""
    import numpy as np
    import pyarrow
    import pyarrow.parquet as pq

    path = folder / record.STEPS_FILE
    try:
        return np.asarray(pq.read_table(path, columns=["loss"]).column("loss").to_numpy(), dtype=np.float32)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; it lies beside run.json, copy both") from None
    except (OSError, KeyError, pyarrow.ArrowException) as error:
        raise UserError(f"{path}: not readable as losses ({error}); train the cell again") from None


def ulp_distance(a: Any, b: Any) -> int:
    """How many float32 numbers lie between two, counting one end: 1 for neighbours."""
    import numpy as np

    def place(value: Any) -> int:
        bits = int(np.float32(value).view(np.int32))
        return bits if bits >= 0 else -(bits & 0x7FFFFFFF)

    return abs(place(a) - place(b))
