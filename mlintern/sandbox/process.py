"""Starting, feeding and ending sandboxed programs; the module other parts call."""

import contextlib
import functools
import json
import os
import re
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Any, Self

from mlintern.core.errors import UserError
from mlintern.sandbox import bubblewrap, view
from mlintern.sandbox.limits import GIB, Backend, Completed, Limits, Network
from mlintern.sandbox.pipes import CHUNK, communicate
from mlintern.sandbox.usage import descendants

_SECRET_VARIABLE = re.compile(r"(?i)(api_?key|token|secret|passw|credential|(^|_)key($|_)|(^|_)auth($|_))")
_BARE = "run it bare only if you trust the code, with sandbox=none"
_GRACE_S = 10.0  # what the supervisor may take to end a sandbox before the host does it


class SandboxedProcess:
    """A running sandbox: like `subprocess.Popen`, and everything in it ends together.

    Ends when the program ends, a limit is passed, `kill` is called, the context is left, or this process dies.
    """

    def __init__(self, popen: subprocess.Popen[bytes], control: socket.socket, backend: str):
        self._popen = popen
        self._control = control
        self._buffer = bytearray()
        self._started_at = time.monotonic()
        self.backend = backend
        self.stdin: IO[bytes] | None = popen.stdin
        self.stdout: IO[bytes] | None = popen.stdout
        self.stderr: IO[bytes] | None = popen.stderr
        self.layers: tuple[str, ...] = ()
        """The layers that hold, as the supervisor verified them."""
        self.returncode: int | None = None
        self.ended_by: str | None = None
        """The limit that ended it, `killed` after `kill`, or None."""
        self.peak_memory_bytes = 0

    @property
    def pid(self) -> int:
        """The host's PID of the outermost process."""
        return self._popen.pid

    def poll(self) -> int | None:
        """The return code once everything has ended, else None."""
        if self.returncode is None and self._popen.poll() is not None:
            self._finish()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end and returns the return code; raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._popen.wait(timeout)
            self._finish()
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """Ends every process of the sandbox and waits until they are gone."""
        if self.poll() is not None:
            return
        self.ended_by = self.ended_by or "killed"
        self._control.shutdown(socket.SHUT_WR)
        try:
            self._popen.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            for pid in [*descendants(self.pid), self.pid]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._popen.wait()
        self._finish()

    def close(self) -> None:
        """Kills what runs and closes the pipes."""
        self.kill()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # what was not flushed had no reader any more
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _message(self) -> dict[str, Any] | None:
        """The supervisor's next message, None when it has closed its end."""
        while b"\n" not in self._buffer:
            try:
                chunk = self._control.recv(CHUNK)
            except ConnectionResetError:
                return None
            if not chunk:
                return None
            self._buffer += chunk
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        message: dict[str, Any] = json.loads(line)
        return message

    def _finish(self) -> None:
        code = self._popen.returncode
        while (message := self._message()) is not None:
            if message["event"] == "ended":
                code = message["returncode"]
                self.ended_by = self.ended_by or message["ended_by"]
                self.peak_memory_bytes = message["peak_memory_bytes"]
        self._control.close()
        self.returncode = code

    def _await_start(self) -> None:
        message = self._message()
        if message is not None and message["event"] == "started":
            self.layers = (*(["bubblewrap"] if self.backend == "bwrap" else []), *message["layers"])
            return
        self._popen.wait()
        reason = message["reason"] if message else self._last_words()
        self.close()
        raise UserError(f"sandbox: {self.backend} could not start the program: {reason}")

    def _last_words(self) -> str:
        if self.stderr is None:
            return f"exit code {self._popen.returncode}"
        return self.stderr.read(2000).decode(errors="replace").strip() or f"exit code {self._popen.returncode}"


