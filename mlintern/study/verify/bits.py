"""Comparing runs bit by bit: finding a record, the first step whose losses differ, and the distance in ulp."""

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.core.records import record
from mlintern.core.records.recorded_steps import read_steps


@dataclasses.dataclass(frozen=True)
class Losses:
    """How the losses and weights of two runs compare step by step, over the steps that both have."""

    steps: int
    """Steps compared."""
    first_difference: int | None
    """First step (0-based) whose loss differs; None where all agree."""
    first: float | None = None
    """The first run's loss at that step."""
    second: float | None = None
    ulp: int | None = None
    """Distance of the two, in units of the last place of float32."""
    first_weights: int | None = None
    """First step after which the weights or buffers differ; None where they agree, or a run did not note them."""
    weights_noted: bool = False
    """Did both runs note their weights after each step?"""
    rates: tuple[int, float, float] | None = None
    """First step whose learning rate differs, and the two; None where all agree."""

    @property
    def parted_at(self) -> int | None:
        """First step in which something differs: its loss, or the weights after it."""
        known = [step for step in (self.first_difference, self.first_weights) if step is not None]
        return min(known) if known else None


def find(text: str, runs: Path) -> Path:
    """The run.json that a cell id (or the start of one), a folder or a file names."""
    given = Path(text)
    candidates = [given / record.RUN_FILE] if given.is_dir() else [given] if given.name == record.RUN_FILE else []
    if not candidates and re.fullmatch(r"[\w-]+", text):
        candidates = sorted(runs.glob(f"*/{text}*/{record.RUN_FILE}"))
    existing = [path for path in candidates if os.path.lexists(path)]
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

    (a, wa, ra), (b, wb, rb) = read_steps(first), read_steps(second)
    n = min(len(a), len(b), steps or len(a))
    noted = len(wa) >= n > 0 and len(wb) >= n
    other: Any = np.flatnonzero(wa[:n] != wb[:n]) if noted else []
    k = min(n, len(ra), len(rb))
    rates = np.flatnonzero(ra[:k] != rb[:k])
    found = Losses(
        n,
        None,
        first_weights=int(other[0]) if len(other) else None,
        weights_noted=noted,
        rates=(int(rates[0]), float(ra[rates[0]]), float(rb[rates[0]])) if len(rates) else None,
    )
    different = np.flatnonzero(a[:n].view(np.int32) != b[:n].view(np.int32))
    if not len(different):
        return found
    step = int(different[0])
    one, two = float(a[step]), float(b[step])
    ulp = ulp_distance(a[step], b[step])
    return dataclasses.replace(found, first_difference=step, first=one, second=two, ulp=ulp)


def ulp_distance(a: Any, b: Any) -> int:
    """How many float32 numbers lie between two, counting one end: 1 for neighbours."""
    import numpy as np

    return int(ulp_distances(np.array([a], np.float32), np.array([b], np.float32))[0])


def ulp_distances(a: Any, b: Any, dtype: str = "float32") -> Any:
    """`ulp_distance` of every pair in two arrays [n] of float16, float32, float64, or bfloat16 held as float32."""
    import numpy as np

    bits = 16 if dtype == "bfloat16" else a.itemsize * 8

    def places(values: Any) -> Any:
        whole: Any = np.ascontiguousarray(values).view(f"i{values.itemsize}").astype(np.int64)
        whole = whole >> 16 if dtype == "bfloat16" else whole
        magnitude = whole & ((1 << (bits - 1)) - 1)
        return np.where(whole >= 0, magnitude, -magnitude).astype(object if bits == 64 else np.int64)

    return np.abs(places(a) - places(b))
