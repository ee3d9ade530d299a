"""From files on disk to a `Subject`: tables, npz archives, image folders and Hugging Face dataset folders."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlintern.audit.inputs.frames import subject_from_arrays, subject_from_frames
from mlintern.audit.inputs.stream import LARGE_SHARE, column_of, mapped_array, streams_of, streams_of_rows
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.report.options import AuditOptions
from mlintern.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Roles = Mapping[str, str | None]

PART_NAMES = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
}
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
_SIDE_KEYS = {"groups": "groups", "group": "groups", "times": "times", "time": "times"}


def read_table(path: Path) -> "pd.DataFrame":
    """A .parquet, .csv, .tsv, .feather or .jsonl table; raises UserError that names the file."""
    import pandas as pd
    import pyarrow

    if not path.exists():
        raise UserError(f"{path}: no such file")
    suffix = path.suffix.lower()
    try:
        if suffix in (".parquet", ".pq"):
            return pd.read_parquet(path)
        if suffix in (".csv", ".tsv", ".txt"):
            return pd.read_csv(path, sep="\t" if suffix == ".tsv" else ",")
        if suffix == ".feather":
            return pd.read_feather(path)
        if suffix in (".jsonl", ".ndjson"):
            return pd.read_json(path, lines=True)
    except pd.errors.EmptyDataError:
        raise UserError(f"{path}: the file is empty") from None
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise UserError(f"{path}: not readable as a {suffix[1:]} table ({error})") from None
    raise UserError(f"{path}: cannot read {suffix or 'a file without suffix'}; give .parquet, .csv, .feather or .jsonl")


def subject_from_tables(paths: Mapping[str, Path], roles: Roles, options: AuditOptions) -> Subject:
    """One file per part."""
    where = {part: str(path) for part, path in paths.items()}
    streams = streams_of({part: [path] for part, path in paths.items()}, _taken(roles), options.memory_bytes(), where)
    if streams is not None:
        frames = {part: stream.others() for part, stream in streams.items()}
        return subject_from_frames(frames, roles, options, where=where, streams=streams)
    frames = {part: read_table(path) for part, path in paths.items()}
    return subject_from_frames(frames, roles, options, where=where)


def _taken(roles: Roles) -> list[str]:
    return [column for column in roles.values() if column]


def subject_from_path(path: Path, roles: Roles, options: AuditOptions, split_column: str | None = None) -> Subject:
    """One file or folder that holds all parts."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if path.is_dir():
        if (path / "dataset_dict.json").exists():
            return _from_dataset_folder(path, roles, options)
        files = _part_files(path)
        if files:
            return _from_part_files(path, files, roles, options)
        _refuse_columns(path, roles, "a folder of images has no columns")
        return _from_image_folder(path, options)
    if path.suffix.lower() == ".npz":
        _refuse_columns(path, roles, "an .npz has no named columns; add groups_train, times_train and so on to it")
        return _from_npz(path, options)
    if not split_column:
        raise UserError(f"{path}: which rows are train and which are test? Give --split-column, or --train and --test")
    return _from_split_column(path, roles, options, split_column)


def _refuse_columns(path: Path, roles: Roles, reason: str) -> None:
    """Raises UserError where a column was named for data that have none: it would be left out in silence."""
    for role, column in roles.items():
        if column:
            raise UserError(f"{path}: --{role} {column} cannot be used, {reason}")


def _part_files(path: Path) -> dict[str, list[Path]]:
    """Parquet files of each part in a dataset folder as the hub has it: data/train-00000-of-00001.parquet."""
    found: dict[str, list[Path]] = {}
    for file in sorted(path.rglob("*.parquet")):
        part = PART_NAMES.get(re.split(r"[-_.]", file.name)[0].lower())
        if part is not None:
            found.setdefault(part, []).append(file)
    return found


