"""Installed files that are not what their package brought: an edit in site-packages changes no version.

Every wheel lists its files with their sha256 (RECORD, PEP 627). Looked at are the Python files that this process has
imported, by content, and the compiled ones, by size: all that could have computed anything, in a fraction of a second.
"""

import base64
import functools
import hashlib
import sys
from importlib import metadata
from pathlib import Path


@functools.lru_cache(maxsize=2)
def modified(loaded: frozenset[str] | None = None) -> tuple[tuple[str, str], ...]:
    """(file below site-packages, first digits of its sha256) of every imported file that is not as it was installed.

    An editable install's own finder is written at install time and is left out. `loaded` are the files to look at; by
    default those of all imported modules, as they are at the first call.
    """
    files = loaded if loaded is not None else imported()
    by_root: dict[str, dict[str, str]] = {}
    found = []
    for distribution in metadata.distributions():
        root = str(distribution.locate_file("")).rstrip("/") + "/"
        if root not in by_root:
            by_root[root] = {path.removeprefix(root): path for path in files if path.startswith(root)}
        below = by_root[root]
        text = distribution.read_text("RECORD") if below else None
        for line in (text or "").splitlines():
            name, listed, rest = line.partition(",sha256=")
            if listed and name in below and not name.startswith("__editable__"):
                digest, _, size = rest.rpartition(",")
                have = _unlike(Path(below[name]), digest, size)
                if have is not None:
                    found.append((name, have))
    return tuple(sorted(found))


def imported() -> frozenset[str]:
    """The files of all modules that this process has imported."""
    return frozenset(str(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None)))


def _unlike(path: Path, digest: str, size: str) -> str | None:
    """None where the file is as listed, else what it is now."""
    try:
        if path.suffix != ".py":
            now = path.stat().st_size
            return None if not size or now == int(size) else f"{now} bytes"
        content = path.read_bytes()
    except OSError:
        return "missing"
    found = hashlib.sha256(content)
    same = base64.urlsafe_b64encode(found.digest()).rstrip(b"=").decode() == digest
    return None if same else found.hexdigest()[:16]
