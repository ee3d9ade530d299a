"""By which code of the engine a dataset was prepared: a note beside it, which is no part of what DVC holds.

A dataset's name holds the pack's code that it was built by, and ENGINE_VERSION; code of `mlintern/data` and
`mlintern/engine` has a part in it as well, and an edit of that must not leave old data behind in silence.
"""

from pathlib import Path

from mlintern import files
from mlintern.engine import ENGINE_VERSION
from mlintern.engine.source import is_equal, source_hash

MADE_FILE = "made.json"


def note(folder: Path) -> None:
    """Say that a dataset was prepared just now."""
    files.write_json(folder / MADE_FILE, {"engine": source_hash()})


def is_current(folder: Path) -> bool | None:
    """Was a dataset prepared by the code that is here, or by code certified to make the same? None where nothing says
    by which: `dvc pull` brought it."""
    path = folder / MADE_FILE
    if not path.exists():
        return None
    value = files.read_json(path)
    return isinstance(value, dict) and is_equal(str(value.get("engine")), ENGINE_VERSION)
