"""How workers are started: bare for code that a human approved, inside the sandbox for code that nobody has."""

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from rich.console import Console

from mlintern.config import ROOT
from mlintern.errors import UserError
from mlintern.files import write_problem
from mlintern.pack import Pack
from mlintern.record import stable_hash
from mlintern.study.pool import Launch, Pool, WorkerProcess, launch_bare

MOST_FILE_BYTES = 64 << 30
MOST_TASKS = 256
"""Processes and threads of one sandboxed worker, its loader workers included."""


def launcher(pack: Pack, backend: str, writable: Sequence[Path], jobs: int, console: Console) -> Launch:
    """The way to start workers for this pack; says so where its code is not as a human approved it.

    `writable` are the folders that results and data go to. Raises UserError where the host has no sandbox.
    """
    if pack.code_is_approved():
        return launch_bare
    changed = ", ".join(name for name in pack.changed() if name.endswith(".py"))
    what = f"papers/{pack.slug}: {changed} is not as approved in pack.lock"
    mend = f"`python -m mlintern approve {pack.slug}` once you have read it"
    if backend == "none":
        console.print(f"[yellow]{what}; sandbox=none: it runs unprotected ({mend}).[/]", highlight=False)
        return launch_bare
    console.print(f"[yellow]{what}: it runs inside the sandbox ({mend}).[/]", highlight=False)
    return functools.partial(launch_sandboxed, backend, tuple(writable), jobs)


_STANDING: dict[str, Pool] = {}


def standing_pool(
    pack: Pack, backend: str, writable: Sequence[Path], pins: Mapping[str, str], retries: int, console: Console
) -> Pool:
    """A pool of one worker that this process keeps for further cells like this one, until the process ends.

    A launcher's process trains many cells, and a new worker for each would import torch anew.
    """
    parts = [pack.slug, pack.code_sha256(), pack.code_is_approved(), backend, [str(f) for f in writable], dict(pins)]
    key = stable_hash(parts, "worker")
    if key not in _STANDING or _STANDING[key].closed:
        _STANDING[key] = Pool(1, pins, retries, launcher(pack, backend, writable, 1, console))
        atexit.register(_STANDING[key].close)
    return _STANDING[key]


def launch_sandboxed(
    backend: str,
    writable: Sequence[Path],
    jobs: int,
    argv: Sequence[str],
    environment: Mapping[str, str],
    errors: IO[bytes],
) -> WorkerProcess:
    """Start a worker that has no network and no secrets, reads the project, and writes to `writable` alone."""
    from mlintern.sandbox import Limits, popen_sandboxed

    for folder in writable:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_problem(folder, error) from None
    limits = Limits(
        cpu_s=None,
        wall_s=None,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 4 // 5 // jobs,
        processes=MOST_TASKS,
        file_size_bytes=MOST_FILE_BYTES,
    )
    if backend not in ("auto", "bwrap", "unshare"):
        raise UserError(f"sandbox={backend}: choose auto, bwrap, unshare or none")
    ours = ("HOME", "PATH", "WANDB_API_KEY")
    kept = {name: value for name, value in environment.items() if name not in ours}
    scratch = Path(tempfile.mkdtemp(prefix="mlintern-worker-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return popen_sandboxed(
        argv,
        readonly=[ROOT],
        scratch=scratch,
        writable=writable,
        limits=limits,
        env=kept,
        backend=backend,  # type: ignore[arg-type]
        devices=sorted(Path("/dev").glob("nvidia*")),
        cwd=ROOT,
        stderr=errors,
    )
