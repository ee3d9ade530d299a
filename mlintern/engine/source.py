"""The engine's own code as a fact of a run: which files compute a result, and their hashes.

The commit names them too, but a record may be made from a container or a copy without git, and of two commits it does
not say whether anything that matters lies between them. ENGINE_VERSION says which bits are promised; these hashes say
by what code they were made, and `certified.json` which code the golden runs have shown to make the same.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError

_PACKAGE = Path(__file__).resolve().parents[1]
_COMPUTING = ("engine", "data", "core/streams")
"""Rooms of mlintern whose code is between the raw data and a cell's weights and metrics."""
CERTIFIED_FILE = Path(__file__).with_name("certified.json")
"""{ENGINE_VERSION: [`source_hash` of code under which the golden suite passed]}; `make certify` adds to it."""


@functools.cache
def source_sha256(packages: tuple[str, ...] = _COMPUTING) -> dict[str, str]:
    """{path: first digits of its sha256} of every file of code in these packages; line endings do not count."""
    paths = sorted(path for package in packages for path in (_PACKAGE / package).rglob("*.py"))
    return {path.relative_to(_PACKAGE.parent).as_posix(): _digest(path) for path in paths}


def source_hash(files: Mapping[str, str] | None = None) -> str:
    """One hash over a record's `engine.files`, or over the engine as it is now."""
    lines = sorted((source_sha256() if files is None else files).items())
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in lines).encode()).hexdigest()


@functools.cache
def certified() -> dict[str, list[str]]:
    """{ENGINE_VERSION: hashes} of engine code that makes the same bits."""
    try:
        value = json.loads(CERTIFIED_FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{CERTIFIED_FILE}: not readable ({error}); restore it, or run `make certify`") from None
    if not isinstance(value, dict) or not all(isinstance(hashes, list) for hashes in value.values()):
        raise UserError(f"{CERTIFIED_FILE}: holds no lists of hashes; restore it, or run `make certify`")
    return value


def same_bits(engine: Mapping[str, Any] | None, version: int) -> bool:
    """Does the code that a record's `engine` names give the bits of the present one: is it the same, or are both
    certified? Records that name no code do not show it."""
    if not engine or engine.get("version") != version or not engine.get("files"):
        return False
    return is_equal(source_hash(engine["files"]), version)


def is_equal(then: str, version: int) -> bool:
    """Is code of that hash the present one, or are both certified to make the same bits?"""
    now = source_hash()
    return then == now or {then, now} <= set(certified().get(str(version), []))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:16]
