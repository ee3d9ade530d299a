"""What a dataset was prepared by and from: a note beside it, which is no part of what DVC holds.

A dataset's name holds the pack's code that it was built by, and ENGINE_VERSION. Code of `mlintern/data` and
`mlintern/engine` has a part in it as well, and so have the files of this machine that its source reads: an edit of
these must not leave old data behind in silence.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlintern.core import files
from mlintern.core.errors import Absent
from mlintern.core.plain import MOST_JSON_BYTES, parse_json, read_plain
from mlintern.data.prepare import DATASET_FILE, fingerprints
from mlintern.data.splits import PARTS
from mlintern.engine import ENGINE_VERSION
from mlintern.engine.source import is_equal, source_hash

MADE_FILE = "made.json"


def tidy(folder: Path, whole: bool) -> list[str]:
    """Remove what a source left beside the dataset that it made; returns the names of what went.

    `whole`: the dataset is there, and says which its parts are; else whatever may be a dataset's stays.
    """
    parts = fingerprints(folder) if whole else PARTS
    return files.keep_only(folder, {DATASET_FILE, MADE_FILE, *(f"{part}.npz" for part in parts)})


def note(folder: Path, read: Sequence[Path] = ()) -> None:
    """Say that a dataset was prepared just now, from the files and folders `read`."""
    files.write_json(folder / MADE_FILE, {"engine": source_hash(), "read": dict(_stamps(read))})


def is_current(folder: Path, read: Sequence[Path] = ()) -> bool | None:
    """Was a dataset prepared by the code that is here, or by code certified to make the same, and from the files `read`
    as they are? None where nothing says so: `dvc pull` brought it. A file that is gone makes no data old."""
    path = folder / MADE_FILE
    try:
        value = parse_json(read_plain(path, MOST_JSON_BYTES), path)
    except Absent:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("read"), dict):
        return False
    same = all(value["read"].get(name) == stamp for name, stamp in _stamps(read))
    return same and is_equal(str(value.get("engine")), ENGINE_VERSION)


def _stamps(read: Sequence[Path]) -> Iterator[tuple[str, list[int]]]:
    """(file, [bytes, times of its last change]) of these files, and of those in these folders; the kernel's own time
    as well, since an edit may put the other back (`cp -p`, `rsync -t`)."""
    for path in read:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                facts = file.stat()
                yield str(file), [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]
