"""What a sandboxed process can see: an allowlist of paths, everything else does not exist for it.

The view holds the system's libraries, this interpreter, what the caller names, and nothing of the home folder, /etc,
/run, /var or other users' files. Inside what the caller names, files that hold secrets by name are covered.
"""

import functools
import os
import pwd
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlintern.core.errors import UserError

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
_MOST_LINKS = 40
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
    prefixes = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix)]
    return [*prefixes, Path(sys.executable), *_libraries(), package]


@functools.cache
def _libraries() -> tuple[Path, ...]:
    """The folders that modules are in, and where installers that link instead of copying have put what is in them."""
    paths = sysconfig.get_paths()
    folders = {Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {Path(entry) for entry in sys.path if entry.endswith("-packages")}  # the user's, and what a .pth names
    found = {folder for folder in folders if folder.is_dir()}
    for folder in [folder for folder in found if folder.name.endswith("-packages")]:
        for entry in os.scandir(folder):
            for path in (entry.path, f"{entry.path}/__init__.py", f"{entry.path}/METADATA"):
                if os.path.islink(path) and os.path.exists(path):
                    real = Path(path).resolve()
                    found.add(real if path == entry.path else real.parent)
    return tuple(sorted(found))


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
    links: list[Mount] = []
    for path in [*needed, *readonly]:
        if not path.exists():
            raise UserError(f"sandbox: read-only path {path} does not exist")
        on_the_way, real = _resolved(path)
        links += on_the_way
        if real == Path("/"):
            raise UserError("sandbox: the whole file system cannot be made readable; name the folders it needs")
        if not any(real.is_relative_to(system) for system in SYSTEM):
            mounts[str(real)] = Mount("read", str(real), str(real))
    for cover in _covers([*needed, *readonly]):
        if cover not in mounts:
            mounts[cover] = Mount("cover", cover, cover)
    for target, source in binds.items():
        mounts[str(target)] = Mount("read", str(target), str(source.resolve()))
    for device in devices:
        mounts[str(device)] = Mount("device", str(device), str(device.resolve()))
    for folder in writable:
        on_the_way, real = _resolved(folder)
        links += on_the_way
        mounts[str(real)] = Mount("write", str(real), str(real))
    for link in links:
        if not _is_there(link.target, mounts):
            mounts[link.target] = link
    return sorted(mounts.values(), key=lambda mount: (len(Path(mount.target).parts), mount.target))


def _resolved(path: Path) -> tuple[list[Mount], Path]:
    """The links that a path leads through, each to be made as it is, and where it ends."""
    links: list[Mount] = []
    at, left = Path("/"), list(Path(os.path.abspath(path)).parts[1:])
    while left:
        name = left.pop(0)
        if name == "..":
            at = at.parent
        elif not (here := at / name).is_symlink():
            at = here
        elif len(links) >= _MOST_LINKS:
            raise UserError(f"sandbox: {path} leads through too many links; name the folder itself")
        else:
            text = os.readlink(here)
            links.append(Mount("link", str(here), text))
            at = Path("/") if os.path.isabs(text) else at
            left = [part for part in Path(text).parts if part != "/"] + left
    return links, at


def _is_there(path: str, mounts: Mapping[str, Mount]) -> bool:
    """Is a path of the host there already, as part of the nearest mount above it?"""
    above = [str(parent) for parent in Path(path).parents]
    nearest = next((mounts[parent] for parent in above if parent in mounts), None)
    return nearest is not None and nearest.kind != "cover"


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


def is_secret(name: str) -> bool:
    """Does a file of this name hold keys, by custom?"""
    return name in SECRET_NAMES or name.startswith(SECRET_PREFIXES) or name.endswith(SECRET_SUFFIXES)


def _covers(visible: Sequence[Path]) -> list[str]:
    """Paths inside the visible folders that must not be read: secrets by name, and the home folder's hidden entries."""
    covered: list[str] = []
    for root in visible:
        shown = root.resolve()
        if not shown.is_dir():
            continue
        covered += [str(shown / name) for name in SECRET_NAMES if "/" in name and (shown / name).exists()]
        covered += [str(entry) for entry in shown.iterdir() if is_secret(entry.name) and not entry.is_symlink()]
        for home in homes():
            if home.is_relative_to(shown):
                covered += [str(entry) for entry in home.iterdir() if entry.name.startswith(".")]
    return [path for path in covered if not os.path.islink(path)]