def popen_sandboxed(
    argv: Sequence[str],
    *,
    readonly: Sequence[Path],
    scratch: Path,
    limits: Limits,
    env: Mapping[str, str],
    backend: Backend = "auto",
    cwd: Path | None = None,
    devices: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    binds: Mapping[Path, Path] = MappingProxyType({}),
    network: Network = "none",
    pass_fds: Sequence[int] = (),
    stdin: int | IO[bytes] | None = subprocess.PIPE,
    stdout: int | IO[bytes] | None = subprocess.PIPE,
    stderr: int | IO[bytes] | None = subprocess.PIPE,
) -> SandboxedProcess:
    """Starts `argv` behind every layer that the host offers, with pipes; returns when the program itself runs.

    It sees the system's libraries, this interpreter, `readonly`, and may write to `scratch` (also its HOME and, unless
    `cwd` is given, its working folder), its own /tmp and /dev/shm. Of the environment it gets `env` alone, on top of
    PATH, HOME, LANG and a PYTHONPATH that finds mlintern. `devices` are passed through, for instance /dev/nvidia0.
    `writable` are further folders that it may change; they do not count towards `scratch_bytes`. `binds` are further
    folders to read, {where they appear: where they are}. `pass_fds` stay open in it, under their numbers.
    Standard output is whatever the program writes: it is not capped here, unlike in `run_sandboxed`.

    Raises UserError when the host offers no sandbox, when a path would defeat it, or when `env` holds a secret's name.
    """
    chosen = _choose(backend)
    if network == "peers":
        readonly = [*readonly, *(path for path in map(Path, view.RESOLVER_FILES) if path.exists())]
    mounts = view.build(readonly, [scratch, *writable], devices, binds)
    _refuse_secrets(env)
    scratch = scratch.resolve()
    work = str(cwd.absolute() if cwd is not None else scratch)
    changeable = [mount.target for mount in mounts if mount.kind in ("write", "device")]
    job = {
        "backend": chosen,
        "argv": [str(part) for part in argv],
        "env": {**_base_environment(scratch), **env},
        "cwd": work,
        "scratch": str(scratch),
        "limits": asdict(limits),
        "view": [asdict(mount) for mount in mounts],
        "inner_id": bubblewrap.INNER_ID,
        "readable": [*(m.target for m in mounts if m.kind == "read"), "/proc", "/dev"],
        "writable": [*changeable, "/tmp", *(f"/dev/{name}" for name in ("shm", "null", "zero", "full"))],
        "host_namespaces": _host_namespaces() if chosen != "none" else {},
        "absent": _absent(mounts),
        "network": network,
        "pass_fds": list(pass_fds),
        "nice": os.nice(0),
    }
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py")), str(theirs.fileno())]
    if chosen == "bwrap":
        command = bubblewrap.command(bubblewrap.executable() or "bwrap", mounts, limits, command, network)
    if os.geteuid() == 0:  # the kernel exempts root from RLIMIT_NPROC: the watchdog alone stops a fork bomb
        command = [*_before_all_others(), *command]
    try:
        popen = subprocess.Popen(
            command,
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={"PATH": "/usr/bin:/bin"},
            pass_fds=[theirs.fileno(), *pass_fds],
            start_new_session=True,
            cwd="/",
        )
    finally:
        theirs.close()
    process = SandboxedProcess(popen, ours, chosen)
    with contextlib.suppress(OSError):  # it did not start; the next line says why
        ours.sendall(json.dumps(job).encode() + b"\n")
    process._await_start()
    return process


def run_sandboxed(
    argv: Sequence[str],
    *,
    readonly: Sequence[Path],
    scratch: Path,
    limits: Limits,
    env: Mapping[str, str],
    backend: Backend = "auto",
    cwd: Path | None = None,
    devices: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    network: Network = "none",
    input: bytes = b"",
) -> Completed:
    """Runs `argv` to its end, `input` on its stdin, and returns what it wrote; otherwise as `popen_sandboxed`.

    Passing a limit is no error here: see `Completed.ended_by`.
    """
    started = time.monotonic()
    with popen_sandboxed(
        argv,
        readonly=readonly,
        scratch=scratch,
        limits=limits,
        env=env,
        backend=backend,
        cwd=cwd,
        devices=devices,
        writable=writable,
        network=network,
    ) as process:
        stdout, stderr, overflow = communicate(process, input, limits.output_bytes)
        if overflow:
            process.kill()
            process.ended_by = "output_bytes"
        return Completed(
            returncode=process.wait(),
            stdout=stdout,
            stderr=stderr,
            ended_by=process.ended_by,
            wall_s=time.monotonic() - started,
            peak_memory_bytes=process.peak_memory_bytes,
            layers=process.layers,
        )


