"""Tasks handed to workers: cells run in parallel, one thread each, so that cores are shared well.

The pool owns its workers: a task whose process dies (killed, out of memory) is given out again, `retries` times; Ctrl-C
asks every job to write a checkpoint and end, and ends what has not by then.
"""

import contextlib
import dataclasses
import os
import selectors
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.core.patience import overdue
from mlintern.core.roots import ROOT
from mlintern.packs import snapshot
from mlintern.sandbox import left as on_disk
from mlintern.sandbox.policy import BARE
from mlintern.study.workers.notices import one_line
from mlintern.study.workers.slot import Launcher, NotAnEvent, Running, Slot, WorkerProcess, ended, words

GRACE_S = 5.0
"""How long jobs may take for a last checkpoint when everything is to end."""
DISK_EVERY_S = 1.0
"""Between two looks at what jobs have left on disk."""
KEEPING = ("train",)
"""Kinds of jobs that write a checkpoint when they are asked to stop."""
_INHERITED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "VIRTUAL_ENV", "SSL_CERT_FILE"),
    *("HF_ENDPOINT", "HF_HOME", "HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy"),
)
"""What a worker's environment takes over from ours; everything else that could matter is set by the level's pins. No
key is among it."""
_EXIT_CODES = (1, 2, 3)
_MOST_PIECES = 64  # of what an ended job printed: a pipe holds 16 of them


@dataclasses.dataclass(eq=False)
class Task:
    """One job for a worker."""

    name: str
    """How messages call it."""
    job: dict[str, Any]
    attempts: int = 0
    tolerant: bool = False
    """A user's mistake in it is its own failure, and does not end the others."""
    outputs: int | None = None
    """A descriptor that the job may write to beside its events, as `Worker.outputs`; the caller's to close."""


@dataclasses.dataclass(frozen=True)
class Event:
    """What became known of a task."""

    kind: str
    """`started`, `progress`, `waiting` (for another process), `warning`, `asked` (see `Pool.answer`), `told` (an event
    of another name, in `result`), `done`, `retried`, `failed` or `out_of_memory`."""
    task: Task
    step: int = 0
    result: dict[str, Any] = dataclasses.field(default_factory=dict)
    message: str = ""


@dataclasses.dataclass(frozen=True)
class Bare:
    """Workers as plain child processes, with nothing between their code and the user's files."""

    setup: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    record: Mapping[str, Any] = dataclasses.field(default_factory=lambda: dict(BARE))
    path: str = str(ROOT)
    """Where Python looks for modules."""

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], errors: IO[bytes], control: int
    ) -> WorkerProcess:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            env={**environment, "PYTHONPATH": self.path},
            cwd=ROOT,
            pass_fds=[control],
        )


