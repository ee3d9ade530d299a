"""A file of a pack as text: opened so that nothing can hang, and free of what a reader of the diff would not see."""

import itertools
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from mlintern.vet.refusal import Refusal

LARGEST_FILE = 100_000  # bytes; the largest readable module is a tenth of that
LARGEST_RECORD = 2_000_000  # bytes of a spec or provenance, which we write: 1,000 table cells take 0.5 MB
LONGEST_LINE = 400
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_LONG = re.compile(rf"^[^\n]{{{LONGEST_LINE + 1},}}", re.MULTILINE)
_UNREADABLE = (
    (_INVISIBLE, "invisible", "holds the invisible character {}; remove it"),
    (_CONTROL, "invisible", "holds the control character {}; remove it"),
    (_LONG, "size", f"is longer than {LONGEST_LINE} characters; break the line"),
)
MOST_OF_A_KIND = 20
"""Refusals of one kind in one file; more say nothing new."""
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


def read(path: Path, name: str, largest: int = LARGEST_FILE) -> tuple[str, list[Refusal]]:
    """The text of a file, and why it may not be read as it stands (then the text is empty).

    Only a regular file is read, and no more of it than `largest`: a pipe, a device or a sparse giant holds nobody up.
    """
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        return "", [Refusal(name, 1, "file", f"cannot be read ({error.strerror}); a pack holds plain files")]
    with open(opened, "rb") as file:
        about = os.fstat(opened)
        if not stat.S_ISREG(about.st_mode):
            return "", [Refusal(name, 1, "file", "is no plain file; a pack holds plain files")]
        if about.st_size > largest:
            return "", [Refusal(name, 1, "size", f"larger than {largest:,} bytes; split it or leave data out")]
        return decode(file.read(largest + 1), name, largest)


def decode(content: bytes, name: str, largest: int = LARGEST_FILE) -> tuple[str, list[Refusal]]:
    """The text of a file's bytes, and why it may not be read as it stands (then the text is empty)."""
    if len(content) > largest:
        return "", [Refusal(name, 1, "size", f"larger than {largest:,} bytes; split it or leave data out")]
    for number, line in enumerate(content.split(b"\n", 2)[:2], 1):
        if (match := _CODING.match(line)) and match[1].lower().replace(b"_", b"-") not in (b"utf-8", b"utf8"):
            return "", [Refusal(name, number, "encoding", f"declares the encoding {match[1]!r}; use UTF-8")]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line_number = content[: error.start].count(b"\n") + 1
        return "", [Refusal(name, line_number, "encoding", "is not UTF-8 text; save it as UTF-8")]
    return text, list(_unreadable(text.replace("\r\n", "\n"), name))


def _unreadable(text: str, name: str) -> Iterator[Refusal]:
    for pattern, rule, message in _UNREADABLE:
        for match in itertools.islice(pattern.finditer(text), MOST_OF_A_KIND):
            line = text.count("\n", 0, match.start()) + 1
            yield Refusal(name, line, rule, message.format(f"U+{ord(match[0][0]):04X}"))
