"""A study runs from a snapshot of its packs and of the tool's own code, taken at its start.

Workers that start later, restarts after a crash, the jobs of a launcher and modules that are imported late all come
from it, so that an edit in the middle of a sweep changes no later cell; at the end it is named. The snapshot is a small
project of its own (mlintern/, conf/, papers/<slug>/ and the like), named after its content, and the command starts
itself again from there: whatever asks where the code is, is told the snapshot. What belongs to the project rather than
to its code (DVC, git, composed.yaml) asks `project()`.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.packs.pack_files import counted_files, joined

ROOT = Path(__file__).resolve().parents[2]
STORE = ".snapshots"
"""Below the folder of the records, beside those of the papers: no sandbox may write there."""
NOTE_FILE = "snapshot.json"
LOCK_FILE = ".lock"
_DRAFT_S = 3600.0
"""Nobody takes so long to write a snapshot: a draft of that age is left over."""
KEPT = 4
"""Snapshots of other states that stay; older ones that no command holds are removed."""
_FOLDERS = ("mlintern", "hydra_plugins", "conf", "locks", "pipelines")
_BYTECODE = "__pycache__"
_MADE = ("composed.yaml",)
"""Files of a pack that the tool writes itself."""

GONE = "what this study runs from was deleted; run the same command again"

_own_process = False


def permit() -> None:
    """Say that this process is a command of its own, which `enter` may start again from a snapshot."""
    global _own_process
    _own_process = True


def enter(slugs: Sequence[str], records: Path, module: str, argv: Sequence[str]) -> None:
    """Go on as `python -m <module> <argv>` from a snapshot of these packs below `records`; returns where that is so
    already, and where this process is not ours to start again (a library's, a test's).

    Raises UserError where no snapshot can be made.
    """
    if not _own_process or _note() is not None:
        return
    place = take(ROOT, slugs, records.absolute() / STORE)
    lock = os.open(place / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.set_inheritable(lock, True)  # held as long as this command runs
    before = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and Path(path) != ROOT]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), *before]), "PYTHONSAFEPATH": "1"}
    given = sys.orig_argv[1:]
    flags = given[: given.index("-m")] if "-m" in given else []
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *flags, "-m", module, *argv], environment)


def take(project: Path, slugs: Sequence[str], store: Path) -> Path:
    """The snapshot of a project's code and of these packs as they are now, in `store`: the one that is there where it
    is whole, else made anew; raises UserError where it cannot be."""
    sources = _sources(project, slugs)
    contents = {name: path.read_bytes() for name, path in sources.items()}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    place = store / joined(hashes)[:16]
    try:
        if not _whole(place, hashes):
            _build(place, sources, contents)
        for cache in list((place / "papers").rglob(_BYTECODE)):
            shutil.rmtree(cache, ignore_errors=True)
        note = {"project": str(project), "slugs": sorted(slugs), "files": hashes, "git": git_state(project)}
        files.write_json(place / NOTE_FILE, note)
        _prune(store, place)
    except OSError as error:
        raise files.write_problem(place, error) from None
    return place


def _sources(project: Path, slugs: Sequence[str]) -> dict[str, Path]:
    """{path in the snapshot: file} of what a study of these packs runs."""
    found: dict[str, Path] = {}
    for folder in _FOLDERS:
        for path in sorted((project / folder).rglob("*")):
            parts = path.relative_to(project).parts
            if _BYTECODE not in parts and not any(part.startswith(".") for part in parts) and path.is_file():
                found["/".join(parts)] = path
    for slug in slugs:
        packed = counted_files(project / "papers" / slug, f"papers/{slug}")
        found |= {f"papers/{slug}/{name}": path for name, path in packed.items()}
    return found


def _build(place: Path, sources: Mapping[str, Path], contents: Mapping[str, bytes]) -> None:
    """Write a snapshot under another name, then give it its own; what stood there and was not whole goes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _fill(draft, sources, contents)
        if place.exists():
            broken = place.with_name(f".{place.name}.{os.getpid()}.broken.tmp")
            place.rename(broken)
            shutil.rmtree(broken, ignore_errors=True)
        with contextlib.suppress(FileExistsError, OSError):  # another command was quicker; looked at below
            draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if not place.is_dir():
        raise UserError(f"{place}: the snapshot that the study would run from cannot be made; remove {place.parent}")


