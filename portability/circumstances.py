"""Somewhere else: a process under another user, path, locale, time zone, umask, hash seed and core count, off the net.

As root this makes a private mount namespace in which Python and its packages can be reached by a user who may not enter
this checkout, or the home of whoever installed Python: an empty folder lies over what is closed, and Python and the
packages are seen in it at their own places (an interpreter finds its library by an absolute path). Nothing is copied.
Without root the user stays the same, and what else cannot be changed on this machine is listed by `same`.
"""

import dataclasses
import functools
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlintern.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """Circumstances for a command. Below `base` is room for the user's home, Python and packages."""

    base: Path
    locale: str = "C"
    zone: str = "Pacific/Chatham"
    """Three quarters of an hour off: no whole number of hours hides a bug."""
    umask: str = "0027"
    hash_seed: str = "4242"

    @functools.cached_property
    def user(self) -> str | None:
        """The other user's name, this process's own; None where nobody else can be (only root may)."""
        return (
            f"mlintern-{os.getpid()}"
            if os.geteuid() == 0 and shutil.which("useradd") and _unshare("--mount", "--net")
            else None
        )

    @functools.cached_property
    def offline(self) -> list[str]:
        """Words that start a command without a network; none where the system cannot."""
        if self.user is not None:
            return ["unshare", "--mount", "--net"]
        words = ["--user", "--map-current-user", "--net"]
        return ["unshare", *words] if _unshare(*words) else []

    @functools.cached_property
    def one_core(self) -> list[str]:
        """Words that leave a command one core, where there are more to choose from."""
        here = sorted(os.sched_getaffinity(0))
        return ["taskset", "--cpu-list", str(here[-1])] if len(here) > 1 and shutil.which("taskset") else []

    def same(self) -> list[str]:
        """What is not different, with the reason."""
        found = []
        if self.user is None:
            found.append(f"the user ({pwd.getpwuid(os.geteuid()).pw_name}: only root, with unshare, can be another)")
        if not self.offline:
            found.append("the network (unshare cannot take it away here)")
        if not self.one_core:
            found.append("the number of cores (there is one, or no taskset)")
        return found

    def described(self) -> str:
        """One line on what is different."""
        parts = [f"user {self.user}"] if self.user else []
        parts += ["no network"] if self.offline else []
        parts += ["one core"] if self.one_core else []
        parts += [f"locale {self.locale}", f"zone {self.zone}", f"umask {self.umask}", f"hash seed {self.hash_seed}"]
        return ", ".join(parts)

    @property
    def python(self) -> Path:
        """The interpreter as it is called there."""
        return self.base / "venv" / "bin" / "python"

    def make(self) -> None:
        """Make the user, its home and an environment that holds this one's packages but not this checkout."""
        self.base.mkdir(parents=True, exist_ok=True)
        self.base.chmod(0o755)
        (self.base / "home").mkdir()
        prefix, packages = Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))
        if self.user is not None:
            _call("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", self.user)
            shutil.chown(self.base / "home", self.user)
            (self.base / "mounts").mkdir()
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        library = self.base / "venv" / "lib" / version / "site-packages"
        library.mkdir(parents=True)
        # A .pth names a folder; the .pth files in that folder, which lead to this checkout, are not read
        (library / "elsewhere.pth").write_text(f"{packages}\n")
        (self.base / "venv" / "bin").mkdir()
        for name in ("python", "python3"):
            (self.base / "venv" / "bin" / name).symlink_to(prefix / "bin" / version)
        (self.base / "venv" / "pyvenv.cfg").write_text(
            f"home = {prefix / 'bin'}\ninclude-system-site-packages = false\n"
        )

    def give(self, folder: Path) -> None:
        """Make a folder the other user's."""
        if self.user is not None:
            _call("chown", "--recursive", self.user, str(folder))

    def run(self, argv: Sequence[str], cwd: Path, extra: Mapping[str, str] | None = None) -> None:
        """Run a command there; its output goes to ours. Raises UserError when it fails."""
        environment = {
            "PATH": f"{self.python.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.base / "home"),
            "LC_ALL": self.locale,
            "PYTHONCOERCECLOCALE": "0",  # else Python makes the C locale UTF-8
            "PYTHONUTF8": "0",
            "TZ": self.zone,
            "PYTHONHASHSEED": self.hash_seed,
            **(extra or {}),
        }
        lines = [f"umask {self.umask}", f"cd {shlex.quote(str(cwd))}"]
        words = [*self.one_core, *argv]
        if self.user is not None:
            lines = [*self._opened([Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))]), *lines]
            ids = pwd.getpwnam(self.user)
            words = ["setpriv", f"--reuid={ids.pw_uid}", f"--regid={ids.pw_gid}", "--clear-groups", *words]
        script = " && ".join([*lines, f"exec {shlex.join(words)}"])
        done = subprocess.run([*self.offline, "sh", "-c", script], env=environment, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise UserError(
                f"{shlex.join(argv)}: ended with code {done.returncode} under {self.described()} (in {cwd})"
            )

    def _opened(self, needed: Sequence[Path]) -> list[str]:
        """Shell commands that let anybody reach folders behind closed ones, at their own paths."""
        lines, covered = ["umask 022"], []
        for i, folder in enumerate(needed):
            closed = [parent for parent in folder.parents if not parent.stat().st_mode & 0o001]
            if closed:
                kept, top = shlex.quote(str(self.base / "mounts" / str(i))), closed[-1]
                lines += [f"mkdir -p {kept}", f"mount --bind {shlex.quote(str(folder))} {kept}"]
                covered.append((top, folder, kept))
        for top in sorted({top for top, _, _ in covered}):
            lines.append(f"mount -t tmpfs -o mode=755 none {shlex.quote(str(top))}")
        for _, folder, kept in covered:
            place = shlex.quote(str(folder))
            lines += [f"mkdir -p {place}", f"mount --bind {kept} {place}"]
        return lines

    def remove(self) -> None:
        """Take back the user and everything below `base`."""
        shutil.rmtree(self.base)
        if self.user is not None:
            _call("userdel", self.user)


def _unshare(*words: str) -> bool:
    """Can this process have such namespaces?"""
    found = shutil.which("unshare")
    return found is not None and subprocess.run([found, *words, "true"], capture_output=True).returncode == 0


def _call(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{' '.join(argv[:2])}: {done.stderr.strip() or 'failed'}")
