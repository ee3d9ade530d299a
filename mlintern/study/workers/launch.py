"""How the workers of a pack are started: inside the sandbox, whoever read its code.

Bare only where the user said so (`sandbox=none`), or where the kernel offers no sandbox and the pack is one that came
with this release, unchanged: its code is then trusted as the engine's is.
"""

import atexit
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from mlintern.config import Config
from mlintern.core.errors import UserError
from mlintern.core.files import write_problem
from mlintern.core.records.record import stable_hash
from mlintern.core.roots import PACKS, ROOT
from mlintern.packs.pack import Pack
from mlintern.packs.release import is_of_the_release
from mlintern.sandbox import view
from mlintern.sandbox.limits import Limits, Network
from mlintern.sandbox.policy import Policy
from mlintern.sandbox.process import offered, popen_sandboxed
from mlintern.study.workers.pool import Bare, Pool
from mlintern.study.workers.slot import Launcher, WorkerProcess
from mlintern.study.workers.worker import SHARED_MEMORY

MOST_FILE_BYTES = 64 << 30
MOST_TASKS = 256
"""Processes and threads of one sandboxed worker, its loader workers included."""
GIVES_UP = (
    "sandbox=none: the pack's code runs as you, and nothing holds it: it can read and change your files, use your keys "
    "and the network, and see the test targets that it is scored on"
)
_OURS_ALONE = ("HOME", "PATH", "TMPDIR", "USER", "VIRTUAL_ENV", "PYTHONPATH")
"""What a sandboxed worker's environment leaves out, beside every proxy: its address may hold a password."""


def without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """What of a worker's environment may come into a sandbox."""
    return {n: v for n, v in environment.items() if n not in _OURS_ALONE and not n.lower().endswith("_proxy")}


@dataclasses.dataclass(frozen=True)
class Sandboxed:
    """Workers that see the system, the interpreter, mlintern, one pack, and the folders that results and data go to."""

    backend: str
    layers: tuple[str, ...]
    network: Network
    pack: Path
    appears_at: Path
    """Where the pack is inside, whatever folder it is read from."""
    writable: tuple[Path, ...]
    memory_bytes: int
    files: tuple[Path, ...] = ()
    """What data are made from: seen by jobs that name them."""
    targets: tuple[str, ...] = ()
    """See `mlintern.study.workers.worker.Setup`."""

    @property
    def setup(self) -> dict[str, Any]:
        """See `mlintern.study.workers.worker.Setup`."""
        held = view.build([*self._readonly()], [], devices=_devices(), binds={self.appears_at: self.pack})
        readable = [mount.target for mount in held if mount.kind == "read"]
        devices = [mount.target for mount in held if mount.kind == "device"]
        return {
            "isolated": True,
            "readable": [*readable, "/proc", "/dev"],
            "writable": [*devices, *(f"/dev/{name}" for name in ("null", "zero", "full"))],
            "network": self.network != "none",
            "shared_memory": not any(path.is_relative_to(SHARED_MEMORY) for path in (*self.writable, self.appears_at)),
            "sources": [str(self.appears_at)],
            "targets": [*self.targets],
        }

    @property
    def record(self) -> dict[str, Any]:
        """What a run's record says."""
        return {"backend": self.backend, "layers": [*self.layers], "network": self.network}

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], errors: IO[bytes], control: int
    ) -> WorkerProcess:
        for folder in self.writable:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise write_problem(folder, error) from None
        limits = Limits(
            cpu_s=None,
            wall_s=None,
            memory_bytes=self.memory_bytes,
            processes=MOST_TASKS,
            file_size_bytes=MOST_FILE_BYTES,
        )
        scratch = Path(tempfile.mkdtemp(prefix="mlintern-worker-"))
        atexit.register(shutil.rmtree, scratch, ignore_errors=True)
        return popen_sandboxed(
            argv,
            readonly=[*self._readonly(), *self.files],
            scratch=scratch,
            writable=self.writable,
            limits=limits,
            env=without_ours(environment),
            backend=self.backend,  # type: ignore[arg-type]
            devices=_devices(),
            binds={self.appears_at: self.pack},
            network=self.network,
            pass_fds=[control],
            cwd=ROOT,
            stdin=None,
            stdout=errors,
            stderr=errors,
        )

    def _readonly(self) -> list[Path]:
        """Beside what every sandbox sees: the locks, which a record compares the environment with."""
        return [path for path in (ROOT / "locks",) if path.is_dir()]


def launcher(
    pack: Pack,
    policy: Policy,
    writable: Sequence[Path],
    jobs: int,
    console: Console,
    *,
    talk: bool = False,
    files: Sequence[Path] = (),
    targets: Sequence[str] = (),
) -> Launcher:
    """The way to start workers for this pack.

    `writable` are the folders that results and data go to; `talk`: processes of one cell talk to each other; `files`
    are what data are made from; `targets`, what the cells name. Raises UserError where the host has no sandbox and the
    pack did not come with this release.
    """
    sources = {"sources": [str(pack.folder)], "targets": [*targets]}
    if policy.backend == "none":
        console.print(f"[yellow]{GIVES_UP}.[/]", highlight=False)
        return Bare(sources)
    network: Network = "peers" if policy.network == "peers" else "loopback" if talk else "none"
    try:
        backend, layers = offered(policy.backend)
    except UserError as error:
        if policy.backend != "auto" or not is_of_the_release(pack.folder):
            raise
        console.print(
            f"[yellow]{str(error).partition(' Install ')[0]} papers/{pack.slug} came with this release, unchanged: it "
            "runs without one.[/]",
            highlight=False,
        )
        return Bare(sources)
    if network == "peers":
        console.print("[yellow]sandbox.network=peers: the pack's code can reach the network.[/]", highlight=False)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 4 // 5 // jobs
    place = PACKS / pack.slug
    folders, seen, named = tuple(writable), tuple(files), tuple(targets)
    return Sandboxed(backend, tuple(layers), network, pack.folder, place, folders, memory, seen, named)


def needs_network(config: Config) -> bool:
    """Is a cell trained by processes that talk to each other, or does the user want it to reach other nodes?"""
    return config.trainer.devices > 1 or config.sandbox.network == "peers"


_STANDING: dict[str, Pool] = {}


def standing_pool(
    pack: Pack, policy: Policy, writable: Sequence[Path], pins: Mapping[str, str], retries: int, launch: Launcher
) -> Pool:
    """A pool of one worker that this process keeps for further cells like this one, until the process ends.

    A launcher's process trains many cells, and a new worker for each would import torch anew.
    """
    parts = [
        pack.slug,
        pack.code_sha256(),
        policy.config(),
        [str(f) for f in [*writable, *getattr(launch, "files", ())]],
        dict(pins),
        dict(launch.record),
    ]
    key = stable_hash(parts, "worker")
    if key not in _STANDING or _STANDING[key].closed:
        _STANDING[key] = Pool(1, pins, retries, launch)
        atexit.register(_STANDING[key].close)
    return _STANDING[key]


def _devices() -> list[Path]:
    """What computing on GPUs takes, where there are any."""
    found = [*Path("/dev").glob("nvidia*"), Path("/dev/dri"), Path("/dev/kfd")]
    return sorted(path for path in found if path.exists())
