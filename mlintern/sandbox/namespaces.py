"""The same view without bubblewrap: new namespaces and mounts by system calls.

The order of steps is bubblewrap's: a tmpfs becomes the root with the host's root below it, the view is bound from
there, and the host's root is let go. Runs before the supervisor, which becomes PID 1 of the new namespace.
"""

import fcntl
import os
import signal
import socket
import struct
from collections.abc import Sequence
from pathlib import Path

from mlintern.sandbox import kernel

_DEVICES = ("null", "zero", "full", "random", "urandom")
PROC_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus")
_READ_ONLY = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
_BIND = kernel.MS_BIND | kernel.MS_REC
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def enter(view: Sequence[dict[str, str]], memory_bytes: int, inner_id: int, network: str = "none") -> None:
    """Moves the caller into new namespaces with this view; returns only in PID 1 of the new PID namespace.

    The calling process stays outside, waits, and ends as PID 1 ends. Raises OSError when the host does not allow it.
    """
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.NAMESPACES & ~(kernel.CLONE_NEWNET if network == "peers" else 0))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inner_id} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inner_id} {gid} 1")
    child = os.fork()
    if child:
        _mirror(child)
    if network == "loopback":
        _bring_up_loopback()
    _mount_view(view, memory_bytes)
    kernel.drop_capabilities()


def _bring_up_loopback() -> None:
    """Make 127.0.0.1 and ::1 work in the new network namespace, as bubblewrap does."""
    request = struct.pack("16sH14x", b"lo", _IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def _mirror(child: int) -> None:
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))  # the pipes and the control socket are the child's alone
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _mount_view(view: Sequence[dict[str, str]], memory_bytes: int) -> None:
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    _tmpfs("/tmp", 1 << 20)
    for name in ("new", "old"):
        os.mkdir(f"/tmp/{name}")
    kernel.mount("/tmp/new", "/tmp/new", None, kernel.MS_BIND)
    kernel.pivot_root("/tmp", "/tmp/old")
    os.chdir("/")
    _proc_and_dev(memory_bytes)
    for entry in view:
        _place(entry["kind"], "/new" + entry["target"], entry["source"])
    for entry in view:  # last: deeper mounts may need a folder made in a covered one
        if entry["kind"] == "cover":
            kernel.set_mount_attributes("/new" + entry["target"], _READ_ONLY, recursive=False)
    kernel.unmount("/old")
    os.chdir("/new")
    kernel.pivot_root(".", ".")
    kernel.unmount(".")
    os.chdir("/")
    for path in ("/dev", "/"):
        kernel.set_mount_attributes(path, kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID, recursive=False)


def _tmpfs(target: str, size: int, mode: str = "0755") -> None:
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"mode={mode},size={size}")


def _proc_and_dev(memory_bytes: int) -> None:
    for name in ("proc", "dev", "tmp"):
        os.mkdir(f"/new/{name}")
    kernel.mount("proc", "/new/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    for name in PROC_READ_ONLY:
        path = f"/new/proc/{name}"
        if os.path.exists(path):
            kernel.mount(path, path, None, _BIND)
            kernel.set_mount_attributes(path, _READ_ONLY, recursive=True)
    _tmpfs("/new/tmp", memory_bytes // 4)
    _tmpfs("/new/dev", 1 << 16)
    for name in _DEVICES:
        _bind(f"/old/dev/{name}", f"/new/dev/{name}")
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"/new/dev/{name}")
    os.mkdir("/new/dev/shm")
    _tmpfs("/new/dev/shm", memory_bytes // 2)


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    kernel.mount(source, target, None, _BIND)


def _place(kind: str, target: str, source: str) -> None:
    if kind == "link":
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(source, target)
        return
    if kind == "cover":
        if os.path.isdir(target):
            _tmpfs(target, 1 << 16)
        else:
            _bind("/old/dev/null", target)
        return
    _bind("/old" + source, target)
    if kind == "read":
        kernel.set_mount_attributes(target, _READ_ONLY, recursive=True)
    elif kind == "write":
        attributes = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
        kernel.set_mount_attributes(target, attributes, recursive=True)