def _from_part_files(path: Path, files: Mapping[str, list[Path]], roles: Roles, options: AuditOptions) -> Subject:
    """Shards of one table per part; a column of encoded pictures is the image unless another is named."""
    import pandas as pd

    for part in ("train", "test"):
        if part not in files:
            raise UserError(f"{path}: no {part}*.parquet; it has {', '.join(sorted(files))}")
    where = {part: f"{path}/{part}" for part in files}
    streams = streams_of(files, [*_taken(roles), "label"], options.memory_bytes(), where)
    if streams is not None:
        frames = {part: stream.others() for part, stream in streams.items()}
    else:
        frames = {part: pd.concat(map(read_table, shards), ignore_index=True) for part, shards in files.items()}
    train, roles = frames["train"], dict(roles)
    if not roles.get("label") and "label" in train.columns:
        roles["label"] = "label"
    pictures = [c for c in train.columns if len(train) and isinstance(v := train[c].iloc[0], dict) and "bytes" in v]
    if not roles.get("image") and pictures:
        roles["image"] = pictures[0]
    # rows were counted part by part, so their numbers are no places in one file
    frames = {part: frame.set_axis([f"{part}/{i}" for i in range(len(frame))]) for part, frame in frames.items()}
    return subject_from_frames(frames, roles, options, where=where, streams=streams)


def _from_split_column(path: Path, roles: Roles, options: AuditOptions, split_column: str) -> Subject:
    import pandas as pd

    memory = options.memory_bytes()
    table, held = None, column_of(path, split_column, memory)
    if held is None:
        table = read_table(path)
        if split_column not in table.columns:
            raise UserError(
                f"{path}: no column {split_column!r} for --split-column; it has {', '.join(table.columns[:12])}"
            )
    marks = pd.Series(held) if table is None else table[split_column].reset_index(drop=True)
    parts = marks.astype(str).str.strip().str.lower().map(PART_NAMES)
    unknown = sorted(marks[parts.isna()].astype(str).unique())
    if unknown:
        raise UserError(f"{path}: column {split_column!r} holds {unknown[0]!r}; use train, valid and test")
    positions = {part: np.flatnonzero((parts == part).to_numpy()) for part in ("train", "test", "valid")}
    for part in ("train", "test"):
        if not len(positions[part]):
            raise UserError(f"{path}: column {split_column!r} marks no row as {part}")
    positions = {part: rows for part, rows in positions.items() if len(rows)}
    streams = None
    if table is None:
        values = {part: marks.iloc[rows].unique().tolist() for part, rows in positions.items()}
        streams = streams_of_rows(path, split_column, values, _taken(roles), memory)
        table = read_table(path) if streams is None else None
    if streams is not None:
        frames = {part: stream.others().set_axis(positions[part]) for part, stream in streams.items()}
    else:
        frames = {part: table.iloc[rows] for part, rows in positions.items()}  # type: ignore[union-attr]
    frames = {part: frame.drop(columns=split_column) for part, frame in frames.items()}
    where = dict.fromkeys(frames, str(path))
    return subject_from_frames(frames, roles, options, where=where, positions=positions, streams=streams)


