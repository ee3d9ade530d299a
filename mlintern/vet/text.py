"""Checks of a file's text before anything parses it: what a reader of the diff would not see."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from mlintern.vet.refusal import Refusal

LARGEST_FILE = 100_000  # bytes; the largest readable module is a tenth of that
LARGEST_RECORD = 5_000_000  # bytes of a spec or provenance, which we write: a large paper has hundreds of values
LONGEST_LINE = 400
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|[0-7]{1,3})")


def decode(content: bytes, name: str, largest: int = LARGEST_FILE) -> tuple[str, list[Refusal]]:
    """The text of a file, and why it may not be read as it stands (then the text is empty)."""
    if len(content) > largest:
        return "", [Refusal(name, 1, "size", f"larger than {largest:,} bytes; split it or leave data out")]
    for number, line in enumerate(content.split(b"\n")[:2], 1):
        if (match := _CODING.match(line)) and match[1].lower().replace(b"_", b"-") not in (b"utf-8", b"utf8"):
            return "", [Refusal(name, number, "encoding", f"declares the encoding {match[1]!r}; use UTF-8")]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line_number = content[: error.start].count(b"\n") + 1
        return "", [Refusal(name, line_number, "encoding", "is not UTF-8 text; save it as UTF-8")]
    return text, list(_unreadable(text.replace("\r\n", "\n"), name))


def _unreadable(text: str, name: str) -> Iterator[Refusal]:
    for number, line in enumerate(text.split("\n"), 1):
        if match := _INVISIBLE.search(line):
            yield Refusal(name, number, "invisible", f"holds the invisible character U+{ord(match[0]):04X}; remove it")
        if match := _CONTROL.search(line):
            yield Refusal(name, number, "invisible", f"holds the control character U+{ord(match[0]):04X}; remove it")
        if len(line) > LONGEST_LINE:
            yield Refusal(name, number, "size", f"is longer than {LONGEST_LINE} characters; break the line")


def tokens(text: str, name: str) -> Iterator[Refusal]:
    """Identifiers outside ASCII, and strings that spell plain characters as escapes. `text` must parse as Python."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        line = token.start[0]
        if token.type == tokenize.NAME and not token.string.isascii():
            yield Refusal(
                name, line, "identifier", f"the name {token.string!r} is not ASCII; two names could look alike"
            )
        if token.type in (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)) and _spells_out(token.string):
            yield Refusal(name, line, "escape", "spells plain characters as escapes; write them out")


def _spells_out(literal: str) -> bool:
    prefix = literal[: len(literal) - len(literal.lstrip("rRbBuUfF"))].lower()
    if "r" in prefix:
        return False
    for match in _ESCAPE.finditer(literal.replace("\\\\", "  ")):
        code = match[1]
        if code[0] == "N":
            return True
        value = int(code[1:], 16) if code[0] in "xuU" else int(code, 8)
        if 0x20 <= value < 0x7F:
            return True
    return False
