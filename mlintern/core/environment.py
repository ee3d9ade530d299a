"""What a run ran in: the lock, what drifted from it, the machine, the pins; and the policy on drift.

Reads metadata of installed packages only and imports none of them, so that a release known to be bad is refused before
any of its code runs. Facts that only torch knows (its build, GPUs, its switches) are read when the process has imported
torch already, and are null otherwise.
"""

import functools
import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlintern.core import files, installed
from mlintern.core.errors import UserError

LOCKS = Path(__file__).resolve().parents[2] / "locks"

KNOWN_BAD: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (package, version): "carried malware that steals credentials (GHSA-w37p-236h-pfx3)"
        for package in ("lightning", "pytorch-lightning")
        for version in ("2.6.2", "2.6.3")
    }
)
"""Releases that must never be imported: {(package, version): why}."""

PINS = re.compile(
    r"((OMP|GOMP|MKL|ATEN|ONEDNN|DNNL|OPENBLAS|BLIS|NPY|TORCH|PYTORCH|CUBLAS|CUBLASLT|CUDNN|NCCL|GLOO)_\w+"
    r"|KMP_(?!DUPLICATE_LIB_OK$|INIT_AT_FORK$)\w+"  # which libraries set themselves, and which change no result
    r"|(CUDA|NVIDIA)_(?!VISIBLE_DEVICES$|DRIVER_CAPABILITIES$|REQUIRE)\w+|PYTHONHASHSEED|LD_PRELOAD|GLIBC_TUNABLES)"
)
"""Environment variables that can change the bits of a run, by the libraries that read them; the determinism levels set
some of them."""


class Drift(TypedDict):
    """One package that is not as the lock says."""

    package: str
    locked: str
    installed: str | None
    """None: not installed at all."""


class EnvironmentRecord(TypedDict):
    """The run record's `environment`."""

    lock: str | None
    """File name of the lock that this environment is compared with; None: no lock beside the package."""
    lock_sha256: str | None
    drift: list[Drift]
    python: str
    platform: str
    """Operating system, its version and the C library."""
    host: str
    cpu: str
    gpu: list[str]
    """Model of every visible CUDA device; empty without one, or before torch is imported."""
    threads: int
    """Threads that one process computes with."""
    torch: dict[str, Any] | None
    """Build, CUDA, cuDNN, driver and the kernels' instruction set; None before torch is imported."""
    determinism: dict[str, Any]
    """Pinned variables that are set, and torch's switches once it is imported."""
    modified: dict[str, str]
    """{file below site-packages: first digits of its sha256} of imported files that are not as they were installed."""


def environment_record(loaded: frozenset[str] | None = None) -> EnvironmentRecord:
    """The facts of DESIGN.md's run record about this process and machine; `loaded`: see `installed.modified`."""
    lock = lock_file()
    return {
        "lock": lock.name if lock else None,
        "lock_sha256": files.sha256_file(lock) if lock else None,
        "drift": drift(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.platform(aliased=True)} {' '.join(platform.libc_ver())}".strip(),
        "host": host(),
        "cpu": cpu_model(),
        "gpu": _gpus(),
        "threads": threads(),
        "torch": _torch_build(),
        "determinism": {**pins_in_force(), **_torch_switches()},
        "modified": dict(installed.modified(loaded)),
    }


def installed_version(package: str) -> str | None:
    """Version of an installed distribution, None where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def lock_file() -> Path | None:
    """The lock that fits the installed torch: its CPU build, or any build where there is only one, has cpu.txt.

    None where the package was installed away from its repository, which holds the locks.
    """
    torch = installed_version("torch")
    cuda = platform.system() == "Linux" and torch is not None and not torch.endswith("+cpu")
    lock = LOCKS / ("cuda.txt" if cuda else "cpu.txt")
    return lock if lock.is_file() else None


def locked_versions(lock: Path) -> dict[str, str]:
    """{package: version} of the lock's entries that apply to this Python and platform; names are canonical (PEP 503).

    Raises UserError where the lock is not a list of `name==version`.
    """
    versions: dict[str, str] = {}
    for line in re.findall(r"^[A-Za-z0-9].*?(?=\s*\\?$)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE):
        requirement = Requirement(line)
        pins = [spec.version for spec in requirement.specifier if spec.operator == "=="]
        if len(pins) != 1:
            raise UserError(f"{lock}: {line!r} is not pinned to one version; write the locks anew with `make lock`")
        if requirement.marker is None or requirement.marker.evaluate():
            versions[canonicalize_name(requirement.name)] = pins[0]
    return versions


def drift() -> list[Drift]:
    """What is installed otherwise than the lock says, by name; empty without a lock."""
    lock = lock_file()
    return [Drift(**entry) for entry in _drift_from(lock, lock.stat().st_mtime_ns)] if lock else []


@functools.lru_cache(maxsize=2)
def _drift_from(lock: Path, _modified_ns: int) -> tuple[Drift, ...]:
    """Once per process and lock: reading some two hundred packages' metadata takes a fifth of a second."""
    installed: dict[str, str] = {}
    for distribution in metadata.distributions():
        installed.setdefault(canonicalize_name(distribution.name), distribution.version)
    found = []
    for package, locked in sorted(locked_versions(lock).items()):
        have = installed.get(package)
        # The package index has torch's CPU build for macOS without a label, PyTorch's own index and wheels have +cpu.
        same = have == locked or (package == "torch" and lock.name == "cpu.txt" and have == f"{locked}+cpu")
        if not same:
            found.append(Drift(package=package, locked=locked, installed=have))
    return tuple(found)