def read_npz(path: Path, memory: int) -> dict[str, np.ndarray]:
    """The arrays of an .npz, those of more than an eighth of `memory` bytes in mapped files; pickled objects are
    refused. Raises UserError that names the file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            large = {
                info.filename
                for info in archive.zip.infolist()
                if info.file_size * LARGE_SHARE > memory and info.filename.endswith(".npy")
            }
            return {
                name: mapped_array(archive.zip, f"{name}.npy", str(path)) if f"{name}.npy" in large else archive[name]
                for name in archive.files
            }
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise UserError(
                f"{path}: it holds pickled objects, which could run code when read; save plain number or string arrays"
            ) from None
        raise UserError(f"{path}: not readable as npz ({error})") from None
    except (OSError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise UserError(f"{path}: not readable as npz ({error})") from None


def _from_npz(path: Path, options: AuditOptions) -> Subject:
    arrays = read_npz(path, options.memory_bytes())
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    side: dict[str, dict[str, np.ndarray]] = {}
    for name, part in PART_NAMES.items():
        x, y = (_either(arrays, f"{letter}_{name}", f"{letter.upper()}_{name}") for letter in "xy")
        if x is None and y is None:
            continue
        if x is None or y is None:
            raise UserError(
                f"{path}: it has {'y' if x is None else 'x'}_{name} without {'x' if x is None else 'y'}_{name}"
            )
        if x.ndim == 0 or y.ndim == 0:
            raise UserError(f"{path}: x_{name} and y_{name} must have one entry per row")
        parts[part] = (x if x.ndim > 1 or x.dtype.kind in "US" else x[:, None], y)
        side[part] = {field: arrays[f"{key}_{name}"] for key, field in _SIDE_KEYS.items() if f"{key}_{name}" in arrays}
    missing = [name for name in ("train", "test") if name not in parts]
    if missing:
        raise UserError(
            f"{path}: no x_{missing[0]} and y_{missing[0]}; it has {', '.join(arrays) or 'no arrays'} "
            "(x_train, y_train, x_test and y_test are needed)"
        )
    return subject_from_arrays(parts, options, columns=side)


def _either(arrays: Mapping[str, np.ndarray], *names: str) -> np.ndarray | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _from_image_folder(path: Path, options: AuditOptions) -> Subject:
    """train/<class>/*.png, test/<class>/*.png and so on."""
    from mlintern.audit.inputs.images import decode, one_size

    files: dict[str, list[tuple[Path, str]]] = {}
    for folder in sorted(p for p in path.iterdir() if p.is_dir()):
        part = PART_NAMES.get(folder.name.lower())
        if part is None:
            continue
        files[part] = [
            (file, kind.name)
            for kind in sorted(p for p in folder.iterdir() if p.is_dir())
            for file in sorted(kind.rglob("*"))
            if file.suffix.lower() in _PICTURES
        ]
    for part in ("train", "test"):
        if not files.get(part):
            raise UserError(f"{path}: no images in {part}/<class>/; a folder of images or a saved dataset is expected")
    joint = one_size(decode(file, str(file)) for listed in files.values() for file, _ in listed)
    bounds = np.cumsum([0, *map(len, files.values())])
    parts, side = {}, {}
    metadata: dict[str, dict[str, np.ndarray]] = {}
    for index, (part, listed) in enumerate(files.items()):
        if listed:
            parts[part] = (joint[bounds[index] : bounds[index + 1]], np.array([kind for _, kind in listed]))
            side[part] = {"sources": np.array([str(file.relative_to(path)) for file, _ in listed])}
            # the class stands in the folder's name by construction, so only the file's own name is metadata
            metadata[part] = {"file name": np.array([file.name for file, _ in listed], dtype=object)}
    return subject_from_arrays(parts, options, columns=side, modality="image", metadata=metadata)


def _from_dataset_folder(path: Path, roles: Roles, options: AuditOptions) -> Subject:
    """A DatasetDict that `datasets` saved to disk."""
    import datasets

    try:
        saved: Any = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not readable as a saved dataset ({error})") from None
    parts: dict[str, Any] = {}
    for name, dataset in saved.items():
        part = PART_NAMES.get(str(name).lower())
        if part is not None:
            parts[part] = dataset
    for part in ("train", "test"):
        if part not in parts:
            raise UserError(f"{path}: no {part} split; it has {', '.join(map(str, saved))}")
    roles = dict(roles)
    columns = parts["train"].features
    if not roles.get("label") and "label" in columns:
        roles["label"] = "label"
    pictures = [name for name, kind in columns.items() if isinstance(kind, datasets.Image)]
    if not roles.get("image") and pictures:
        roles["image"] = pictures[0]
    for name in pictures:
        parts = {part: dataset.cast_column(name, datasets.Image(decode=False)) for part, dataset in parts.items()}
    frames = {part: dataset.to_pandas() for part, dataset in parts.items()}
    return subject_from_frames(frames, roles, options, where={part: f"{path}/{part}" for part in frames})