def offered(backend: str) -> tuple[str, list[str]]:
    """(the backend that `backend` comes to on this host, its layers). Raises UserError where there is none."""
    chosen = _choose(backend)
    return chosen, list(_try_out(chosen)[0])


@functools.cache
def _try_out(backend: Backend) -> tuple[tuple[str, ...], str]:
    """(layers that hold with this backend, why it does not work), one of them empty."""
    if sys.platform != "linux":
        return (), "Linux namespaces are needed"
    if backend == "bwrap" and bubblewrap.executable() is None:
        return (), "bubblewrap is not installed"
    argv = [name] if Path(name := "/bin/true").exists() else [sys.executable, "-I", "-S", "-c", "pass"]
    limits = Limits(cpu_s=10, wall_s=20, memory_bytes=GIB, processes=16, file_size_bytes=1 << 20)
    with tempfile.TemporaryDirectory(prefix="mlintern-try-") as folder:
        try:
            tried: Any = _TriedOut(backend)
            done = run_sandboxed(argv, readonly=[], scratch=Path(folder), limits=limits, env={}, backend=tried)
        except UserError as error:
            return (), str(error).removeprefix("sandbox: ")
    if done.returncode != 0:
        return (), f"{backend} runs nothing: {done.stderr.decode(errors='replace').strip()[-300:]}"
    return done.layers, ""


class _TriedOut(str):
    """A backend that is being tried out, so that choosing it does not try it out again."""


def _choose(backend: str) -> str:
    if isinstance(backend, _TriedOut):
        return str(backend)
    if backend == "none":
        return "none"
    if backend not in ("auto", "bwrap", "unshare"):
        raise UserError(f"sandbox={backend} is unknown; use auto, bwrap, unshare or none")
    reasons = []
    names: tuple[Backend, ...] = ("bwrap", "unshare") if backend == "auto" else (backend,)  # type: ignore[assignment]
    for name in names:
        layers, reason = _try_out(name)
        if layers:
            return name
        reasons.append(reason)
    raise UserError(
        f"sandbox: this host offers none ({'; '.join(reasons)}). Install bubblewrap and allow unprivileged user "
        f"namespaces, or {_BARE}"
    )


@functools.cache
def _before_all_others() -> list[str]:
    """What runs the watchdog before everything that it watches: in real time, where that is allowed, for a thousand
    runnable processes leave even the nicest of the others a turn a minute. The program itself is an ordinary process.
    """
    real_time = ["chrt", "--fifo", "1"]
    with contextlib.suppress(OSError):
        if subprocess.run([*real_time, "true"], capture_output=True, check=False).returncode == 0:
            return real_time
    return ["nice", "-n", "-20"]


def _host_namespaces() -> dict[str, int]:
    return {name: os.stat(f"/proc/self/ns/{name}").st_ino for name in ("user", "pid", "net", "mnt", "ipc")}


def _base_environment(scratch: Path) -> dict[str, str]:
    user = [path for path in [site.getusersitepackages()] if path in sys.path]  # it follows HOME, which is another
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(scratch),
        "USER": "sandbox",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[2]), *user]),
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _refuse_secrets(env: Mapping[str, str]) -> None:
    for name in env:
        if _SECRET_VARIABLE.search(name):
            raise UserError(
                f"sandbox: the variable {name} looks like a secret and may not enter a sandbox; leave it out"
            )


def _absent(mounts: Sequence[view.Mount]) -> list[str]:
    """Host paths that must not exist inside, for the supervisor to verify: /etc/shadow and its like, home's secrets."""
    names = ["/etc/shadow", "/etc/passwd", "/run", "/var", "/srv", "/boot"]
    names += [str(home / name) for home in view.homes() for name in (".ssh", ".aws", ".netrc", ".config", ".bashrc")]
    targets = [Path(mount.target) for mount in mounts]
    return [
        name
        for name in names
        if not any(Path(name).is_relative_to(target) or target.is_relative_to(name) for target in targets)
    ]
