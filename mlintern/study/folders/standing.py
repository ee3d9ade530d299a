"""Which cells are finished: those whose record and whose every file beside it are as they were written.

A record that is not is no result. The main job says so, keeps it under another name and trains the cell again.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlintern.core.errors import Absent, Damaged
from mlintern.core.files import write_problem
from mlintern.core.records import record
from mlintern.core.records.hashing import file_sha256
from mlintern.engine import ENGINE_VERSION, source
from mlintern.study.folders import locks

_Stamp = tuple[tuple[int, ...], ...]
_Known = tuple[_Stamp, str | None, Mapping[str, Any] | None]
"""State of the files, what is wrong with them, the record's engine."""
_KNOWN: dict[Path, _Known] = {}


def is_finished(folder: Path) -> bool:
    """Does the cell in this folder have a record, sealed, its own, all that it names beside it, and made by the code of
    the engine that is here, or by code certified to make the same bits?"""
    return os.path.lexists(folder / record.RUN_FILE) and problem(folder) is None


def problem(folder: Path) -> str | None:
    """Why a cell with a record is trained again, in one line; None where it is not, or has none."""
    if (wrong := damage(folder)) is not None or not os.path.lexists(folder / record.RUN_FILE):
        return wrong
    _, _, engine = _known(folder)
    if source.same_bits(engine, ENGINE_VERSION):
        return None
    code = code_of({"engine": engine})
    return f"{folder / record.RUN_FILE}: was made by {code}, which is not certified to make the bits of this one"


def code_of(run: Mapping[str, Any]) -> str:
    """The engine's code that a record is of, in words."""
    engine = run.get("engine")
    if not engine:
        return "unknown code of the engine"
    return f"code {source.source_hash(engine['files'])[:12]} of the engine (version {engine['version']})"


def damage(folder: Path) -> str | None:
    """What is wrong with the record in a cell's folder, in one line that names the file; None where nothing is."""
    return _known(folder)[1] if os.path.lexists(folder / record.RUN_FILE) else None


def _known(folder: Path) -> _Known:
    """What is known of a cell with a record. A file is read once in a process, and again only when it changed."""
    stamp = tuple(_stamp(folder / name) for name in (record.RUN_FILE, *record.BESIDE))
    if (known := _KNOWN.get(folder)) is None or known[0] != stamp:
        try:
            run = record.read_own_run(folder)
            known = stamp, _damage(folder, run), run.get("engine")
        except Damaged as error:
            known = stamp, f"{error}; {record.MEND}" if isinstance(error, Absent) else str(error), None
        _KNOWN[folder] = known
    return known


def _damage(folder: Path, run: record.RunRecord) -> str | None:
    try:
        if not record.is_sealed(run):
            return (
                f"{folder / record.RUN_FILE}: was written before records were sealed, so that nothing vouches for what "
                "it says"
            )
        for name in record.NEEDED:
            if name not in run["files"]:
                raise Damaged(f"{folder / record.RUN_FILE}: names no {name}; {record.MEND}")
        for name, expected in run["files"].items():
            if file_sha256(folder / name, record.MEND) != expected:
                raise Damaged(f"{folder / name}: is not what its record names (another sha256); {record.MEND}")
    except Absent as error:
        return f"{error}; {record.MEND}"
    except Damaged as error:
        return str(error)
    return None


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = os.lstat(path)
    except OSError:
        return ()
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def set_aside_if_wrong(folder: Path) -> str | None:
    """What is wrong with a record, which is kept under another name then, so that the cell has none; None where nothing
    is, or where another process has the cell in hand."""
    if problem(folder) is None:
        return None
    with locks.trying(folder) as free:
        if not free or (wrong := problem(folder)) is None:
            return None
        _set_aside(folder)
    return wrong.removesuffix(f"; {record.MEND}")


def _set_aside(folder: Path) -> None:
    """Rename a damaged record, and whatever else stands where a file belongs; raises UserError where that fails."""
    for name in (record.RUN_FILE, *record.BESIDE):
        path = folder / name
        if name == record.RUN_FILE or (os.path.lexists(path) and not _plain(path)):
            with contextlib.suppress(FileNotFoundError):
                try:
                    os.rename(path, _free(path))
                except FileNotFoundError:
                    raise
                except OSError as error:
                    raise write_problem(path, error) from error


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _free(path: Path) -> Path:
    """A name for what is set aside that nothing has yet."""
    number = 1
    while os.path.lexists(name := path.with_name(f"{path.name}.damaged{'' if number == 1 else number}")):
        number += 1
    return name
