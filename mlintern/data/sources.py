"""Sources that come with the tool: Hugging Face datasets, and local csv, parquet and npz files.

Each is a `DatasetSource` (config key `data.source`): called without arguments it gives the published parts as raw
arrays. What they need is imported when they are called.
"""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlintern.core.errors import UserError

_REVISION = re.compile(r"[0-9a-f]{40}")


def _arrays(table: Mapping[str, Any], where: str, columns: "Columns") -> dict[str, Any]:
    """Pick features, labels and the optional columns out of {column: array}."""
    optional = {"ids": columns.ids, "groups": columns.groups, "times": columns.times, "sources": columns.sources}
    named = {name: column for name, column in optional.items() if column is not None}
    for column in [columns.label, *(columns.features or []), *named.values()]:
        if column not in table:
            raise UserError(f"{where}: no column {column!r}; it has {', '.join(map(repr, table))}")
    taken = {columns.label, *named.values()}
    features = columns.features or [name for name in table if name not in taken]
    blocks = [np.asarray(table[name]) for name in features]
    for name, block in zip(features, blocks, strict=True):
        if block.dtype.kind not in "biuf":
            raise UserError(
                f"{where}: column {name!r} is not numeric ({block.dtype}); name the columns in data.source.features"
            )
    joined = blocks[0] if len(blocks) == 1 else np.stack(blocks, axis=1)
    return {
        "features": joined,
        "labels": np.asarray(table[columns.label]),
        **{name: np.asarray(table[column]).astype(str) for name, column in named.items()},
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns are what."""

    label: str
    features: list[str] | None = None
    """Feature columns; by default all columns that are not named otherwise."""
    ids: str | None = None
    groups: str | None = None
    times: str | None = None
    sources: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class HuggingFace(Columns):
    """A dataset of the Hugging Face hub at a pinned revision, or one saved to a folder on disk."""

    path: str
    """Hub id (`owner/name`) or a folder written by `save_to_disk`."""
    revision: str | None = None
    """Commit hash of the hub's repository (40 hex digits); required for a hub id."""
    config_name: str | None = None
    parts: dict[str, str] = dataclasses.field(default_factory=lambda: {"train": "train", "test": "test"})
    """{our part: the dataset's split}."""

    def __call__(self) -> dict[str, dict[str, Any]]:
        import datasets

        folder = Path(self.path)
        if folder.is_dir():
            loaded = datasets.load_from_disk(str(folder))
        else:
            if self.revision is None or not _REVISION.fullmatch(self.revision):
                raise UserError(
                    f"data.source.revision={self.revision}: {self.path} is a hub dataset and must be pinned "
                    "to a commit (40 hex digits, from its page's history); branches and tags move"
                )
            try:
                loaded = datasets.load_dataset(self.path, self.config_name, revision=self.revision)
            except (OSError, ValueError, RuntimeError) as error:  # not there, not reachable, not readable
                reason = " ".join(str(error).split())
                raise UserError(
                    f"data.source.path={self.path}: not to be had from the hub ({reason}); check the id, the revision "
                    "and the network"
                ) from error
        if not isinstance(loaded, datasets.DatasetDict):
            raise UserError(f"data.source.path={self.path}: has no splits; save it as a DatasetDict")
        parts = {}
        for part, split in self.parts.items():
            if split not in loaded:
                raise UserError(f"data.source.parts.{part}={split}: {self.path} has the splits {', '.join(loaded)}")
            columns = loaded[split].with_format("numpy")
            parts[part] = _arrays(
                {name: columns[name][:] for name in columns.column_names}, f"{self.path}[{split}]", self
            )
        return parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tables(Columns):
    """One csv or parquet file per part."""

    files: dict[str, str]
    """{part: path}; the ending says the format."""

    def __call__(self) -> dict[str, dict[str, Any]]:
        import pandas as pd

        parts = {}
        for part, name in self.files.items():
            path = Path(name)
            try:
                frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
            except FileNotFoundError:
                raise UserError(f"data.source.files.{part}={name}: no such file") from None
            except (ValueError, OSError) as error:
                raise UserError(f"data.source.files.{part}={name}: not readable as a table ({error})") from None
            parts[part] = _arrays({column: frame[column].to_numpy() for column in frame}, name, self)
        return parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Npz:
    """A numpy archive with x_train, y_train, x_test, y_test (x_valid and y_valid, if there is a hold-out)."""

    path: str

    def __call__(self) -> dict[str, dict[str, Any]]:
        import zipfile

        parts = {}
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                for part in ("train", "valid", "test"):
                    if f"x_{part}" in archive:
                        parts[part] = {"features": archive[f"x_{part}"], "labels": archive[f"y_{part}"]}
        except FileNotFoundError:
            raise UserError(f"data.source.path={self.path}: no such file") from None
        except KeyError as error:
            raise UserError(f"data.source.path={self.path}: {error.args[0]}") from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"data.source.path={self.path}: not a plain numpy archive ({error})") from None
        if not {"train", "test"} <= set(parts):
            raise UserError(f"data.source.path={self.path}: needs the arrays x_train, y_train, x_test and y_test")
        return parts
