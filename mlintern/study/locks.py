"""The lock of a cell's folder: held by whoever trains the cell; the system frees it at any death."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LOCK_FILE = ".lock"
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def open_lock(folder: Path) -> int:
    """A descriptor of the lock file in a folder, made if need be; never through a link. Raises OSError."""
    return os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)


@contextlib.contextmanager
def trying(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder for the block if it is free; says whether it was."""
    try:
        descriptor = open_lock(folder)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Does a process train the cell in this folder right now?"""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | _FLAGS)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
