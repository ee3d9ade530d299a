"""Locks of cells' folders, held by whoever trains the cell. The system frees them at any death."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mlintern.core.errors import Interrupted
from mlintern.core.files import write_problem

LOCK_FILE = ".lock"
POLL_S = 0.2
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def open_lock(folder: Path) -> int:
    """A descriptor of the lock file in a folder, made if need be; never through a link. Raises OSError."""
    return os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)


@contextlib.contextmanager
def holding(folder: Path, should_stop: Callable[[], bool], say: Callable[[str], None]) -> Iterator[None]:
    """Hold a cell's folder for the block, once nobody else does, so that no two processes train it.

    Raises Interrupted when asked to stop while it waits, UserError where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.fdopen(open_lock(folder), "w")
    except OSError as error:
        raise write_problem(folder, error) from None
    with lock:
        said = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if should_stop():
                    raise Interrupted from None
            if not said:
                say("another process is training this cell; waiting for it")
                said = True
            time.sleep(POLL_S)
        yield


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
