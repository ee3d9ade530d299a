"""Warnings: what torch and a pack warn of while a job runs reaches the user, once a cell, instead of a worker's stderr.

torch says in a warning, and nowhere else, that it broadcasts labels against outputs or divides by another number than
was meant. What reaches the terminal was written by whoever wrote the pack: it is one line, bounded and without control
characters.
"""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import TextIO

MOST = 10
"""Different warnings of one cell that are shown."""
LONGEST = 300
_QUIET = (
    f"{os.sep}site-packages{os.sep}lightning",
    os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep,
)
"""Files whose warnings are about how the engine uses Lightning, which no user can mend."""


@contextlib.contextmanager
def heard(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell each warning of the block once, whichever it was shown for before."""
    said: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = one_line(f"{message} ({os.path.basename(filename)}:{lineno})")
        wanted = issubclass(category, UserWarning | RuntimeWarning) and not any(part in filename for part in _QUIET)
        if wanted and text not in said and len(said) < MOST:
            said.add(text)
            tell(text)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = show
        yield


def one_line(text: str) -> str:
    """A worker's words as they may be shown: printable, in one line, and not too long."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST]).split())
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"
