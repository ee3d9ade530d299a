"""The worker inside a sandbox: a parent that has imported torch and nothing of a pack, and one forked child per job.

    host ── control socket ──▶ parent (this process) ── fork ──▶ child: narrows itself, imports the pack, does one job
      └──────────── a pipe each for the job and its answers, events, stderr, outputs ────────────┘

A job's pipes are made by the host and come over the control socket as descriptors, so that what a child says reaches
the host without passing through anything that another child is forked from: the parent stays clean of all jobs, no
child can speak for another, and one that dies costs its job alone. A child closes every descriptor that is not its
own and, in a sandbox, holds itself to the paths that its job names before a line of the pack is run. When a job has
ended, everything that it left running is killed, and its files in /tmp and /dev/shm are removed.

Messages on the control socket are JSON lines. From the host: first the set-up (see `Setup`), then `{"id", "outputs"}`
with the descriptors of a job, and `{"kill": id}`. To the host: `{"imported": [file, ...]}` once jobs can be
forked, then `{"id", "ended": code}` (minus a signal's number).
"""

import contextlib
import fcntl
import importlib
import json
import os
import queue
import re
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from mlintern.core import installed, patience
from mlintern.core.errors import Interrupted

PROGRESS_EVERY_S = 0.5
LAST_WORDS_S = 10.0
"""How long a job may take to end once its host is gone; the host itself waits for less."""
SHARED_MEMORY = "/dev/shm"
"""Where loader processes leave batches; in a sandbox, emptied after each job."""
LIBRARIES = ("einops", "numpy", "scipy", "sklearn", "timm", "tokenizers", "torchmetrics", "torchvision", "transformers")
"""What the code of a pack may import beside torch; imported before the fork where a pack names it."""
_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import|import[ \t]+([\w., \t]+))", re.MULTILINE)
_MOST_SOURCE_BYTES = 4 << 20
_ASIDE = 128  # a descriptor that nobody has by then


@dataclass(frozen=True)
class Setup:
    """What the host says of a worker before its first job."""

    isolated: bool = False
    """In a PID namespace of its own: whatever else runs in it was left by a job."""
    readable: Sequence[str] = ()
    """What every job may read in a sandbox: the system, the interpreter, mlintern, the pack."""
    writable: Sequence[str] = ()
    """What every job may write in a sandbox: devices."""
    shared_memory: bool = True
    """Whether a job may write to /dev/shm, because nothing else is there."""
    network: bool = False
    """Whether the sandbox has a network that a job may be given."""
    sources: Sequence[str] = ()
    """The pack's folders: the libraries that the files in them import are imported before the first fork."""
    targets: Sequence[str] = ()
    """What configurations name out of libraries: looked up before the first fork, as each job would anew."""
    jobs: str = "mlintern.study.workers.jobs"
    """The module that knows the kinds of jobs: `preload()` is called before the first fork, `serve(worker, job)` in
    each child."""


class Worker:
    """A child's side of the conversation with its host."""

    def __init__(self, source: int, events: int, outputs: int | None = None):
        """Descriptors: of the job and the answers to it, of events, and, where the job has it, of outputs."""
        self.events, self.outputs = events, outputs
        self.stopping = False
        self.last_progress = 0.0
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, args=(source,), daemon=True).start()

    def _listen(self, source: int) -> None:
        """It reads the bare descriptor: a Python file's lock, held by this thread, would stay locked for ever in the
        loader processes that a cell forks."""
        pending = b""
        while data := os.read(source, 1 << 16):
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._lines.put(json.loads(line))
        self.stopping = True
        self._lines.put(None)
        time.sleep(LAST_WORDS_S)  # long enough for a checkpoint; a job that hangs must not outlive its host
        os._exit(1)

    def hear(self) -> dict[str, Any]:
        """The host's next line: the job, then the answer to each question. Raises Interrupted where none comes."""
        line = self._lines.get()
        if line is None:
            raise Interrupted
        return line

    def tell(self, **event: Any) -> None:
        """Send one event; a host that is gone means stop."""
        data = memoryview(json.dumps(event).encode() + b"\n")
        try:
            while data:
                data = data[os.write(self.events, data) :]
        except BrokenPipeError:
            self.stopping = True

    def ask(self, **event: Any) -> dict[str, Any]:
        """Put a question to the host and wait for the answer. Raises Interrupted when the host wants it to stop."""
        self.tell(event="ask", **event)
        answer: dict[str, Any] = self.hear()["answer"]
        return answer

    def progress(self, step: int) -> None:
        """Report a step, at most every half second."""
        now = time.monotonic()
        if now - self.last_progress >= PROGRESS_EVERY_S:
            self.last_progress = now
            self.tell(event="progress", step=step)


