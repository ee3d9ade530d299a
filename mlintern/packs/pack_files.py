"""What of a pack's folder counts: every visible plain file, found without following a link, within bounds.

Left out is what cannot matter, because a study's snapshot does not hold it either: bytecode caches, hidden files (an
editor's swap file must not make a study anew) and an editor's backups.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from mlintern.core.errors import UserError

MOST_FILES = 4096
MOST_BYTES = 256 << 20
_TEXT = (".py", ".yaml", ".yml")
"""Files in which line endings do not count."""
_SAYING = ("spec.yaml", "provenance.yaml", "composed.yaml")
"""Files that say what a pack is; with conf/, all that is not code or read by code."""


def counted_files(folder: Path, shown: str) -> dict[str, Path]:
    """{path in the folder: file}, sorted. `shown` is what messages call the folder.

    Raises UserError for what is no plain file, and for more than a pack can be.
    """
    found: dict[str, Path] = {}
    left, total = [folder], 0
    while left:
        try:
            entries = os.scandir(left.pop())
        except OSError as error:
            raise UserError(f"{shown}: not readable ({error.strerror}); restore it (git checkout)") from None
        with entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith("~") or entry.name == "__pycache__":
                    continue
                path = Path(entry.path)
                name = path.relative_to(folder).as_posix()
                facts = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(facts.st_mode):
                    left.append(path)
                    continue
                if not stat.S_ISREG(facts.st_mode):
                    kind = "a link" if stat.S_ISLNK(facts.st_mode) else "no plain file"
                    raise UserError(f"{shown}/{name}: is {kind}; put a plain file there, or remove it")
                total += facts.st_size
                found[name] = path
                if len(found) > MOST_FILES or total > MOST_BYTES:
                    raise UserError(
                        f"{shown}: holds more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB ({name} is one too "
                        "many); keep data elsewhere and name it in data.source"
                    )
    return dict(sorted(found.items()))


def everything(folder: Path, shown: str) -> dict[str, str]:
    """{path in the folder: sha256} of all that is there, hidden files and caches too; of a link, where it leads; of a
    folder, that it is one.

    Raises UserError for more than a pack can be.
    """
    found: dict[str, str] = {}
    total = 0
    for place, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(place, name)
            facts = path.lstat()
            total += facts.st_size
            if len(found) >= MOST_FILES or total > MOST_BYTES:
                raise UserError(
                    f"{shown}: holds more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB; keep data elsewhere"
                )
            found[path.relative_to(folder).as_posix()] = _what(path, facts.st_mode)
    return dict(sorted(found.items()))


def _what(path: Path, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return f"link to {os.readlink(path)}"
    if stat.S_ISDIR(mode):
        return "folder"
    return content_sha256(path) if stat.S_ISREG(mode) else "no plain file"


def is_code(name: str) -> bool:
    """Is a pack's file code, or something that its code may read?"""
    return name not in _SAYING and not name.startswith("conf/")


def content_sha256(path: Path) -> str:
    """sha256 of a file's content; in text of Python and YAML, line endings do not count."""
    content = path.read_bytes()
    return hashlib.sha256(content.replace(b"\r\n", b"\n") if path.suffix in _TEXT else content).hexdigest()


def joined(hashes: Mapping[str, str]) -> str:
    """One hash over {name: hash}."""
    return hashlib.sha256("".join(f"{name} {hashes[name]}\n" for name in sorted(hashes)).encode()).hexdigest()
