"""Opening files that somebody else may have put there: plain files only, never through a link, never without a bound.

Code of a pack writes below `runs/` and `data/`. What stands there may be a link to a file of the host, a pipe that
nobody writes to, a device, or larger than memory. A name is looked at, opened without following it, and looked at again
once it is open, so that nothing can be put in its place in between.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from mlintern.core.errors import Absent, Damaged

MOST_JSON_BYTES = 256 << 20
DEEPEST_JSON = 100
"""Levels of nesting; a composed configuration has about ten."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_plain(
    path: Path, most_bytes: int, *, mend: str = "remove it and run again", follow: bool = False, one_name: bool = False
) -> BinaryIO:
    """Open a regular file of at most `most_bytes` for reading; raises Damaged (Absent where there is none), which names
    the file and `mend`.

    `follow` lets the last part of the path be a link, for what a user names; `one_name` refuses a file that has another
    name elsewhere (a hard link).
    """
    path = Path(path)
    try:
        before = os.stat(path, follow_symlinks=follow)
        if not stat.S_ISREG(before.st_mode):
            raise Damaged(f"{path}: {_KINDS.get(stat.S_IFMT(before.st_mode), 'no plain file')}, not a file; {mend}")
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise Absent(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise Damaged(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}); {mend}") from None
    try:
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) != (before.st_dev, before.st_ino) or not stat.S_ISREG(found.st_mode):
            raise Damaged(f"{path}: was replaced while it was opened; {mend}")
        if found.st_size > most_bytes:
            raise Damaged(f"{path}: {found.st_size:,} bytes, where at most {most_bytes:,} are expected; {mend}")
        if one_name and found.st_nlink != 1:
            raise Damaged(f"{path}: has another name elsewhere (a hard link); {mend}")
    except Damaged:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path, most_bytes: int, *, mend: str = "remove it and run again", follow: bool = False) -> bytes:
    """The bytes of a regular file, as `open_plain` opens it; one that grows while it is read is refused."""
    with open_plain(path, most_bytes, mend=mend, follow=follow) as handle:
        try:
            size = os.fstat(handle.fileno()).st_size
            content = handle.read(size + 1)  # asks for that much memory, whatever is there
        except OSError as error:
            raise Damaged(f"{path}: cannot be read ({error.strerror}); {mend}") from None
    if len(content) > size:
        raise Damaged(f"{path}: grew while it was read; {mend}")
    return content


def parse_json(content: bytes, path: Path, mend: str = "delete it and run again") -> Any:
    """The value of a JSON file; raises Damaged where it is none, or holds NaN, half a character, or endless nesting."""
    try:
        text = content.decode()
        value = json.loads(text, parse_constant=_refuse)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()  # raises for half of a surrogate pair
        if (depth := _depth(value)) > DEEPEST_JSON:
            raise ValueError(f"nested more than {depth - 1} levels deep")
    except (UnicodeError, ValueError, RecursionError) as error:
        raise Damaged(f"{path}: not readable as JSON ({error}); {mend}") from None
    return value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _depth(value: Any) -> int:
    """Levels of nesting, counted no further than one beyond the deepest that is allowed."""
    level, depth = [value], 0
    while level and depth <= DEEPEST_JSON:
        level = [
            item
            for outer in level
            if isinstance(outer, (dict, list))
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        depth += 1
    return depth