class Parent:
    """The process that forks: it runs nothing of a pack, and nothing of a job passes through it."""

    def __init__(self, control: socket.socket):
        self.control = control
        self.children: dict[int, int] = {}
        """{pid: the job's id}."""
        self._pending = bytearray()
        self._handles: list[int] = []
        self.setup = Setup()

    def serve(self) -> None:
        """Fork a child for each job that the host sends, until the host closes its end."""
        message = self._next()
        if message is None:
            return
        self.setup = Setup(**message)
        preload(self.setup)
        with contextlib.suppress(OSError):  # the host is gone: the socket's end is heard below
            self.control.sendall(json.dumps({"imported": sorted(installed.imported())}).encode() + b"\n")
        woken, wakes = os.pipe()
        os.set_blocking(wakes, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            while (message := self._message()) is not None:
                self._obey(message)
            self._reap()
            sources: list[Any] = [self.control, woken]
            ready = select.select(sources, [], [])[0]
            if woken in ready:
                os.read(woken, 4096)
            if self.control in ready and not self._receive():
                break
        self._last_words()

    def _obey(self, message: dict[str, Any]) -> None:
        if "kill" in message:
            for pid in [pid for pid, job in self.children.items() if job == message["kill"]]:
                os.kill(pid, signal.SIGKILL)
            return
        count = 4 if message["outputs"] else 3
        handles, self._handles = self._handles[:count], self._handles[count:]
        pid = os.fork()
        if pid == 0:
            _run_child(self.setup, message["id"], handles)
        self.children[pid] = message["id"]
        for handle in handles:
            os.close(handle)

    def _reap(self) -> None:
        """Collect the children that have ended, end what they left, and tell the host."""
        while self.children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (job := self.children.pop(pid, None)) is None:
                continue
            if not self.setup.isolated:
                with contextlib.suppress(ProcessLookupError, PermissionError):  # the latter: a group of zombies (macOS)
                    os.killpg(pid, signal.SIGKILL)
            elif not self.children:  # else a job at another's side has ended: with the last, all goes
                _end_everything()
                shutil.rmtree(_folder_of(job), ignore_errors=True)
                if self.setup.shared_memory:
                    _empty(SHARED_MEMORY)
            line = json.dumps({"id": job, "ended": os.waitstatus_to_exitcode(status)}).encode() + b"\n"
            with contextlib.suppress(BrokenPipeError):
                self.control.sendall(line)

    def _last_words(self) -> None:
        """The host is gone, or wants no more: the children, whose pipes are closed as well, may write checkpoints."""
        deadline = time.monotonic() + LAST_WORDS_S
        while self.children and time.monotonic() < deadline:
            time.sleep(0.02)
            self._reap()
        for pid in self.children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _receive(self) -> bool:
        """Take in what has come; False where the host has closed its end."""
        data, handles, _, _ = socket.recv_fds(self.control, 1 << 16, 64)
        self._handles += handles
        self._pending += data
        return bool(data)

    def _message(self) -> dict[str, Any] | None:
        line, found, rest = self._pending.partition(b"\n")
        if not found:
            return None
        self._pending = rest
        message: dict[str, Any] = json.loads(line)
        return message

    def _next(self) -> dict[str, Any] | None:
        while (message := self._message()) is None:
            if not self._receive():
                return None
        return message


def _end_everything() -> None:
    """Kill every process of the namespace but its first and this one, and wait until they are gone."""
    while True:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.001)


def _empty(folder: str) -> None:
    """Remove what is in a folder; what cannot be removed (a tree too deep) ends this worker, and the folder too."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _run_child(setup: Setup, job_id: int, handles: list[int]) -> NoReturn:
    """One job, from the fork to the end of its process."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        source, events, errors, *outputs = _own(handles)
        os.dup2(errors, 1)  # whatever prints, prints to stderr
        os.dup2(errors, 2)
        os.close(errors)
        if sys.platform == "linux":
            from mlintern.sandbox import kernel

            kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # the watchdog counts pages shared with the parent once
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        patience.arm()
        worker = Worker(source, events, outputs[0] if outputs else None)
        job = worker.hear()
        _settle(setup, job_id, job)
        importlib.import_module(setup.jobs).serve(worker, job)
        code = 0
    except Interrupted:
        pass
    except BaseException:  # noqa: BLE001 - a fault of this tool before the job itself: its last line is the host's to say
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _folder_of(job_id: int) -> str:
    """A job's own temporary folder, in a sandbox."""
    return f"/tmp/mlintern-job-{job_id}"


