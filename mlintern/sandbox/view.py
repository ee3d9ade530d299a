"""What a sandboxed process can see: an allowlist of paths, everything else does not exist for it.

The view holds the system's libraries, this interpreter, what the caller names, and nothing of the home folder, /etc,
/run, /var or other users' files. Inside what the caller names, files that hold secrets by name are covered.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlintern.errors import UserError

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")
SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/alternatives",  # Debian's links to its BLAS
    "/sys/devices/system/cpu",  # how many threads to start
    "/sys/devices/system/node",
)
RESOLVER_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
"""What finding other machines by name takes."""
SECRET_NAMES = (
    ".aws",
    ".config",
    ".docker",
    ".dvc/config.local",
    ".dvc/tmp",
    ".git-credentials",
    ".git/config",
    ".git/credentials",
    ".gnupg",
    ".huggingface",
    ".kaggle",
    ".kube",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".ssh",
    "credentials.json",
    "secrets.yaml",
    "secrets.toml",
)
SECRET_PREFIXES = (".env", "id_rsa", "id_ed25519", "id_ecdsa")
SECRET_SUFFIXES = (".pem", ".key", ".p12", ".pfx")


@dataclass(frozen=True)
class Mount:
    """One entry of the view."""

    kind: str
    """`read`, `write`, `device`, `cover` (an empty folder in its place) or `link`."""
    target: str
    """Where it appears."""
    source: str
    """Where it is on the host; for `link`, the text of the link; for `cover`, the covered path."""


def homes() -> list[Path]:
    """The user's home folder, as the environment and the password file name it."""
    found = []
    for name in (os.environ.get("HOME"), _home_of_account()):
        if name and Path(name).is_absolute() and Path(name).is_dir() and Path(name) != Path("/"):
            found.append(Path(name).resolve())
    return sorted(set(found))


def _home_of_account() -> str | None:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return None


def interpreter_paths() -> list[Path]:
    """What this interpreter and this package need: the environment, the base installation, the folder of mlintern."""
    package = Path(__file__).resolve().parents[1]
    return [Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), package]


def build(
    readonly: Sequence[Path],
    writable: Sequence[Path],
    devices: Sequence[Path] = (),
    binds: Mapping[Path, Path] = MappingProxyType({}),
) -> list[Mount]:
    """The mounts of a sandbox, parents before children. Raises UserError for paths that would defeat it.

    `binds` are {where a folder appears: where it is}, read-only.
    """
    needed = interpreter_paths()
    for folder in writable:
        if not folder.is_dir():
            raise UserError(f"sandbox: writable folder {folder} does not exist; create it")
        for path in [*needed, *homes(), Path("/usr")]:
            if path.resolve().is_relative_to(folder.resolve()):
                raise UserError(f"sandbox: writable folder {folder} holds {path}; choose a folder of its own")
    mounts = {mount.target: mount for mount in _system()}
    for path in [*needed, *readonly]:
        if not path.exists():
            raise UserError(f"sandbox: read-only path {path} does not exist")
        real, named = path.resolve(), Path(os.path.abspath(path))
        for target in {real, named}:
            if target == Path("/"):
                raise UserError("sandbox: the whole file system cannot be made readable; name the folders it needs")
            if not _within(target, SYSTEM):
                mounts[str(target)] = Mount("read", str(target), str(real))
    for cover in _covers([*needed, *readonly]):
        if cover not in mounts:
            mounts[cover] = Mount("cover", cover, cover)
    for target, source in binds.items():
        mounts[str(target)] = Mount("read", str(target), str(source.resolve()))
    for device in devices:
        mounts[str(device)] = Mount("device", str(device), str(device.resolve()))
    for folder in writable:
        for target in {folder.resolve(), Path(os.path.abspath(folder))}:
            mounts[str(target)] = Mount("write", str(target), str(folder.resolve()))
    return sorted(mounts.values(), key=lambda mount: (len(Path(mount.target).parts), mount.target))


def _system() -> Iterable[Mount]:
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield Mount("link", name, os.readlink(path))
        elif path.is_dir():
            yield Mount("read", name, name)
    for name in SYSTEM_FILES:
        if Path(name).exists():
            yield Mount("read", name, str(Path(name).resolve()))


def _within(path: Path, roots: Iterable[str]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def is_secret(name: str) -> bool:
    """Does a file of this name hold keys, by custom?"""
    return name in SECRET_NAMES or name.startswith(SECRET_PREFIXES) or name.endswith(SECRET_SUFFIXES)


def _covers(visible: Sequence[Path]) -> list[str]:
    """Paths inside the visible folders that must not be read: secrets by name, and the home folder's hidden entries."""
    covered: list[str] = []
    for root in visible:
        for shown in {root.resolve(), Path(os.path.abspath(root))}:
            if not shown.is_dir():
                continue
            covered += [str(shown / name) for name in SECRET_NAMES if "/" in name and (shown / name).exists()]
            covered += [str(entry) for entry in shown.iterdir() if is_secret(entry.name) and not entry.is_symlink()]
            for home in homes():
                if home.is_relative_to(shown):
                    covered += [str(entry) for entry in home.iterdir() if entry.name.startswith(".")]
    return [path for path in covered if not os.path.islink(path)]
