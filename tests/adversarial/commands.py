"""The real command as a user starts it, with everything that it starts ended when its test ends, however that ends.

A hostile pack leaves processes that would outlive an aborted test and take the machine with them: the kernel kills the
command when the tests' process dies (`PR_SET_PDEATHSIG`), the command's end closes the sockets that its sandboxes hang
on, and what is left of its tree is looked for and killed here.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlintern.sandbox.usage import descendants

LONGEST_S = 600
"""A command that takes longer hangs; a busy machine takes minutes for what takes seconds on a quiet one."""
_SOON_S = 60
_LIBC = ctypes.CDLL(None)


@dataclass
class Done:
    """One run of the command."""

    code: int | None
    """None where it had to be killed."""
    said: str


@contextlib.contextmanager
def started(argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`python -m mlintern` for the block, which leaves nothing running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mlintern", *argv],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=_dies_with_its_parent,
    )
    try:
        yield process
    finally:
        _end(process)
        process.communicate()


def _dies_with_its_parent() -> None:
    _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; it holds through the command's own exec


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the command and all that is below it."""
    for pid in [*descendants(process.pid), process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def finish(process: subprocess.Popen[str], seconds: float = LONGEST_S) -> Done:
    """The command's end and all that it printed; one that does not end in so many seconds hangs."""
    try:
        said, _ = process.communicate(timeout=seconds)
        return Done(process.returncode, said)
    except subprocess.TimeoutExpired:
        _end(process)
        return Done(None, process.communicate()[0])


def interrupt(process: subprocess.Popen[str], names: Collection[str], how: signal.Signals) -> Done:
    """Signal the command once processes of all these names run, which payloads without end give themselves."""
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline and process.poll() is None and not set(names) <= set(_running()):
        time.sleep(0.2)
    assert process.poll() is None, process.communicate()[0]
    process.send_signal(how)
    return finish(process, _SOON_S)


def _running() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                yield (entry / "comm").read_text().strip()
