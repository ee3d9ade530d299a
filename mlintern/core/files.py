"""Writing files so that nobody ever sees half of one, and so that nobody can have us write elsewhere.

Every output goes to a draft in the folder it will live in, is flushed to the disk and then renamed: a kill at any
instant leaves the old file or the new one. A draft has a name that nobody can guess, is made new (never opened, never
through a link), and is renamed within the folder that was opened: where code of a pack may write, it can plant links
under every name it likes.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mlintern.core.errors import Damaged, UserError
from mlintern.core.plain import MOST_JSON_BYTES, open_plain, parse_json, read_plain

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file would be larger than allowed here (ulimit -f); raise the limit",
    errno.EACCES: "no permission to write there; choose another folder or change its permissions",
    errno.EPERM: "no permission to write there; choose another folder or change its permissions",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOENT: "its folder cannot be made; choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder",
    errno.EISDIR: "a folder of that name is in the way; remove it",
    errno.ELOOP: "a link stands where a folder is meant; remove it",
    errno.ENAMETOOLONG: "the name is too long for this file system; choose a shorter folder",
}
_DRAFT = re.compile(r"\.[0-9a-f]{32}\.tmp|\.tmp[0-9A-Za-z]{6}")
"""Ours, and those of safetensors."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20


def write_problem(path: Path, error: OSError) -> UserError:
    """The one line for a failed write: which file, why, and what to do."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return UserError(f"cannot write {path}: {reason}")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within it, an OSError becomes the one line for a failed write to `path`."""
    try:
        yield
    except OSError as error:
        raise write_problem(path, error) from error


def open_folder(folder: Path, below: Path | None = None, make: bool = False) -> int:
    """A descriptor of a folder, made with its parents where `make` says so; raises OSError.

    Links are followed, as they are the user's own, but none below `below`: a folder in which code of a pack writes.
    """
    folder = Path(folder)
    top, parts = (folder, ()) if below is None else (Path(below), folder.relative_to(below).parts)
    if ".." in parts:
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if make:
        top.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(top, _FOLDER)
    for part in parts:
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            if stat.S_ISLNK(os.stat(part, dir_fd=descriptor, follow_symlinks=False).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


@contextlib.contextmanager
def _draft(path: Path, below: Path | None, by_name: bool = False) -> Iterator[tuple[str, int]]:
    """A new, empty file beside `path`: (its name, its descriptor); on a clean exit it becomes `path`, else it goes.

    `by_name`: it is written to by its name.
    """
    name = f".{secrets.token_hex(16)}.tmp"
    with writing(path):
        folder = open_folder(path.parent, below, make=True)
        try:
            descriptor = os.open(name, _NEW, 0o666, dir_fd=folder)
            try:
                yield name, descriptor
                there = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if by_name and stat.S_ISREG(there.st_mode):  # some libraries put a file of their own there
                    theirs = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                    os.close(descriptor)
                    descriptor = theirs
                if not os.path.samestat(os.fstat(descriptor), there):
                    raise UserError(f"cannot write {path}: its draft was replaced by another program; run again")
                os.fsync(descriptor)
                os.replace(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                os.close(descriptor)
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)
        finally:
            os.close(folder)


@contextlib.contextmanager
def atomic_file(path: Path, below: Path | None = None) -> Iterator[BinaryIO]:
    """Yield a file to write to; on a clean exit it is flushed and becomes `path`, else it is removed.

    Between `below` and `path` no link is followed. Raises UserError where the folder cannot be written, or the disk is
    full.
    """
    with _draft(Path(path), below) as (_, descriptor), os.fdopen(os.dup(descriptor), "w+b") as handle:
        yield handle
        handle.flush()


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """`atomic_file` for libraries that want a name to write to: yields that of the draft."""
    path = Path(path)
    with _draft(path, None, by_name=True) as (name, _):
        yield path.with_name(name)


def remove_drafts(folder: Path, below: Path | None = None) -> None:
    """Remove what writers that were killed left in a folder; nobody else may be writing in it."""
    try:
        opened = open_folder(folder, below)
    except FileNotFoundError:
        return
    except OSError as error:
        raise write_problem(folder, error) from error
    try:
        for name in os.listdir(opened):
            if _DRAFT.fullmatch(name):
                with contextlib.suppress(OSError):
                    if stat.S_ISREG(os.stat(name, dir_fd=opened, follow_symlinks=False).st_mode):
                        os.unlink(name, dir_fd=opened)
    finally:
        os.close(opened)


def keep_only(folder: Path, names: Collection[str]) -> list[str]:
    """Remove what else a sandbox left in a folder that it may write; returns the names of what went.

    Raises UserError where something of it cannot be removed. Nobody else may be writing there.
    """
    gone = sorted(name for name in os.listdir(folder) if name not in names)
    for name in gone:
        path = Path(folder) / name
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except (OSError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else "a tree too deep"
            raise UserError(f"{folder}: code of the pack left {name!r} there ({why}); remove the folder") from None
    return gone


def make_writable(folder: Path) -> None:
    """Make a folder and see that a file can be written in it; raises UserError before any work is lost."""
    trial = Path(folder) / ".writable"
    with contextlib.suppress(_Enough), _draft(trial, None) as (_, descriptor):
        os.write(descriptor, b"\0" * 4096)
        os.fsync(descriptor)
        raise _Enough


class _Enough(Exception):
    """A draft has served its purpose, and is not to become a file."""


def write_text(path: Path, text: str, below: Path | None = None) -> None:
    """Write `text` (UTF-8) to `path`, all of it or nothing; between `below` and `path` no link is followed."""
    with atomic_file(path, below) as draft:
        draft.write(text.encode(errors="replace"))  # half a character, from somebody's message, is no UTF-8


def write_json(path: Path, value: Any, below: Path | None = None) -> None:
    """Write `value` as JSON with sorted keys, all of it or nothing. NaN and infinities are refused (not JSON)."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
    write_text(path, text, below)


def read_json(path: Path) -> Any:
    """Read JSON; raises UserError that names the file if it is missing, unreadable, broken or no plain file."""
    mend = "delete it and run again"
    return parse_json(read_plain(path, MOST_JSON_BYTES, mend=mend, follow=True), path, mend)


def sha256_file(path: Path) -> str:
    """sha256 of a file's bytes, as hex."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def copy_sealed(source: Path, target: Path, most_bytes: int, below: Path | None = None) -> str:
    """Copy a file that a sandbox wrote to where it cannot write; returns the sha256 of what was copied.

    Only a plain file of at most `most_bytes` with no other name is taken, and what is hashed is what is written: it may
    change under our hands, and then the copy has the hash of the copy. Raises Damaged, which names the source.
    """
    digest, left = hashlib.sha256(), most_bytes
    opened = open_plain(source, most_bytes, mend="train the cell again", one_name=True)
    with opened as handle, atomic_file(target, below) as draft:
        while piece := _read(handle, source):
            left -= len(piece)
            if left < 0:
                raise Damaged(f"{source}: grew to more than {most_bytes:,} bytes while it was copied; run again")
            digest.update(piece)
            draft.write(piece)
    return digest.hexdigest()


def _read(handle: BinaryIO, path: Path) -> bytes:
    try:
        return handle.read(_PIECE)
    except OSError as error:
        raise Damaged(f"{path}: cannot be read ({error.strerror}); run again") from None
