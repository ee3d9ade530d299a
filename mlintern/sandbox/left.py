"""What a sandboxed process leaves on disk: all of it together, for the kernel limits the size of one file alone."""

import os
from collections.abc import Sequence
from pathlib import Path

MOST_FILES = 10_000
"""Files and folders that one job may leave; a training leaves a dozen, a dataset one for each part."""
MOST_BYTES = 256 << 30
"""Of all of them: a checkpoint has weights, chosen weights and an optimizer's state, and is written beside the last."""
KEPT_FREE = 1 << 30
"""Of a disk, or a twentieth of a smaller one: a job that has written more than that ends before others cannot write."""


def tree(root: Path, most_files: int) -> tuple[int, int]:
    """(bytes on disk, files and folders) below `root`, links not followed; past `most_files` nothing is counted."""
    size = count = 0
    left = [os.fspath(root)]
    while left and count <= most_files:
        try:
            entries = os.scandir(left.pop())
        except OSError:
            continue
        with entries:
            for entry in entries:
                count += 1
                try:
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                except OSError:  # it went in the meantime
                    continue
                if count > most_files:
                    break
    return size, count


def problem(folders: Sequence[Path]) -> str | None:
    """What is wrong with what a job has left in these folders, in a line; None where nothing is."""
    for folder in folders:
        size, count = tree(folder, MOST_FILES)
        if count > MOST_FILES:
            return f"its code left more than {MOST_FILES:,} files in {folder}; keep results in tensors"
        if size > MOST_BYTES:
            return f"its code left {_gib(size)} in {folder}; {_gib(MOST_BYTES)} is the most"
        try:
            disk = os.statvfs(folder)
        except OSError:
            continue
        kept = min(KEPT_FREE, disk.f_blocks * disk.f_frsize // 20)
        if size > kept > disk.f_bavail * disk.f_frsize:
            return f"its code left {_gib(size)} in {folder}, and the disk is all but full; free some space"
    return None


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.3g} GiB"
