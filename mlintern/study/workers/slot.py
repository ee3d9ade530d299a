"""The host's side of one worker: its process, and the pipes of the jobs that it has.

What comes out of a job's pipes was written by whoever wrote the pack. It is read in bounded pieces and believed to be
nothing but JSON objects of a bounded size; anything else is the job's failure.
"""

import contextlib
import dataclasses
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from mlintern.core.schema import plain

MOST_LINE_BYTES = 4 << 20
"""Of one event."""
MOST_EVENT_BYTES, MOST_EVENT_BYTES_PER_S = 64 << 20, 4 << 20
"""Of all events of a job: so many, and so many more for each second that it has run."""
KEPT_STDERR_BYTES = 16 << 10
MOST_WORDS = 2000
_CHUNK = 1 << 16
_END_S = 0.3


class WorkerProcess(Protocol):
    """What a slot needs of a process, bare or sandboxed."""

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


class Launcher(Protocol):
    """How workers are started."""

    @property
    def setup(self) -> Mapping[str, Any]:
        """What a worker is told first; see `mlintern.study.workers.worker.Setup`."""
        ...

    @property
    def record(self) -> Mapping[str, Any]:
        """What a run's record says of the sandbox: {"backend", "layers", "network"}."""
        ...

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], errors: IO[bytes], control: int
    ) -> WorkerProcess:
        """Start a worker that has the descriptor `control`; what it writes of itself goes to `errors`."""
        ...


class NotAnEvent(Exception):
    """A job sent something that no job sends."""


@dataclasses.dataclass
class Running:
    """One job that a worker has."""

    id: int
    task: Any
    source: int
    """Descriptor that the job, and answers to it, are written to; -1 once it is closed."""
    events: int
    errors: int
    waiting_to_go: bytes = b""
    """Of the job and answers: what the pipe had no room for yet."""
    asked: bool = False
    """It has put a question and waits for the answer."""
    final: dict[str, Any] | None = None
    """The event that says how it ended; it counts once the process has."""
    fault: str = ""
    """What it sent that no job sends."""
    to_clear: Sequence[Path] = ()
    """Folders to empty once it has ended: it left more there than it may."""
    last_words: bytearray = dataclasses.field(default_factory=bytearray)
    began: float = dataclasses.field(default_factory=time.monotonic)
    _pending: bytearray = dataclasses.field(default_factory=bytearray)
    _bytes: int = 0

    def hear(self) -> list[dict[str, Any]] | None:
        """The events that arrived, at most a piece of them, None where nothing did; raises NotAnEvent, EOFError at the
        end."""
        try:
            data = os.read(self.events, _CHUNK)
        except BlockingIOError:
            return None
        if not data:
            raise EOFError
        self._bytes += len(data)
        if self._bytes > MOST_EVENT_BYTES + MOST_EVENT_BYTES_PER_S * (time.monotonic() - self.began):
            raise NotAnEvent("its code floods the events")
        self._pending += data
        *lines, rest = self._pending.split(b"\n")
        self._pending = rest
        if len(rest) > MOST_LINE_BYTES:
            raise NotAnEvent(f"its code sent an event of more than {MOST_LINE_BYTES >> 20} MiB")
        return [event_of(bytes(line)) for line in lines]

    def hear_errors(self) -> bool:
        """Keep the end of what it printed; False at its end, or where nothing is there."""
        try:
            data = os.read(self.errors, _CHUNK)
        except BlockingIOError:
            return False
        self.last_words += data
        del self.last_words[:-KEPT_STDERR_BYTES]
        return bool(data)

    def say(self, message: Mapping[str, Any]) -> None:
        """Write it a line, now or as its pipe has room."""
        self.waiting_to_go += json.dumps(message, default=plain).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Write what has not gone yet."""
        while self.waiting_to_go and self.source >= 0:
            try:
                self.waiting_to_go = self.waiting_to_go[os.write(self.source, self.waiting_to_go) :]
            except BlockingIOError:
                return
            except BrokenPipeError:  # it has ended; how, is heard elsewhere
                self.waiting_to_go = b""

    def stop(self) -> None:
        """Ask it to end: it may write a checkpoint."""
        if self.source >= 0:
            os.close(self.source)
            self.source = -1

    def close(self) -> None:
        self.stop()
        os.close(self.events)
        os.close(self.errors)


def event_of(line: bytes) -> dict[str, Any]:
    """One line as an event. Raises NotAnEvent."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("event"), str):
        raise NotAnEvent("its code sent something that is no event")
    for name, kind in (("step", int), ("message", str), ("result", dict)):
        if name in value and (not isinstance(value[name], kind) or isinstance(value[name], bool)):
            raise NotAnEvent(f"its code sent an event whose {name} is no {kind.__name__}")
    if "message" in value:
        value["message"] = words(value["message"])
    return value