def refuse_known_bad() -> None:
    """Raise UserError where a release of KNOWN_BAD is installed. Call it before anything imports the package."""
    for package in sorted({package for package, _ in KNOWN_BAD}):
        version = installed_version(package)
        if version is not None and (reason := KNOWN_BAD.get((package, version))):
            raise UserError(
                f"{package}=={version} is installed: this release {reason}; do not import it; remove it "
                f"(`pip uninstall {package}`), change every credential it could reach, and run `make venv`"
            )


def check_drift(policy: str) -> list[Drift]:
    """Apply `env.drift` and return the drift: `refuse` raises UserError on any, `warn` lets the caller show it.

    Under either policy a known-bad release raises UserError; `refuse` also does where there is no lock to compare with.
    """
    if policy not in ("refuse", "warn"):
        raise UserError(f"env.drift={policy}: choose refuse or warn")
    refuse_known_bad()
    found = drift()
    if policy == "refuse" and lock_file() is None:
        raise UserError(
            f"env.drift=refuse: no lock in {LOCKS}; run from a clone of the repository, or allow it with env.drift=warn"
        )
    if policy == "refuse" and found:
        raise UserError(
            f"env.drift=refuse: {describe(found)}; install the lock with `make venv`, or give env.drift=warn"
        )
    return found


def describe(found: list[Drift], most: int = 4) -> str:
    """One line about a drift: the first few packages and how many more."""
    if not found:
        return "all packages are as locked"
    parts = [f"{d['package']} {d['installed'] or 'missing'} (locked: {d['locked']})" for d in found[:most]]
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return "installed packages differ from the lock: " + ", ".join(parts) + more


def host() -> str:
    """A stable name for this machine that can be published: a hash of its name and machine id.

    Records and reports are shared, and host names tell of users, networks and clusters. What a reader needs is only
    whether two runs were made on the same machine, and that the hash says.
    """
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:
        machine = ""
    return "host-" + hashlib.sha256(f"{platform.node()}\n{machine}".encode()).hexdigest()[:12]


@functools.cache
def cpu_model() -> str:
    """The processor's name as the system gives it, and the architecture."""
    name = ""
    if platform.system() == "Linux":
        try:
            found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), flags=re.MULTILINE)
        except OSError:
            found = None
        name = found[1].strip() if found else ""
    elif platform.system() == "Darwin":
        asked = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        name = asked.stdout.strip()
    return f"{name or platform.processor() or 'unknown'} ({platform.machine()})"


def cores() -> int:
    """Cores that this process may use: the scheduler's affinity mask, where the system has one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """torch's threads once it is imported, before that what OMP_NUM_THREADS will make them."""
    if torch := sys.modules.get("torch"):
        return int(torch.get_num_threads())
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]  # "4,2" gives 4 at the outermost level
    return int(asked) if asked.isdigit() and int(asked) else cores()


def pins_in_force() -> dict[str, str]:
    """{variable: value} of PINS that are set in this process."""
    return {name: value for name, value in sorted(os.environ.items()) if PINS.fullmatch(name)}


def nvidia_driver() -> str | None:
    """Version of the loaded NVIDIA kernel module; None without one."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return None
    found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", text)
    return found[1] if found else text.splitlines()[0].strip()


def _gpus() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _torch_build() -> dict[str, Any] | None:
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    return {
        "version": str(torch.__version__),
        "git": torch.version.git_version,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": nvidia_driver(),
    }


def _torch_switches() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_cudnn": torch.backends.cudnn.allow_tf32,
    }
