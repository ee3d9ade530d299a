"""Prepare: build a dataset once, write it where DVC tracks it, and load it again with its fingerprint checked.

The prepared folder holds one plain numpy archive per part and `dataset.json` with the fingerprints; equal data give
equal bytes on every machine.
"""

import functools
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlintern.core import files, plain
from mlintern.core.errors import Absent, Damaged, UserError
from mlintern.core.records import packed, sealed
from mlintern.core.streams import seeding
from mlintern.data.protocol import EvaluationProtocol
from mlintern.data.splits import PARTS, Examples, Preprocessor, Splits, applied
from mlintern.data.training import LabelNoise, fewer

DATASET_FILE = "dataset.json"
MOST_BYTES = 1 << 40
_MEND = "it is not what was prepared; delete it and run again to rebuild it"


def as_examples(part: str, columns: Mapping[str, Any]) -> Examples:
    """Check what a source gave for one part and make it Examples; without ids, the row number makes them."""
    unknown = set(columns) - set(Examples.__dataclass_fields__)
    if unknown or not {"features", "labels"} <= set(columns):
        raise UserError(
            f"data.source: part {part!r} must hold features and labels, and may hold ids, groups, times, sources and "
            "annotations"
        )
    features, labels = np.asarray(columns["features"]), np.asarray(columns["labels"])
    n = len(features)
    given = columns.get("ids")
    ids = np.array([f"{part}-{i:07d}" for i in range(n)]) if given is None else np.asarray(given).astype(str)
    optional = ("groups", "times", "sources", "annotations")
    rest = {name: np.asarray(columns[name]) for name in optional if columns.get(name) is not None}
    rest = {name: _as_text(column) for name, column in rest.items()}
    for name, column in {"features": features, "labels": labels, **rest}.items():
        if column.dtype.hasobject or (name == "labels" and column.dtype.kind not in "biuf"):
            raise UserError(
                f"data.source: part {part!r} has {name} of type {column.dtype}; give "
                + ("class indices from 0, or numbers" if name == "labels" else "numbers, without None and ragged rows")
            )
    for name, column in {"labels": labels, "ids": ids, **rest}.items():
        if len(column) != n:
            raise UserError(f"data.source: part {part!r} has {n} features but {len(column)} {name}")
    if n == 0:
        raise UserError(f"data.source: part {part!r} is empty")
    if features.dtype.kind == "f" and not np.isfinite(features).all():
        raise UserError(f"data.source: part {part!r} has NaN or infinite features; clean or impute them in the source")
    return Examples(ids=ids, features=features, labels=labels, **rest)


def _as_text(column: np.ndarray) -> np.ndarray:
    """A column of Python's strings, as tables give them, as numpy's."""
    text = column.dtype.hasobject and column.ndim == 1 and all(isinstance(value, str) for value in column)
    return column.astype(str) if text else column


def prepare(source: Callable[[], Mapping[str, Mapping[str, Any]]], folder: Path, seed: int = 0) -> dict[str, str]:
    """Build the dataset into `folder`; returns {part: sha256 of its content}. A half-built folder is never valid.

    Packages that draw from numpy's or Python's global generators get the `data` stream for the time of the call.
    """
    with seeding.legacy_globals(seed, "data"):
        given = source()
    parts = {part: as_examples(part, columns) for part, columns in given.items()}
    if not {"train", "test"} <= set(parts) <= set(PARTS):
        raise UserError(f"data.source: gave the parts {sorted(parts)}; it must give train and test, and may give valid")
    everyone = np.concatenate([part.ids for part in parts.values()])
    if len(np.unique(everyone)) != len(everyone):
        raise UserError(
            "data.source: example ids are not unique over all parts; make them so (prefix them by part, say)"
        )
    for name, part in parts.items():
        arrays = {column: values for column, values in part.columns().items() if values is not None}
        with files.atomic_path(folder / f"{name}.npz") as draft, open(draft, "wb") as handle:
            np.savez(handle, **arrays)  # type: ignore[arg-type]
    found = {name: part.fingerprint() for name, part in parts.items()}
    sealed.write(folder / DATASET_FILE, {"parts": found, "rows": {n: len(p) for n, p in parts.items()}})
    return found


def load_parts(folder: Path) -> dict[str, Examples]:
    """Read a prepared folder; raises UserError naming the file if a byte of it is not what was prepared."""
    parts = {}
    for name, fingerprint in fingerprints(folder).items():
        path = folder / f"{name}.npz"
        try:
            with plain.open_plain(path, MOST_BYTES, mend=_MEND) as handle:
                part = Examples(**packed.arrays(handle, path, _MEND))
            found = part.fingerprint()
        except Absent:
            raise Absent(f"{path}: missing; run again to rebuild it") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"{path}: not readable ({error}); {_MEND}") from None
        if found != fingerprint:
            raise UserError(f"{path}: content does not match its fingerprint in {DATASET_FILE}; {_MEND}")
        parts[name] = part
    return parts


def fingerprints(folder: Path) -> dict[str, str]:
    """{part: sha256 of its content} as prepared; raises Damaged where dataset.json is not as it was written."""
    path = folder / DATASET_FILE
    parts: dict[str, str] = sealed.read(path, _shape(), _MEND)["parts"]
    if not {"train", "test"} <= set(parts) <= set(PARTS):
        raise Damaged(f"{path}: names no train and test part; {_MEND}")
    return parts


