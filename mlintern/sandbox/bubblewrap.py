"""The command line of bubblewrap for a view: https://github.com/containers/bubblewrap."""

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence

from mlintern.sandbox.limits import Limits, Network
from mlintern.sandbox.namespaces import PROC_READ_ONLY
from mlintern.sandbox.view import Mount

INNER_ID = 1000
"""User and group id inside: nobody in particular, and not root."""


def executable() -> str | None:
    """The host's bubblewrap, or None."""
    return shutil.which("bwrap")


@functools.cache
def _options(program: str) -> str:
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout


def command(
    program: str, view: Sequence[Mount], limits: Limits, argv: Sequence[str], network: Network = "none"
) -> list[str]:
    """argv that runs `argv` as PID 1 of new user, PID, network, mount, IPC and UTS namespaces with this view.

    A network namespace has loopback alone, which bubblewrap brings up; `peers` keeps the host's network.

    There is no `--die-with-parent`: it follows the *thread* that started bubblewrap, which in a thread pool ends early.
    The supervisor ends with its control socket instead.
    """
    known = _options(program)
    arguments = [program, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    arguments += [] if network == "peers" else ["--unshare-net"]
    arguments += ["--unshare-cgroup-try", "--as-pid-1", "--hostname", "sandbox", "--cap-drop", "ALL"]
    arguments += ["--uid", str(INNER_ID), "--gid", str(INNER_ID), "--clearenv"]
    if "--disable-userns" in known:
        arguments += ["--disable-userns"]

    def tmpfs(path: str, size: int) -> list[str]:
        return [*(["--size", str(size)] if "--size" in known else []), "--tmpfs", path]

    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for name in PROC_READ_ONLY:  # on a root host these files belong to the very user the sandbox runs as
        arguments += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    arguments += [*tmpfs("/dev/shm", limits.memory_bytes // 2), *tmpfs("/tmp", limits.memory_bytes // 4)]
    covers = []
    for mount in view:
        if mount.kind == "read":
            arguments += ["--ro-bind", mount.source, mount.target]
        elif mount.kind == "write":
            arguments += ["--bind", mount.source, mount.target]
        elif mount.kind == "device":
            arguments += ["--dev-bind", mount.source, mount.target]
        elif mount.kind == "link":
            arguments += ["--symlink", mount.source, mount.target]
        elif os.path.isdir(mount.source):
            arguments += tmpfs(mount.target, 1 << 16)
            covers.append(mount.target)
        else:
            arguments += ["--ro-bind", "/dev/null", mount.target]
    for target in [*covers, "/dev", "/"]:  # last: deeper mounts may need a folder made in them
        arguments += ["--remount-ro", target]
    return [*arguments, "--chdir", "/", "--", *argv]
