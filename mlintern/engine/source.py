"""The engine's own code as a fact of a run: which files compute a result, and their hashes.

The commit names them too, but a record may be made from a container or a copy without git, and of two commits it does
not say whether anything that matters lies between them.
"""

import functools
import hashlib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_COMPUTING = ("engine", "data")
"""Packages of mlintern whose code is between the raw data and a cell's weights."""


@functools.cache
def source_sha256() -> dict[str, str]:
    """{path: first digits of its sha256} of every such file; line endings do not count."""
    paths = sorted(path for package in _COMPUTING for path in (_PACKAGE / package).glob("*.py"))
    return {path.relative_to(_PACKAGE.parent).as_posix(): _digest(path) for path in paths}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:16]
