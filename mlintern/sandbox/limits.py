"""What a sandboxed process may use, and what is said when it has ended."""

from dataclasses import asdict, dataclass
from typing import Literal

from mlintern.core.errors import UserError

Backend = Literal["auto", "bwrap", "unshare", "none"]
Network = Literal["none", "loopback", "peers"]
"""none: no sockets but UNIX ones. loopback: a private network of the sandbox's own. peers: the host's network."""
GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """Hard limits of one sandbox, all of its processes taken together unless said otherwise.

    `None` for a time means no limit; every other limit is required, because a default that is too high protects nobody.
    """

    cpu_s: float | None
    """CPU seconds, summed over all processes (the kernel also holds each single process to it)."""
    wall_s: float | None
    """Seconds from the start of the program to the end of every process of the sandbox."""
    memory_bytes: int
    """Resident memory plus what lies in the sandbox's own /tmp and /dev/shm; also the data segment of each process."""
    processes: int
    """Tasks, as the kernel counts them: processes and threads together."""
    file_size_bytes: int
    """Size of any single file."""
    scratch_bytes: int = 16 * GIB
    """Size of everything in the scratch folder."""
    output_bytes: int = 16 << 20
    """What `run_sandboxed` reads of stdout and of stderr before it ends the program."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and value <= 0:
                raise UserError(f"sandbox limit {name}={value} must be above zero")


@dataclass(frozen=True)
class Completed:
    """A sandboxed program that has ended, and everything it had started with it."""

    returncode: int
    """Exit code, or minus the signal that ended it, as `subprocess` counts."""
    stdout: bytes
    stderr: bytes
    ended_by: str | None
    """The limit that ended it (its name in `Limits`, for instance `wall_s`), or None."""
    wall_s: float
    peak_memory_bytes: int
    layers: tuple[str, ...]
    """The layers of protection that held while it ran."""
