"""The first process of a sandbox: sets the last layers, starts the program, watches its limits, ends everything.

Run as a script (`python -I -S supervisor.py FD`) with a control socket at FD: a job comes in as one JSON line,
`started` and `ended` go out. It is PID 1 of its namespace: no process inside can stop, kill or trace it, and when it
exits the kernel ends all the others. It exits when the program ends, when a limit is passed, or when the control
socket closes because whoever started it is gone.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__":  # -I leaves the package's own folder out of the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mlintern.sandbox import kernel, landlock, namespaces, seccomp
from mlintern.sandbox.usage import SandboxUsage

_NAMESPACES = {"user": "user", "pid": "PID", "net": "network", "mnt": "mount", "ipc": "IPC"}
_TICK_S = 0.1
_NPROC_IS_PER_NAMESPACE = (5, 14)


def main(control: socket.socket) -> NoReturn:
    """Reads the job, runs it and exits."""
    job = json.loads(_read_line(control))
    isolated = job["backend"] != "none"
    try:
        if job["backend"] == "unshare":
            namespaces.enter(job["view"], job["limits"]["memory_bytes"], job["inner_id"], job["network"])
        layers = _verified_namespaces(job) if isolated else []
        _prepare_self(isolated)
        child, more = _start(job, isolated, control)
    except (OSError, RuntimeError) as error:
        _send(control, event="failed", reason=str(error))
        os._exit(1)
    _send(control, event="started", layers=[*layers, *more, "rlimits", "watchdog"])
    for handle in job["pass_fds"]:
        os.close(handle)
    for stream in (0, 1, 2):  # the program alone holds its pipes, so that its end is their end
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    returncode, ended_by, usage = _watch(child, job, control, isolated)
    if not isolated:
        usage.end_descendants(child)
    _send(control, event="ended", returncode=returncode, ended_by=ended_by, peak_memory_bytes=usage.peak_memory_bytes)
    os._exit(0)


def _read_line(control: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        chunk = control.recv(1 << 16)
        if not chunk:
            os._exit(1)
        received += chunk
    return bytes(received)


def _send(control: socket.socket, **message: Any) -> None:
    with contextlib.suppress(OSError):  # whoever started the sandbox is gone; the loop sees that and ends
        control.sendall(json.dumps(message).encode() + b"\n")


def _verified_namespaces(job: dict[str, Any]) -> list[str]:
    """The namespaces that really differ from the host's; raises RuntimeError when one that must is the same."""
    held = []
    for name, label in _NAMESPACES.items():
        if name == "net" and job["network"] == "peers":
            continue
        if os.stat(f"/proc/self/ns/{name}").st_ino == job["host_namespaces"][name]:
            raise RuntimeError(f"the {label} namespace is the host's own")
        held.append(f"{label} namespace")
    if os.getpid() != 1:
        raise RuntimeError("the supervisor is not PID 1")
    for target in job["absent"]:
        if os.path.lexists(target):
            raise RuntimeError(f"{target} can be seen")
    return held


def _prepare_self(isolated: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python's own handler would make PID 1 interruptible from inside
    if sys.platform != "linux":
        return
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # no memory or environment of ours in /proc
    if not isolated:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def _start(job: dict[str, Any], isolated: bool, control: socket.socket) -> tuple[int, list[str]]:
    """Forks and executes the program behind all layers; returns its PID and the layers set on it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        control.close()
        try:
            _execute(job, isolated, writing)
        except (OSError, ValueError) as error:
            os.write(writing, json.dumps({"error": str(error)}).encode())
        os._exit(127)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        reports = [json.loads(line) for line in pipe.read().splitlines()]
    for report in reports:
        if "error" in report:
            raise RuntimeError(report["error"])
    return child, [layer for report in reports for layer in report["layers"]]


def _execute(job: dict[str, Any], isolated: bool, report: int) -> NoReturn:
    os.setsid()
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, job["nice"])
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.chdir(job["cwd"])
    _set_rlimits(job["limits"])
    layers = []
    if sys.platform == "linux":
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        layers = ["no new privileges"]
    if isolated:
        network = job["network"] != "none"
        layers.append(f"Landlock (ABI {landlock.restrict(job['readable'], job['writable'], tcp=network)})")
        seccomp.install(network=network)
        layers.append("seccomp")
    os.write(report, json.dumps({"layers": layers}).encode() + b"\n")
    os.execvpe(job["argv"][0], job["argv"], job["env"])


def _set_rlimits(limits: dict[str, Any]) -> None:
    def hold(which: int, value: float) -> None:
        most = resource.getrlimit(which)[1]
        wanted = int(value) if most == resource.RLIM_INFINITY else min(int(value), most)
        resource.setrlimit(which, (wanted, wanted))

    hold(resource.RLIMIT_CORE, 0)
    hold(resource.RLIMIT_NOFILE, 4096)
    hold(resource.RLIMIT_FSIZE, limits["file_size_bytes"])
    hold(resource.RLIMIT_DATA, limits["memory_bytes"])
    if limits["cpu_s"] is not None:
        hold(resource.RLIMIT_CPU, limits["cpu_s"] + 1)
    version = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if (
        sys.platform == "linux" and version >= _NPROC_IS_PER_NAMESPACE
    ):  # before, the kernel counted all of the user's processes on the host
        hold(resource.RLIMIT_NPROC, limits["processes"])


def _watch(
    child: int, job: dict[str, Any], control: socket.socket, isolated: bool
) -> tuple[int, str | None, SandboxUsage]:
    """Waits for the program's end or a limit: (return code, the limit, what was used)."""
    limits = job["limits"]
    usage = SandboxUsage(isolated, Path(job["scratch"]))
    wake_reading, wake_writing = os.pipe()
    os.set_blocking(wake_writing, False)
    signal.set_wakeup_fd(wake_writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    poll.register(wake_reading, select.POLLIN)
    poll.register(control, select.POLLIN | select.POLLHUP)
    started = time.monotonic()
    while True:
        returncode = _reap(child)
        if returncode is not None:
            return returncode, None, usage
        left = limits["wall_s"] - (time.monotonic() - started) if limits["wall_s"] is not None else _TICK_S
        passed = "wall_s" if left <= 0 else usage.passed(limits)
        if passed is not None:
            return -signal.SIGKILL, passed, usage
        for handle, _ in poll.poll(max(1, 1000 * min(_TICK_S, left))):
            if handle == wake_reading:
                os.read(wake_reading, 4096)
            elif not control.recv(4096):
                return -signal.SIGKILL, "closed", usage


def _reap(child: int) -> int | None:
    """Collects every ended process; the program's return code once it is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if pid == 0:
            return None
        if pid == child:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
