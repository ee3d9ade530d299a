"""The sandbox for code that nobody has approved, at vetting and at training alike.

A child process without network, with an emptied environment, an allowlisted view of the file system, one writable
folder, and limits on time, memory, processes and files; all of it ends together. The kernel does the holding (user,
PID, network, mount and IPC namespaces; Landlock; seccomp; rlimits): Python-level checks are no sandbox.
What it does not hide: the CPU's timing, the kernel itself, and the size of what it may read.
"""

from mlintern.sandbox.limits import GIB, Backend, Completed, Limits
from mlintern.sandbox.process import SandboxedProcess, capabilities, popen_sandboxed, run_sandboxed

__all__ = [
    "GIB",
    "Backend",
    "Completed",
    "Limits",
    "SandboxedProcess",
    "capabilities",
    "popen_sandboxed",
    "run_sandboxed",
]
