"""What the processes of a sandbox use, read from /proc: the sums that the kernel's per-process limits cannot hold."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlintern.sandbox.left import tree

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_SCRATCH_EVERY_S = 1.0
_KIB = 1024
_MOST_FILES = 100_000


class SandboxUsage:
    """Memory, tasks, CPU time and files of one sandbox, and whether a limit is passed."""

    def __init__(self, isolated: bool, scratch: Path):
        self.peak_memory_bytes = 0
        self._isolated = isolated
        """All of /proc is the sandbox's own; otherwise only this process's descendants are."""
        self._scratch = scratch
        self._scratch_due = 0.0

    def passed(self, limits: dict[str, Any]) -> str | None:
        """The name of the first limit that is passed now, or None."""
        pids = list(self._pids())
        if len(pids) > limits["processes"]:  # before anything that takes time per process: a fork bomb is a race
            return "processes"
        tasks, cpu_s, anonymous, shared = 0, 0.0, 0, 0
        for pid in pids:
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                cpu_s += _cpu_seconds(Path(f"/proc/{pid}/stat").read_text())
            except OSError:
                continue  # it ended between the listing and the reading
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            tasks += int(fields.get("Threads", "1"))
            anonymous += _kib(fields, "RssAnon") + _kib(fields, "VmSwap")
            shared += _kib(fields, "RssShmem")
        files = self._tmpfs_bytes()
        memory = anonymous + max(shared, files)
        if memory > limits["memory_bytes"]:  # pages shared by forks were counted once per process: look closer
            anonymous = shared = 0
            for pid in pids:  # which takes a while for each, and a fork bomb does not wait
                if sum(1 for _ in self._pids()) > limits["processes"]:
                    return "processes"
                own_anonymous, own_shared = _proportional(pid)
                anonymous += own_anonymous
                shared += own_shared
            memory = anonymous + max(shared, files)
        self.peak_memory_bytes = max(self.peak_memory_bytes, memory)
        if memory > limits["memory_bytes"]:
            return "memory_bytes"
        if tasks > limits["processes"]:
            return "processes"
        if limits["cpu_s"] is not None and cpu_s > limits["cpu_s"]:
            return "cpu_s"
        if time.monotonic() >= self._scratch_due:
            self._scratch_due = time.monotonic() + _SCRATCH_EVERY_S
            size, count = tree(self._scratch, _MOST_FILES)
            if size > limits["scratch_bytes"] or count > _MOST_FILES:
                return "scratch_bytes"
        return None

    def end_descendants(self, group: int) -> None:
        """Kills the process group and every descendant until none is left; without a PID namespace nobody else does."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS gives the latter for a group of zombies
            os.killpg(group, signal.SIGKILL)
        while pids := list(self._pids()):
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass
            time.sleep(0.01)

    def _pids(self) -> Iterator[int]:
        own = os.getpid()
        if self._isolated:
            yield from (int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own)
        else:
            yield from descendants(own)

    def _tmpfs_bytes(self) -> int:
        if not self._isolated:
            return 0
        used = 0
        for path in ("/tmp", "/dev/shm"):
            stat = os.statvfs(path)
            used += (stat.f_blocks - stat.f_bfree) * stat.f_frsize
        return used


def descendants(pid: int) -> list[int]:
    """Every living process below `pid`, found by parentage; none where there is no /proc."""
    if not os.path.isdir("/proc/self"):
        return []
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(name))
    found, waiting = [], [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found


def _cpu_seconds(stat: str) -> float:
    fields = stat.rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _CLOCK_TICKS  # own and reaped children's, user and system


def _kib(fields: dict[str, str], name: str) -> int:
    return int(fields.get(name, "0 kB").split()[0]) * _KIB


def _proportional(pid: int) -> tuple[int, int]:
    """Anonymous and shared memory of a process in bytes, of each shared page its share."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:  # it hides its maps; then its resident memory counts in full
        return _resident(pid)
    except OSError:
        return 0, 0
    fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return _kib(fields, "Pss_Anon") + _kib(fields, "SwapPss"), _kib(fields, "Pss_Shmem")


def _resident(pid: int) -> tuple[int, int]:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return _kib(fields, "RssAnon"), _kib(fields, "RssShmem")
