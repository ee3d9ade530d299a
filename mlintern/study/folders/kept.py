"""The cells of a study as DVC holds them, in bytes that are equal wherever its bits are.

`runs/<slug>/<cell id>/` says when and where a cell was trained and what that took, so that no two rebuilds would
agree, and it stands beside cells of other commands. `runs/<slug>/study/<cell id>/` are the study's cells alone, with
all that a report reads, and without what varies; that is in study.cost.json. From both together a cell is what it was.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlintern.core import files
from mlintern.core.errors import Damaged
from mlintern.core.plain import open_plain
from mlintern.core.records import record, sealed
from mlintern.engine import ENGINE_VERSION
from mlintern.engine.source import same_bits
from mlintern.study.folders import shapes

VARYING = ("environment", "git", "sandbox", "wall_s", "peak_memory_bytes", "started", "finished")
"""What of a record differs from rerun to rerun."""


def folder_of(index: Path) -> Path:
    """Where the cells of a study's index are kept."""
    return index.with_suffix("")


def varying(run: Mapping[str, Any]) -> dict[str, Any]:
    """What of a record `keep` takes out."""
    return {name: run[name] for name in VARYING if name in run}


def keep(index: Path, cell_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Keep the study's finished cells beside its index, and no others; {cell id: what varies}."""
    folder, taken = folder_of(index), dict[str, dict[str, Any]]()
    for name in dict.fromkeys(cell_ids):
        source = index.parent / name
        if not _has_record(source):
            continue
        run: dict[str, Any] = dict(record.read_own_run(source))
        taken[name] = varying(run)
        same = {key: run[key] for key in run if key not in VARYING}
        if held := run.get("sandbox"):  # by what, is the machine's; whether, and what it could reach, is to be said
            same["sandbox"] = {**held, "backend": "none" if held["backend"] == "none" else "any", "layers": []}
        _copy(source, folder / name, _sealed(same))
    if folder.is_dir():
        for other in folder.iterdir():
            if other.name not in taken:
                shutil.rmtree(other, ignore_errors=True)
    return taken


def restore(runs: Path, cell_id: str, index: str = "study.json") -> None:
    """Bring a kept cell back to where cells are trained, where that has none: after `dvc pull`, say."""
    source, target = folder_of(runs / index) / cell_id, runs / cell_id
    if _has_record(target) or not _has_record(source):
        return
    cost = (runs / index).with_suffix(".cost.json")
    took = sealed.read(cost, shapes.CostFile).get("cells", {}).get(cell_id, {}) if os.path.lexists(cost) else {}
    run = {**record.read_own_run(source), **{name: took[name] for name in VARYING if name in took}}
    if same_bits(run.get("engine"), ENGINE_VERSION):  # else it would be trained again
        _copy(source, target, _sealed(run))


def place_of(runs: Path, cell_id: str) -> Path:
    """The folder of a cell: where it was trained, or, where that has no record, where it is kept."""
    kept = folder_of(runs / "study.json") / cell_id
    own = runs / cell_id
    return kept if not _has_record(own) and _has_record(kept) else own


def records_folder(index: Path, cell_ids: Iterable[str]) -> Path:
    """The folder whose subfolders a report reads: what is kept, where all of it is, else where cells are trained."""
    kept = folder_of(index)
    return kept if all(_has_record(kept / name) for name in cell_ids) else index.parent


def prune(folder: Path, used: Iterable[Path]) -> None:
    """Remove from a tracked folder what this very study did not use: what an earlier state of the code left there."""
    names = {path.name for path in used if path.parent == folder}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and path.name not in names:
            shutil.rmtree(path, ignore_errors=True)


def _has_record(folder: Path) -> bool:
    """Is anything there by the name of a record? What it is, its reader says. Raises Damaged where nobody may look."""
    path = folder / record.RUN_FILE
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Damaged(f"{path}: cannot be read ({error.strerror}); {record.MEND}") from None
    return True


def _sealed(run: dict[str, Any]) -> dict[str, Any]:
    """A record of other content with a seal that holds."""
    if not record.is_sealed(run):
        return run
    plain = {key: value for key, value in run.items() if key != record.SEAL}
    return {**plain, record.SEAL: record.stable_hash(plain, record.RUN_FILE)}


def _copy(source: Path, target: Path, run: Mapping[str, Any]) -> None:
    """A cell's files and then its record, unless all that is there already."""
    names = [name for name in record.BESIDE if os.path.lexists(source / name)]
    with contextlib.suppress(OSError, ValueError):
        same = all((target / name).stat().st_size == (source / name).stat().st_size for name in names)
        if same and (target / record.RUN_FILE).is_file() and files.read_json(target / record.RUN_FILE) == run:
            return
    (target / record.RUN_FILE).unlink(missing_ok=True)
    for name in names:
        opened = open_plain(source / name, record.MOST_BYTES_BESIDE, mend=record.MEND)
        with opened as given, files.atomic_file(target / name) as draft:
            shutil.copyfileobj(given, draft)
    files.write_json(target / record.RUN_FILE, run)