def _own(handles: list[int]) -> list[int]:
    """Keep these descriptors, as the lowest numbers from 3 on, and close every other but 0, 1 and 2."""
    aside = [fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, _ASIDE) for handle in handles]
    for number, handle in enumerate(aside, start=3):
        os.dup2(handle, number, inheritable=False)
    os.closerange(3 + len(handles), os.sysconf("SC_OPEN_MAX"))
    return list(range(3, 3 + len(handles)))


def _settle(setup: Setup, job_id: int, job: Mapping[str, Any]) -> None:
    """Give the child folders of its own and, in a sandbox, hold it to what its job names."""
    if not setup.isolated:
        return
    from mlintern.sandbox import landlock, seccomp

    own = _folder_of(job_id)
    os.mkdir(own)
    os.environ |= {"TMPDIR": own, "HOME": own}
    tempfile.tempdir = own  # a library may have asked for it before the fork
    network = bool(job.get("network"))
    shared = [SHARED_MEMORY] if setup.shared_memory and job.get("shared_memory", True) else []
    writable = [*setup.writable, own, *shared, *job.get("writes", [])]
    landlock.restrict([*setup.readable, *job.get("reads", [])], writable, tcp=network)
    if setup.network and not network:
        seccomp.install()


def preload(setup: Setup) -> None:
    """Import what jobs will need, so that a fork has it."""
    with absent("matplotlib"):  # torchmetrics imports it to plot; in a new home it then reads every font of the system
        for name in imported_by(setup.sources):
            with contextlib.suppress(ImportError, AttributeError, OSError, RuntimeError, TypeError, ValueError):
                importlib.import_module(name)  # what cannot be imported is the pack's to say
        importlib.import_module(setup.jobs).preload()
        for target in setup.targets:
            _look_up(target)


def _look_up(target: str) -> None:
    """Import what defines a name of a library or of ours, and read its source, which checks of targets keep."""
    from mlintern.core.targets.check import target_problem

    top = target.partition(".")[0]
    if top in (*LIBRARIES, "mlintern", "torch"):
        target_problem(target, [f"{top}."])
        with contextlib.suppress(ImportError):
            importlib.import_module(target.rpartition(".")[0])


@contextlib.contextmanager
def absent(name: str) -> Iterator[None]:
    """Have a library look as if it were not installed, to those that import it only where it is."""
    from importlib import metadata

    known = vars(metadata.Distribution)["from_name"]

    def from_name(asked: str) -> metadata.Distribution:
        if asked == name:
            raise metadata.PackageNotFoundError(name)
        found: metadata.Distribution = known.__func__(metadata.Distribution, asked)
        return found

    setattr(metadata.Distribution, "from_name", staticmethod(from_name))  # noqa: B010 - a method of a class
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        setattr(metadata.Distribution, "from_name", known)  # noqa: B010
        del sys.modules[name]


def imported_by(folders: Iterable[str]) -> list[str]:
    """The allowed libraries that Python files below these folders name in import statements; nothing is run."""
    found = set()
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.py"))[:200]:
            if path.is_symlink() or not path.is_file():
                continue
            with open(path, "rb") as handle:
                text = handle.read(_MOST_SOURCE_BYTES)
            for one, several in _IMPORT.findall(text):
                for given in [one] if one else several.split(b","):
                    name = (given.split() or [b""])[0].decode()
                    parts = name.split(".")
                    if parts[0] in LIBRARIES and all(part.isidentifier() and part[:1] != "_" for part in parts):
                        found.add(name)
    return sorted(found)


def main() -> None:
    """Entry point of `python -m mlintern.study.workers.worker DESCRIPTOR`, which is that of the control socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the host, which then stops its workers
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if sys.platform == "linux":
        from mlintern.sandbox import kernel

        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        control.set_inheritable(False)
        Parent(control).serve()
        os._exit(0)  # the host waits, and taking torch apart is for nobody


if __name__ == "__main__":
    main()
