"""How long code of a pack may take to get ready: to be imported, or to be built. A training has no such limit.

A worker's child is armed (`arm`) before it runs a line of a pack. Where time is up, the system's timer ends it by a
signal that no Python code has to be ready for: `10**10**10`, a regular expression and a `while True` all keep the
interpreter to themselves. Before it dies, faulthandler writes where the code stood; `overdue` makes one line of that.
"""

import contextlib
import dataclasses
import faulthandler
import re
import signal
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class Patience:
    """Seconds that something may take."""

    cpu_s: float
    """Of computing, all threads together."""
    wall_s: float = 0.0
    """From beginning to end, computing or not; 0: no limit."""


IMPORT = Patience(60, 600)
"""For a module of a pack, and for all that it imports: libraries that packs name are imported before."""
BUILD = Patience(1200)
"""For one object of a configuration; vetting has as much for all of a pack's models together."""
STDERR = 2
_SIGNALS = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
_FRAME = re.compile(r'File "[^"\n]*/(papers/[^"\n]+)", line (\d+) in (.*)')
_armed = False


def arm() -> None:
    """Hold this process to these limits from now on; they are not a command's own, nor a notebook's."""
    global _armed
    for number in _SIGNALS:
        faulthandler.register(number, file=STDERR, all_threads=True, chain=True)
    _armed = True


@contextlib.contextmanager
def within(most: Patience) -> Iterator[None]:
    """End this process, if it is armed, where the block takes longer."""
    if not _armed:
        yield
        return
    seconds = {signal.ITIMER_PROF: most.cpu_s, signal.ITIMER_REAL: most.wall_s}
    before = {timer: signal.setitimer(timer, seconds[timer])[0] for timer in _SIGNALS.values()}
    try:
        yield
    finally:
        for timer, left in before.items():
            signal.setitimer(timer, left)


def overdue(code: int, printed: str) -> str | None:
    """Why a process that ended with `code` was ended, in one line that names the line of the pack where it stood; None
    where it was not for this."""
    if -code not in list(_SIGNALS):
        return None
    frames = _FRAME.findall(printed)
    imported = any(name.strip() == "<module>" for _, _, name in frames) or not frames
    most = IMPORT if imported else BUILD
    took = f"{most.cpu_s:g} s of computing" if -code == signal.SIGPROF else f"{most.wall_s:g} s"
    where = f"{frames[0][0]}:{frames[0][1]}" if frames else "the pack's code"
    if imported:
        return f"{where}: is not imported after {took}; what runs at import are definitions and short constants"
    return f"{where}: nothing is built after {took}; what is built from a configuration computes nothing long"
