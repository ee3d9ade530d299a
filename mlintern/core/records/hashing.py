"""Hashes that are the same on every machine: of values in canonical form, and of files, each looked at once."""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from mlintern.core.errors import Damaged, UserError
from mlintern.core.plain import open_plain

MOST_FILE_BYTES = 1 << 40


def canonical(value: Any, where: str = "config") -> Any:
    """`value` in the one form that hashes the same everywhere; what has none is refused, never str()-ed."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UserError(f"{where}={value}: a NaN or infinite value cannot be part of a cell's id")
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise UserError(f"{where}: the key {key!r} is not a string, so the cell has no stable id")
        return {key: canonical(value[key], f"{where}.{key}") for key in sorted(value)}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [canonical(item, f"{where}[{i}]") for i, item in enumerate(value)]
    raise UserError(f"{where}: a {type(value).__name__} has no stable hash; use numbers, strings, lists and mappings")


def stable_hash(value: Any, where: str = "config") -> str:
    """sha256 (hex) of the canonical JSON form of `value`; the same on every machine and Python."""
    text = json.dumps(canonical(value, where), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


_SEEN: dict[tuple[int, ...], str] = {}


def file_sha256(path: Path, mend: str = "remove it and run again") -> str:
    """sha256 of a plain file, never through a link; a file is read once, until the system says that it changed.

    Raises Damaged (Absent) where it cannot be read.
    """
    with open_plain(path, MOST_FILE_BYTES, mend=mend) as handle:
        key = _state(handle.fileno())
        if key not in _SEEN:
            try:
                found = _digest(handle)
            except OSError as error:
                raise Damaged(f"{path}: cannot be read ({error.strerror}); {mend}") from None
            if _state(handle.fileno()) != key:
                return found
            _SEEN[key] = found
        return _SEEN[key]


def _digest(handle: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := handle.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def _state(descriptor: int) -> tuple[int, ...]:
    """What changes when a file does; the time of the last change cannot be set back by whoever changes it."""
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
