"""Writing files so that nobody ever sees half of one.

Every output goes to a temporary name in the folder it will live in, is flushed to the disk and then renamed: a kill at
any instant leaves the old file or the new one.
"""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlintern.errors import UserError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EACCES: "no permission to write there; choose another folder or change its permissions",
    errno.EPERM: "no permission to write there; choose another folder or change its permissions",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOENT: "its folder cannot be made; choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder",
    errno.EISDIR: "a folder of that name is in the way; remove it",
    errno.ENAMETOOLONG: "the name is too long for this file system; choose a shorter folder",
}


def write_problem(path: Path, error: OSError) -> UserError:
    """The one line for a failed write: which file, why, and what to do."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return UserError(f"cannot write {path}: {reason}")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on a clean exit it is flushed and renamed to `path`, else removed.

    Raises UserError where the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        with open(draft, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise write_problem(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def remove_drafts(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; nobody else may be writing in it."""
    for draft in Path(folder).glob(".*.tmp"):
        draft.unlink(missing_ok=True)


def make_writable(folder: Path) -> None:
    """Make a folder and see that a file can be written in it; raises UserError before any work is lost."""
    with atomic_path(Path(folder) / ".writable") as draft:
        draft.write_bytes(b"\0" * 4096)
    (Path(folder) / ".writable").unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, all of it or nothing."""
    with atomic_path(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON with sorted keys, all of it or nothing. NaN and infinities are refused (not JSON)."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; raises UserError that names the file if it is missing, unreadable or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}); delete it and run again") from None


def sha256_file(path: Path) -> str:
    """sha256 of a file's bytes, as hex."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
