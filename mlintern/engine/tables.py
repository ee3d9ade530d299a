"""Tables: what the processes of a pack's code may read of the data, written by the trusted side.

Inputs of every part, ready for the model, and the targets of train and valid. The rows of test come in an order of
their own, keyed by the data's content, so that their place in the published part says nothing: what is sorted by class
there is not here. Nothing in a table says which row is whose.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlintern.core import files
from mlintern.core.streams import seeding
from mlintern.data.prepare import load_parts, make_splits
from mlintern.data.splits import Splits
from mlintern.engine.config import CellConfig
from mlintern.engine.instantiate import build
from mlintern.engine.rows import Rows
from mlintern.engine.trusted import is_trusted

SEEN = ("train", "valid")
"""Parts that training sees."""


def load_splits(config: CellConfig, folder: Path, packs_code: bool = True) -> Splits:
    """The splits of a config, from its prepared data; without `packs_code`, view and preprocessing of the pack's own
    are left out."""
    data = config.data

    def made(group: str, said: Mapping[str, Any] | None) -> Any:
        return build(said, f"data.{group}") if said and (packs_code or is_trusted(said)) else None

    return make_splits(
        data.name,
        load_parts(folder),
        config.protocol,
        preprocessor=made("preprocess", data.preprocess),
        view=made("view", data.view),
        classes=data.classes,
        train_size=data.train_size,
        label_noise=data.label_noise,
    )


def order_of_test(splits: Splits) -> np.ndarray:
    """The published place [n] of every row of the test table."""
    return seeding.generator(0, "test-order", splits.test.fingerprint()).permutation(len(splits.test))


@dataclasses.dataclass(frozen=True)
class Paths:
    """Where the tables of one dataset under one protocol are."""

    folder: Path

    def inputs(self, part: str) -> Path:
        return self.folder / f"{part}.inputs.npy"

    def targets(self, part: str) -> Path:
        return self.folder / f"{part}.targets.npy"

    def annotations(self, part: str) -> Path:
        return self.folder / f"{part}.annotations.npy"

    def raw(self, part: str) -> Path:
        """Features before a view or preprocessing of the pack's own."""
        return self.folder / f"{part}.raw.npy"


def save(path: Path, values: np.ndarray) -> None:
    """One array, whole or not at all."""
    with files.atomic_path(path) as draft, open(draft, "wb") as handle:
        np.save(handle, values, allow_pickle=False)


def save_all(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Named arrays, whole or not at all."""
    with files.atomic_path(path) as draft, open(draft, "wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]


def read(path: Path) -> np.ndarray:
    """One array, mapped into memory; changes to it are the process's own."""
    return np.load(path, mmap_mode="c", allow_pickle=False)


def read_rows(paths: Paths, parts: Sequence[str], top: int | None) -> dict[str, Rows]:
    """{part: rows} of the tables whose targets are there to read; `top` as in Rows."""
    found = {}
    for part in parts:
        notes = paths.annotations(part)
        annotations = read(notes) if notes.exists() else None
        found[part] = Rows(read(paths.inputs(part)), read(paths.targets(part)), annotations, top)
    return found