@functools.cache
def _shape() -> type[sealed.Shape]:
    from mlintern.core.records.record_shape import Sha256

    class DatasetFile(sealed.Shape):
        parts: dict[str, Sha256]

    return DatasetFile


def is_prepared(folder: Path) -> bool:
    """Are all files of a prepared dataset there? (Their content is checked when they are loaded.)"""
    if not os.path.lexists(folder / DATASET_FILE):
        return False
    return all((folder / f"{name}.npz").is_file() for name in fingerprints(folder))


def is_classes(labels: np.ndarray) -> bool:
    """Are these labels [n] classes, rather than numbers or many per example?"""
    return labels.ndim == 1 and labels.dtype.kind in "iubUS"


def hold_out(part: Examples, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """Split a part into (kept, held out): stratified by class, the same rows for the same seed, order of rows kept.

    With groups, whole groups are held out, so that nobody is on both sides.
    """
    if part.groups is not None:
        names = np.unique(part.groups)
        chosen = seeding.generator(seed, "hold-out").permutation(names)[: max(1, round(fraction * len(names)))]
        held = np.isin(part.groups, chosen)
    else:
        held = np.zeros(len(part), dtype=bool)
        strata = part.labels if is_classes(part.labels) else np.zeros(len(part))
        values, sizes = np.unique(strata, return_counts=True)
        counts = np.round(fraction * sizes).astype(int)
        if not counts.any():  # classes so small that each rounds to nothing: one each from as many as it takes
            counts[: max(1, round(fraction * len(part)))] = 1
        for i, (value, count) in enumerate(zip(values, counts, strict=True)):
            rows = np.flatnonzero(strata == value)
            held[seeding.generator(seed, "hold-out", i).permutation(rows)[:count]] = True
    if not held.any() or held.all():
        raise UserError(f"protocol.valid_fraction={fraction}: leaves no example on one side of {len(part)}")
    return part.take(np.flatnonzero(~held)), part.take(np.flatnonzero(held))


def check_hold_out(kept: Examples, held: Examples, fraction: float, classes: int | None) -> None:
    """Refuse a hold-out that can choose nothing: one example, fewer than the classes, or none of a class that has ten.

    With groups, which are held out whole, only the number of examples is looked at.
    """
    key, n = f"protocol.valid_fraction={fraction}", len(kept) + len(held)
    by_class = held.groups is None and is_classes(held.labels)
    labels = np.concatenate([kept.labels, held.labels]) if by_class else np.zeros(n)
    values, sizes = np.unique(labels, return_counts=True)
    fewest = max(2, classes or 0) if by_class else 2
    enough = _rounded_up(max(fewest / n, *(1 / size for size in sizes if size >= 10), 0))
    give = f"give {enough} or more, or use protocol=last" if enough < 1 else "use protocol=last"
    if len(held) < fewest:
        why = f"fewer than there are classes ({fewest})" if fewest > 2 else "and no checkpoint can be chosen on so few"
        raise UserError(f"{key}: of {n} training examples it holds out {len(held)}, {why}; {give}")
    for value, size in zip(values, sizes, strict=True) if by_class else ():
        if size >= 10 and not (held.labels == value).any():
            raise UserError(f"{key}: leaves none of the {size} examples of class {value} for validation; {give}")
        if size >= 10 and not (kept.labels == value).any():
            raise UserError(f"{key}: leaves none of the {size} examples of class {value} for training; give less")


def _rounded_up(share: float) -> float:
    """A share in three decimals or more that is not below `share`, to be typed."""
    digits = 3
    while math.ceil(share * 10**digits) / 10**digits > 1.2 * share:
        digits += 1
    return math.ceil(share * 10**digits) / 10**digits


def make_splits(
    name: str,
    parts: Mapping[str, Examples],
    protocol: EvaluationProtocol,
    *,
    preprocessor: Preprocessor | None = None,
    view: Callable[[np.ndarray], np.ndarray] | None = None,
    classes: int | None = None,
    train_size: int | None = None,
    label_noise: LabelNoise | None = None,
) -> Splits:
    """The splits of one dataset under one protocol: raw features, preprocessing not yet fitted.

    Of the published training part `train_size` examples are kept, then labels are made wrong by `label_noise`, then a
    hold-out is taken.
    """
    import dataclasses

    parts = dict(parts)
    if train_size is not None:
        parts["train"] = fewer(parts["train"], train_size)
    if label_noise is not None:
        count = classes or 1 + max(int(part.labels.max()) for part in parts.values())
        parts = {name: label_noise.applied(name, part, count) for name, part in parts.items()}
    seen = parts
    if view is not None:
        seen = {
            part: dataclasses.replace(it, features=applied(view, view, "data.view", it.features))
            for part, it in parts.items()
        }
    train, valid = seen["train"], seen.get("valid")
    if protocol.valid_fraction and valid is None:
        train, valid = hold_out(train, protocol.valid_fraction, protocol.split_seed)
        check_hold_out(train, valid, protocol.valid_fraction, classes)
    elif valid is not None and len(valid) < 2 and protocol.select_on == "valid":
        raise UserError(
            "data.source: the part valid has one example, and a checkpoint cannot be chosen on it; give more, or leave "
            "the part out (protocol.valid_fraction then holds one out)"
        )
    return Splits(
        name=name,
        train=train,
        valid=valid,
        test=seen["test"],
        preprocessor=preprocessor,
        fit_on=tuple(part for part in protocol.fit_on if part != "valid" or valid is not None),
        classes=classes,
    )
