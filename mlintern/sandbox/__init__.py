"""The sandbox for the code of packs, at vetting and at training alike, whoever has read it.

A child process without network, with an emptied environment, an allowlisted view of the file system, one writable
folder, and limits on time, memory, processes and files; all of it ends together. The kernel does the holding (user,
PID, network, mount and IPC namespaces; Landlock; seccomp; rlimits): Python-level checks are no sandbox.
What it does not hide: the CPU's timing, the kernel itself, and the size of what it may read.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlintern.sandbox.limits import GIB, Backend, Completed, Limits, Network
    from mlintern.sandbox.process import SandboxedProcess, capabilities, offered, popen_sandboxed, run_sandboxed

__all__ = [
    "GIB",
    "Backend",
    "Completed",
    "Limits",
    "Network",
    "SandboxedProcess",
    "capabilities",
    "offered",
    "popen_sandboxed",
    "run_sandboxed",
]
_LIMITS = ("GIB", "Backend", "Completed", "Limits", "Network")


def __getattr__(name: str) -> Any:
    """Imported when asked for: the first process of every sandbox needs a few files of this package, and at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{'limits' if name in _LIMITS else 'process'}")
    return getattr(module, name)
