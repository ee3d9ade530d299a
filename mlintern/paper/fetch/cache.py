"""The cache of fetched papers: bodies by the hash of their content, and a record of which paper they belong to.

    blobs/ab/abcd…            a body as it was received, named by its sha256
    trees/abcd…/              an archive unpacked, named by the sha256 of the archive
    trees/abcd….json          the sha256 of every file in it
    papers/<slug>/v5.json     what was fetched for version 5: metadata, road, hashes
    papers/<slug>/latest.json the newest version, as of the last time that arXiv was asked
    partial/                  downloads that were interrupted

Everything is written to a temporary name and renamed. A blob whose bytes no longer have its hash counts as absent, and
so does a tree that lost or changed a file (a cleaner of old files is enough): a paper is read whole or fetched anew.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.core.files import read_json, sha256_file, write_json, write_problem, writing


class PaperCache:
    """A folder of papers that several processes may share."""

    def __init__(self, root: Path):
        self.root = root

    def blob(self, sha256: str) -> Path | None:
        """The body with this hash, verified; None if it is absent or damaged (a damaged one is removed)."""
        path = self.root / "blobs" / sha256[:2] / sha256
        if not path.is_file():
            return None
        if sha256_file(path) != sha256:
            path.unlink(missing_ok=True)
            return None
        return path

    def add(self, file: Path) -> str:
        """Move `file` into the cache; returns its sha256."""
        sha256 = sha256_file(file)
        target = self.root / "blobs" / sha256[:2] / sha256
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)
        return sha256

    def tree(self, sha256: str, fill: Callable[[Path], None]) -> Path:
        """The folder made from the archive with this hash; `fill(folder)` makes it where it is not there yet, or no
        longer whole."""
        target = self.root / "trees" / sha256
        manifest = target.with_name(f"{sha256}.json")
        with writing(target):
            if target.is_dir():
                if manifest.is_file() and read_json(manifest) == _hashes(target):
                    return target
                _remove(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=f".{sha256[:12]}-", dir=target.parent))
        try:
            fill(draft)
            write_json(manifest, _hashes(draft))
            with contextlib.suppress(FileExistsError):  # another process was first, with the same bytes
                os.rename(draft, target)
        except OSError as error:
            if not target.is_dir():
                raise write_problem(target, error) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return target

    def partial(self, url: str) -> Path:
        """Where the download of this address stands until it is complete."""
        return self.root / "partial" / hashlib.sha256(url.encode()).hexdigest()[:32]

    def record(self, slug: str, name: str) -> dict[str, Any] | None:
        """The record `name` of a paper; None if there is none or it is damaged (then it is fetched anew)."""
        path = self.root / "papers" / slug / f"{name}.json"
        if not path.is_file():
            return None
        try:
            value = read_json(path)
        except UserError:
            return None
        return value if isinstance(value, dict) else None

    def write_record(self, slug: str, name: str, value: dict[str, Any]) -> None:
        """Write the record `name` of a paper."""
        write_json(self.root / "papers" / slug / f"{name}.json", value)

    @contextlib.contextmanager
    def lock(self, slug: str) -> Iterator[None]:
        """Held while a paper is fetched, so that two processes do not download it twice."""
        path = self.root / "papers" / slug / ".lock"
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = open(path, "a")  # noqa: SIM115 closed below, after the lock is released
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file below a folder, by its path in it."""
    return {
        file.relative_to(folder).as_posix(): sha256_file(file) for file in sorted(folder.rglob("*")) if file.is_file()
    }


def _remove(folder: Path) -> None:
    """Remove a tree; another process never sees half of it."""
    away = Path(tempfile.mkdtemp(prefix=".gone-", dir=folder.parent))
    with contextlib.suppress(FileNotFoundError):  # another process was first
        os.rename(folder, away / folder.name)
    shutil.rmtree(away, ignore_errors=True)