class Pool:
    """Up to `size` workers with the given environment pins; started when there is work, ended by `close`."""

    def __init__(self, size: int, pins: Mapping[str, str], retries: int = 1, launcher: Launcher | None = None):
        self.size, self.retries, self.launcher = size, retries, launcher or Bare()
        self.environment = {**{k: os.environ[k] for k in _INHERITED if k in os.environ}, **pins}
        self.environment |= {"PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
        self.environment["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # what is forked has one thread
        self.selector = selectors.DefaultSelector()
        self.slots: list[Slot] = []
        self.waiting: deque[Task] = deque()
        self.closing: list[Callable[[], None]] = []
        """What else is to be ended with the workers."""
        self.warned: Callable[[str, str], None] = lambda name, message: None
        """Takes what a task of `map` warns of: (the task's name, message)."""
        self.closed = False
        self._disk_due = 0.0
        self.imported: set[str] = set()
        """Files of the modules that jobs were forked with, the pack's own code left out."""

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, tasks: Sequence[Task], more: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Run all tasks, in order as workers come free, and go on while there may be `more`; yields what happens.

        Raises UserError for a user's mistake. An event of a task without a name says that time goes by.

        Whoever consumes the events may `add` tasks on the way, `answer` a task that asked, and have another run
        `beside` it.
        """
        waiting = self.waiting
        waiting.extend(tasks)
        while waiting or any(slot.running for slot in self.slots) or more():
            while waiting and (slot := self._idle()):
                task = waiting.popleft()
                if slot.give(task):
                    yield Event("started", task)
                else:
                    self._drop(slot)
                    waiting.appendleft(task)
            for event in self._turn(0.5):
                if event.kind == "retried":
                    waiting.append(event.task)
                yield event
            yield Event("progress", Task("", {}))

    def add(self, task: Task, *, next: bool = False) -> None:
        """Put one more task at the end of those that `run` is at work on, or, with `next`, before all of them."""
        if next:
            self.waiting.appendleft(task)
        else:
            self.waiting.append(task)

    def watch(self, source: socket.socket, heard: Callable[[], None]) -> None:
        """Have `heard` called, while tasks run, whenever there is something to read from `source`."""
        self.selector.register(source, selectors.EVENT_READ, heard)

    def unwatch(self, source: socket.socket) -> None:
        """Leave it alone again."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(source)

    def refuse(self, task: Task, why: str) -> None:
        """End a task that does what it may not; it fails, and is not tried again."""
        with contextlib.suppress(RuntimeError):
            slot, job = self._place(task)
            task.attempts, job.fault = self.retries, why
            slot.kill(job)

    def beside(self, asking: Task, task: Task) -> None:
        """Start a task at once in the worker whose task `asking` waits for an answer. Raises RuntimeError where none
        does."""
        slot, job = self._place(asking)
        if not job.asked or not slot.give(task):
            raise RuntimeError(f"{asking.name}: waits for no answer")

    def answer(self, asking: Task, value: Mapping[str, Any]) -> None:
        """What a task asked for. Raises RuntimeError where it did not ask."""
        _, job = self._place(asking)
        if not job.asked:
            raise RuntimeError(f"{asking.name}: waits for no answer")
        job.asked = False
        job.say({"answer": dict(value)})

    def map(self, tasks: Sequence[Task]) -> dict[str, dict[str, Any]]:
        """Run tasks that must all succeed; {task name: result}. Raises UserError with the first failure."""
        results = {}
        for event in self.run(tasks):
            if event.kind == "done":
                results[event.task.name] = event.result
            elif event.kind == "warning":
                self.warned(event.task.name, event.message)
            elif event.kind in ("failed", "out_of_memory"):
                raise UserError(f"{event.task.name}: {event.message}")
        return results

    def _place(self, task: Task) -> tuple[Slot, Running]:
        for slot in self.slots:
            if (job := slot.running_of(task)) is not None:
                return slot, job
        raise RuntimeError(f"{task.name}: does not run any more")

    def _idle(self) -> Slot | None:
        for slot in self.slots:
            if slot.idle:
                return slot
        if len(self.slots) >= self.size:
            return None
        snapshot.check()
        self.slots.append(Slot(self.launcher, self.environment, self.selector))
        return self.slots[-1]

    def _turn(self, seconds: float) -> list[Event]:
        """Wait for something to happen, at most so long, and take it in."""
        for slot in self.slots:
            for job in slot.running.values():
                job.flush()
        self._look_at_disk()
        found: list[Event] = []
        for key, _ in self.selector.select(timeout=seconds):
            if callable(key.data):
                key.data()
                continue
            slot, job = key.data
            if slot not in self.slots:
                continue
            if job is None:
                found += self._hear_control(slot)
            elif job.id in slot.running and key.fd == job.errors:
                if not job.hear_errors():
                    slot.deafen(job.errors)
            elif job.id in slot.running:
                found += self._hear(slot, job) or []
        return found

    def _look_at_disk(self) -> None:
        """End jobs that leave more than they may where they may write, once in a while."""
        if time.monotonic() < self._disk_due:
            return
        self._disk_due = time.monotonic() + DISK_EVERY_S
        for slot in self.slots:
            for job in slot.running.values():
                folders = [Path(name) for name in job.task.job.get("writes", [])]
                if job.final is None and not job.fault and (wrong := on_disk.problem(folders)):
                    job.final = {"event": "error", "message": wrong, "user": True}
                    job.to_clear = folders
                    slot.kill(job)

    def _hear(self, slot: Slot, job: Running) -> list[Event] | None:
        """What a job sent, as far as it concerns others now, None where nothing is there; how it ended is told when its
        process has."""
        found = []
        try:
            heard = job.hear()
            if heard is None:
                return None
            for event in heard:
                kind = event["event"]
                if job.final is not None:
                    continue
                if kind == "progress":
                    found.append(Event("progress", job.task, step=event.get("step", 0)))
                elif kind == "waiting":
                    found.append(Event("waiting", job.task, message=one_line(event.get("message", ""))))
                elif kind == "warning":
                    found.append(Event("warning", job.task, message=one_line(event.get("message", ""))))
                elif kind == "ask":
                    job.asked = True
                    found.append(Event("asked", job.task, result=event))
                elif kind in ("done", "error", "interrupted", "out_of_memory"):
                    job.final = event
                else:
                    found.append(Event("told", job.task, result=event))
        except EOFError:
            slot.deafen(job.events)
            return None
        except NotAnEvent as error:
            job.fault = str(error)
            slot.deafen(job.events)
            slot.kill(job)
        return found

    def _hear_control(self, slot: Slot) -> list[Event]:
        over = slot.hear_control()
        self.imported.update(slot.imported)
        if over is None:
            return self._dead(slot)
        found = []
        for job, code in over:
            found += self._rest(slot, job)
            slot.let_go(job)
            found.append(self._over(job, code))
        return found

    def _rest(self, slot: Slot, job: Running) -> list[Event]:
        """What a job had sent before its process ended."""
        found: list[Event] = []
        while job.final is None and not job.fault and (heard := self._hear(slot, job)) is not None:
            found += heard
        for _ in range(_MOST_PIECES):
            if not job.hear_errors():
                break
        return found

    def _over(self, job: Running, code: int) -> Event:
        """How a job has ended."""
        task = job.task
        event: dict[str, Any] | None = job.final
        for folder in job.to_clear:
            with contextlib.suppress(UserError, OSError):  # what cannot go, stays: the failure is told all the same
                files.keep_only(folder, ())
        if job.fault:
            return self._again(task, job.fault)
        if event is None and (late := overdue(code, job.last_words.decode(errors="replace"))):
            event = {"event": "error", "message": words(late), "user": True}  # it would take as long again
        if event is None:
            return self._again(task, ended(code, bytes(job.last_words)))
        if event["event"] == "out_of_memory":
            return Event("out_of_memory", task, message=event.get("message", ""))
        if event["event"] == "done":
            return Event("done", task, result=event.get("result", {}))
        message = event.get("message", "interrupted")
        if event.get("user") and task.tolerant:
            return Event("failed", task, message=message)
        if event.get("user"):
            error = UserError(message)
            error.exit_code = event["exit_code"] if event.get("exit_code") in _EXIT_CODES else 2
            raise error
        return self._again(task, message)

    def _dead(self, slot: Slot) -> list[Event]:
        """A worker that is gone, with the jobs that it had."""
        words, tasks = slot.last_words(), [job.task for job in slot.running.values()]
        self._drop(slot)
        return [self._again(task, words) for task in tasks]

    def _again(self, task: Task, message: str) -> Event:
        task.attempts += 1
        kind = "retried" if task.attempts <= self.retries else "failed"
        return Event(kind, task, message=message)

    def _drop(self, slot: Slot) -> None:
        self.slots.remove(slot)
        slot.close()

    def close(self) -> None:
        """End the workers: those that train once they have written a checkpoint, or after `GRACE_S`; others at once."""
        if self.closed:
            return
        self.closed = True
        self.waiting.clear()
        for slot in self.slots:
            for job in slot.running.values():
                if job.task.job.get("kind") in KEEPING:
                    job.stop()
                else:
                    slot.kill(job)
        deadline = time.monotonic() + GRACE_S
        try:
            while any(slot.running for slot in self.slots) and (left := deadline - time.monotonic()) > 0:
                with contextlib.suppress(UserError):  # it is over: how, does not matter any more
                    self._turn(min(0.5, left))
        finally:  # also where a second Ctrl-C wants it to be now
            for slot in list(self.slots):
                self._drop(slot)
            self.selector.close()
            for end in self.closing:
                end()
