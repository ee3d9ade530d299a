"""Worker processes, and tasks handed to them: cells run in parallel, one thread each, so that cores are shared well.

The pool owns its processes: a task whose worker dies (killed, out of memory) is given to a fresh one, `retries` times;
Ctrl-C asks every worker to write a checkpoint and end.
"""

import contextlib
import dataclasses
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, Protocol

from mlintern import snapshot
from mlintern.config import ROOT
from mlintern.errors import UserError

STOP_TIMEOUT_S = 60.0
_INHERITED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "VIRTUAL_ENV", "SSL_CERT_FILE", "WANDB_API_KEY"),
    *("HF_ENDPOINT", "HF_HOME", "HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy"),
)
"""What a worker's environment takes over from ours; everything else that could matter is set by the level's pins."""


class WorkerProcess(Protocol):
    """What the pool needs of a process, bare or sandboxed."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


Launch = Callable[[Sequence[str], Mapping[str, str], IO[bytes]], WorkerProcess]


@dataclasses.dataclass
class Task:
    """One job for a worker."""

    name: str
    """How messages call it."""
    job: dict[str, Any]
    attempts: int = 0
    tolerant: bool = False
    """A user's mistake in it is its own failure, and does not end the others."""


@dataclasses.dataclass(frozen=True)
class Event:
    """What became known of a task."""

    kind: str
    """`started`, `progress`, `waiting` (for another process), `done`, `retried`, `failed` or `out_of_memory`."""
    task: Task
    step: int = 0
    result: dict[str, Any] = dataclasses.field(default_factory=dict)
    message: str = ""


def launch_bare(argv: Sequence[str], environment: Mapping[str, str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a worker as a plain child process (for code that a human approved)."""
    return subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        bufsize=0,
        env=dict(environment),
        cwd=ROOT,
    )


class _Process:
    """One worker process and what it is doing."""

    def __init__(self, launch: Launch, environment: Mapping[str, str]):
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.popen = launch([sys.executable, "-m", "mlintern.study.worker"], environment, self.errors)
        self.task: Task | None = None
        self._pending = b""

    def hear(self) -> list[dict[str, Any]] | None:
        """The events that arrived; None when the process has closed its end."""
        assert self.popen.stdout is not None
        data = os.read(self.popen.stdout.fileno(), 1 << 16)
        *lines, self._pending = (self._pending + data).split(b"\n")
        return [json.loads(line) for line in lines] if data else None

    def give(self, task: Task) -> bool:
        """Hand over a task; False if the process is gone."""
        assert self.popen.stdin is not None
        self.task = task
        try:
            message = memoryview(json.dumps(task.job).encode() + b"\n")
            while message:
                message = message[self.popen.stdin.write(message) :]  # a raw pipe may take less than all
            self.popen.stdin.flush()  # and a sandbox's is buffered
        except BrokenPipeError:
            return False
        return True

    def last_words(self) -> str:
        """The last line that the process wrote to stderr, and how it ended."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        code = self.popen.wait()
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"its worker process {ended}" + (f" ({lines[-1]})" if lines else "")

    def close(self) -> None:
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self.errors.close()


class Pool:
    """Up to `size` workers with the given environment pins; started when there is work, ended by `close`."""

    def __init__(self, size: int, pins: Mapping[str, str], retries: int = 1, launch: Launch = launch_bare):
        self.size, self.retries, self.launch = size, retries, launch
        self.environment = {**{k: os.environ[k] for k in _INHERITED if k in os.environ}, **pins}
        self.environment |= {"PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
        self.selector = selectors.DefaultSelector()
        self.processes: list[_Process] = []
        self.waiting: deque[Task] = deque()
        self.closed = False

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Run all tasks, in order as workers come free; yields what happens. Raises UserError for a user's mistake.

        Whoever consumes the events may `add` tasks on the way.
        """
        waiting = self.waiting
        waiting.clear()
        waiting.extend(tasks)
        while waiting or any(p.task for p in self.processes):
            while waiting and (process := self._idle()):
                task = waiting.popleft()
                if process.give(task):
                    yield Event("started", task)
                else:
                    process.task = None
                    self._drop(process)
                    waiting.appendleft(task)
            for selected, _ in self.selector.select(timeout=0.5):
                process = selected.data
                heard = process.hear()
                events = [self._dead(process)] if heard is None else [self._heard(process, event) for event in heard]
                for event in events:
                    if event is None:
                        continue
                    if event.kind == "retried":
                        waiting.append(event.task)
                    yield event
            yield Event("progress", Task("", {}))

    def add(self, task: Task) -> None:
        """Put one more task at the end of those that `run` is at work on."""
        self.waiting.append(task)

    def map(self, tasks: Sequence[Task]) -> dict[str, dict[str, Any]]:
        """Run tasks that must all succeed; {task name: result}. Raises UserError with the first failure."""
        results = {}
        for event in self.run(tasks):
            if event.kind == "done":
                results[event.task.name] = event.result
            elif event.kind in ("failed", "out_of_memory"):
                raise UserError(f"{event.task.name}: {event.message}")
        return results

    def _idle(self) -> _Process | None:
        for process in self.processes:
            if process.task is None:
                return process
        if len(self.processes) >= self.size:
            return None
        snapshot.check()
        process = _Process(self.launch, self.environment)
        assert process.popen.stdout is not None
        self.processes.append(process)
        self.selector.register(process.popen.stdout, selectors.EVENT_READ, process)
        return process

    def _heard(self, process: _Process, event: dict[str, Any]) -> Event | None:
        task = process.task
        assert task is not None
        if event["event"] == "progress":
            return Event("progress", task, step=event["step"])
        if event["event"] == "waiting":
            return Event("waiting", task, message=event["message"])
        process.task = None
        if event["event"] == "out_of_memory":
            return Event("out_of_memory", task, message=event["message"])
        if event["event"] == "done":
            return Event("done", task, result=event["result"])
        if event.get("user") and task.tolerant:
            return Event("failed", task, message=event["message"])
        if event.get("user"):
            error = UserError(event["message"])
            error.exit_code = event["exit_code"]
            raise error
        return self._again(task, event.get("message", "interrupted"))

    def _dead(self, process: _Process) -> Event | None:
        task, words = process.task, process.last_words()
        self._drop(process)
        return self._again(task, words) if task is not None else None

    def _again(self, task: Task, message: str) -> Event:
        task.attempts += 1
        kind = "retried" if task.attempts <= self.retries else "failed"
        return Event(kind, task, message=message)

    def _drop(self, process: _Process) -> None:
        assert process.popen.stdout is not None
        self.selector.unregister(process.popen.stdout)
        self.processes.remove(process)
        process.popen.wait()
        process.close()

    def close(self) -> None:
        """End the workers by closing their input: idle ones end at once, busy ones after writing a checkpoint."""
        if self.closed:
            return
        self.closed = True
        for process in self.processes:
            if process.popen.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.popen.stdin.close()
        for process in self.processes:
            try:
                process.popen.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
            process.close()
        self.processes.clear()
        self.selector.close()