def _fill(draft: Path, sources: Mapping[str, Path], contents: Mapping[str, bytes]) -> None:
    """Write everything of a snapshot, and the tool's own bytecode, without which it only starts more slowly."""
    for folder in {str(Path(name).parent) for name in contents}:
        (draft / folder).mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (draft / name).write_bytes(content)
        shutil.copystat(sources[name], draft / name)  # bytecode is valid by its source's time
        (draft / name).chmod(stat.S_IMODE((draft / name).stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)
    for folder in {path.parent for name, path in sources.items() if name.startswith("mlintern/")}:
        if (folder / _BYTECODE).is_dir():  # the tool's own; a pack's is neither read nor written
            inside = draft / "mlintern" / folder.relative_to(sources["mlintern/__init__.py"].parent)
            half_written = shutil.ignore_patterns("*.pyc.*")  # by another process, under a name that vanishes
            try:
                shutil.copytree(folder / _BYTECODE, inside / _BYTECODE, dirs_exist_ok=True, ignore=half_written)
            except OSError:  # a full disk: half a file of bytecode is worse than none
                shutil.rmtree(inside / _BYTECODE, ignore_errors=True)


def _whole(place: Path, hashes: Mapping[str, str]) -> bool:
    """Does a snapshot hold exactly these files?"""
    there = dict(_plain_files(place))
    if set(there) != set(hashes):
        return False
    return all(hashlib.sha256(path.read_bytes()).hexdigest() == hashes[name] for name, path in there.items())


def _plain_files(place: Path) -> Iterator[tuple[str, Path]]:
    """(path in the snapshot, file) without bytecode and its own files; a link has a name that no file has."""
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name != _BYTECODE]
        for name in names + [name for name in folders if Path(folder, name).is_symlink()]:
            path = Path(folder, name)
            inside = path.relative_to(place).as_posix()
            if inside not in (NOTE_FILE, LOCK_FILE):
                yield inside + ("@" if path.is_symlink() else ""), path


def _prune(store: Path, place: Path) -> None:
    """Remove older snapshots that no command holds, and drafts that killed commands left half-written."""
    for path in store.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _DRAFT_S:
                shutil.rmtree(path, ignore_errors=True)
    others = [path for path in store.iterdir() if path.is_dir() and path != place and not path.name.startswith(".")]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEPT:]:
        with contextlib.suppress(OSError), open(path / LOCK_FILE, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)


@functools.cache
def _note() -> dict[str, Any] | None:
    """What the snapshot that this process runs from says of itself; None outside one."""
    path = ROOT / NOTE_FILE
    if ROOT.parent.name != STORE or not path.exists():
        return None
    note: dict[str, Any] = files.read_json(path)
    return note


def entered() -> bool:
    """Does this process run from a snapshot?"""
    return _note() is not None


def project() -> Path:
    """The user's project: where a snapshot was taken, or where the code is."""
    note = _note()
    return ROOT if note is None else Path(note["project"])


def check() -> None:
    """Raise UserError where the snapshot that this process runs from has been deleted under it."""
    if gone():
        raise UserError(f"{ROOT}: {GONE}")


def gone() -> bool:
    """Has the snapshot that this process runs from been deleted under it?"""
    return _note() is not None and not (ROOT / NOTE_FILE).exists()


class CodeState:
    """The code and packs that a command started with: of its snapshot, or as they are when this is made."""

    def __init__(self, slug: str):
        note = _note()
        self.slugs = [slug] if note is None else note["slugs"]
        self.files: Mapping[str, str] = _hashes(project(), self.slugs) if note is None else note["files"]

    def changed(self) -> list[str]:
        """Files of the project that are no longer as they were, but for those that the tool writes itself."""
        try:
            now = _hashes(project(), self.slugs)
        except (OSError, UserError) as error:
            return [str(error)]
        names = sorted(name for name in now.keys() | self.files.keys() if now.get(name) != self.files.get(name))
        return [name for name in names if not (name.startswith("papers/") and name.rpartition("/")[2] in _MADE)]

    def said(self) -> str:
        """What of it changed, as one line for the end of a study; empty where nothing did."""
        names = self.changed()
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        ran = "the cells ran the state of its start" if entered() else "cells that started later ran what they found"
        return f"{', '.join(names[:3])}{more} changed while the study ran; {ran}" if names else ""


def _hashes(project: Path, slugs: Sequence[str]) -> dict[str, str]:
    return {name: files.sha256_file(path) for name, path in _sources(project, slugs).items()}


def as_seen(text: str) -> str:
    """A message in which files of the snapshot are named as the user knows them."""
    return text if _note() is None else text.replace(f"{ROOT}", f"{project()}")


def git_state(folder: Path | None = None) -> dict[str, Any]:
    """Commit, whether there are uncommitted changes, and the hash of their diff, as they were at the command's start;
    empty outside a repository."""
    import subprocess

    note = _note()
    if folder is None and note is not None:
        kept: dict[str, Any] = note["git"]
        return kept

    def git(*argv: str) -> bytes:
        return subprocess.run(["git", *argv], cwd=folder or ROOT, capture_output=True, check=True).stdout

    try:
        commit = git("rev-parse", "HEAD").decode().strip()
        dirty = bool(git("status", "--porcelain", "--untracked-files=no").strip())
        diff = hashlib.sha256(git("diff", "HEAD")).hexdigest() if dirty else None
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "dirty": dirty, "diff_sha256": diff}