def words(text: str) -> str:
    """Text of a job's as it may be shown: no control characters, no more than a screenful."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text[:MOST_WORDS])


class Slot:
    """One worker process and the jobs that it has: one, or one more at the side of one that waits for an answer."""

    def __init__(self, launcher: Launcher, environment: Mapping[str, str], selector: selectors.BaseSelector):
        self.selector = selector
        self.running: dict[int, Running] = {}
        self.imported: list[str] = []
        """The files of the modules that its jobs are forked with."""
        self._numbers = 0
        self._pending = bytearray()
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.control, theirs = socket.socketpair()
        try:
            argv = [sys.executable, "-m", "mlintern.study.workers.worker", str(theirs.fileno())]
            self.process = launcher.start(argv, environment, self.errors, theirs.fileno())
        except BaseException:
            self.control.close()
            self.errors.close()
            raise
        finally:
            theirs.close()
        with contextlib.suppress(OSError):  # it has ended at once; the selector will tell
            self.control.sendall(json.dumps(dict(launcher.setup)).encode() + b"\n")
        self.selector.register(self.control, selectors.EVENT_READ, (self, None))

    @property
    def idle(self) -> bool:
        return not self.running

    def give(self, task: Any) -> bool:
        """Hand over a task; False if the process is gone."""
        self._numbers += 1
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        handles = [theirs_in, theirs_out, theirs_err, *([] if task.outputs is None else [task.outputs])]
        message = json.dumps({"id": self._numbers, "outputs": task.outputs is not None}).encode() + b"\n"
        try:
            socket.send_fds(self.control, [message], handles)
        except OSError:
            for handle in (ours_in, ours_out, ours_err):
                os.close(handle)
            return False
        finally:
            for handle in handles[:3]:
                os.close(handle)
        for handle in (ours_in, ours_out, ours_err):
            os.set_blocking(handle, False)
        job = Running(self._numbers, task, ours_in, ours_out, ours_err)
        self.running[job.id] = job
        self.selector.register(ours_out, selectors.EVENT_READ, (self, job))
        self.selector.register(ours_err, selectors.EVENT_READ, (self, job))
        job.say(task.job)
        return True

    def running_of(self, task: Any) -> Running | None:
        """The job that a task has become, while it runs."""
        return next((job for job in self.running.values() if job.task is task), None)

    def kill(self, job: Running) -> None:
        """End a job's process at once."""
        with contextlib.suppress(OSError):
            self.control.sendall(json.dumps({"kill": job.id}).encode() + b"\n")

    def hear_control(self) -> list[tuple[Running, int]] | None:
        """The jobs that have ended, with the exit codes of their processes; None when the worker itself is gone."""
        try:
            data = self.control.recv(_CHUNK)
        except ConnectionResetError:
            return None
        if not data:
            return None
        self._pending += data
        *lines, self._pending = self._pending.split(b"\n")
        ended = []
        for line in lines:
            message = json.loads(line)
            if "imported" in message:
                self.imported = message["imported"]
            elif (job := self.running.pop(message["id"], None)) is not None:
                ended.append((job, message["ended"]))
        return ended

    def let_go(self, job: Running) -> None:
        """Close the pipes of a job that has ended."""
        self.deafen(job.events)
        self.deafen(job.errors)
        job.close()

    def deafen(self, handle: int) -> None:
        """Listen to a pipe no more."""
        with contextlib.suppress(KeyError):  # it came to its end before
            self.selector.unregister(handle)

    def last_words(self) -> str:
        """How the worker itself ended, and the last line that it wrote."""
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if limit := getattr(self.process, "ended_by", None):
            return f"its worker process was ended by the sandbox's limit {limit}"
        self.errors.seek(0)
        return ended(code, self.errors.read(KEPT_STDERR_BYTES * 64))

    def close(self) -> None:
        """End the worker and whatever it runs."""
        for job in list(self.running.values()):
            self.kill(job)
            self.let_go(job)
        self.running.clear()
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(self.control)
        self.control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # it ends with its control socket, and its jobs with it
            self.process.wait(_END_S)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.errors.close()


def ended(code: int, printed: bytes) -> str:
    """How a process ended, in words, with the last line that it printed."""
    lines = words(printed[-MOST_WORDS:].decode(errors="replace")).strip().splitlines()
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"its worker process {how}" + (f" ({lines[-1]})" if lines else "")
