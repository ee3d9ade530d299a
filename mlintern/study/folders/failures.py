"""Why a cell has no record: a note in its folder, for `mlintern status` and for the sweep that started it elsewhere."""

import datetime
import os
from pathlib import Path

from mlintern.core.records import sealed

FAILURE_FILE = "failed.json"


def note(folder: Path, message: str) -> None:
    """Write down that a cell failed for good, and why."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    sealed.write(folder / FAILURE_FILE, {"message": message, "failed": now}, below=folder.parent)


def forget(folder: Path) -> None:
    """Take the note away: the cell is tried again."""
    (folder / FAILURE_FILE).unlink(missing_ok=True)


def noted(folder: Path) -> str | None:
    """Why the cell in this folder failed, None where it did not."""
    from mlintern.study.folders import shapes

    path = folder / FAILURE_FILE
    return str(sealed.read(path, shapes.Failure)["message"]) if os.path.lexists(path) else None
