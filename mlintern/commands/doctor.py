"""`mlintern doctor`: is this installation what the lock says, and what can this machine do.

Imports nothing heavy, so that it still answers when a package is broken, and never prints a secret: of a key only
whether it is set.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlintern import __version__
from mlintern.core import environment, files
from mlintern.core.errors import UserError
from mlintern.sandbox import policy
from mlintern.sandbox.process import offered

ROOT = environment.LOCKS.parent

LOW_DISK_BYTES = 2 * 1024**3
"""Below this a study may run out of room: prepared data, predictions and weights of some dozens of small cells."""

State = Literal["ok", "note", "problem"]
_STYLES: dict[State, str] = {"ok": "green", "note": "yellow", "problem": "bold red"}


@dataclass(frozen=True)
class StateRow:
    """One line of the table. A `problem` makes the exit code 2; a `note` is worth reading, and no more."""

    name: str
    state: State
    text: str


def main(argv: Sequence[str]) -> int:
    """Print the table; 0 when a run may start, 2 on a known-bad release, or on drift with `--drift refuse`."""
    parser = argparse.ArgumentParser(prog="mlintern doctor", description="Check the installation and the machine.")
    parser.add_argument(
        "--drift",
        choices=("warn", "refuse"),
        default="warn",
        help="what to make of packages that differ from the lock, as env.drift for runs (default: %(default)s)",
    )
    rows = examine(parser.parse_args(argv).drift)
    show(rows)
    return 2 if any(row.state == "problem" for row in rows) else 0


def examine(drift_policy: str) -> list[StateRow]:
    """Every row, in the order in which it is shown."""
    return [
        StateRow("mlintern", "ok", f"{__version__} in {ROOT}"),
        _python(),
        _lock(),
        _drift(drift_policy),
        _known_bad(),
        _torch(),
        _processor(),
        _pins(),
        _git(),
        _sandbox(),
        _disk(),
        _dvc(),
        _key(
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            use="reading a paper that has no pack; bundled papers need none",
        ),
        _key("WANDB_API_KEY", use="logger=wandb online"),
    ]


def show(rows: Sequence[StateRow]) -> None:
    """The table on standard output, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(Text(row.name), Text(row.state, style=_STYLES[row.state]), Text(row.text, overflow="fold"))
    Console().print(table)


def _python() -> StateRow:
    text = f"{platform.python_version()} ({sys.executable})"
    if (3, 11) <= sys.version_info < (3, 14):
        return StateRow("python", "ok", text)
    return StateRow("python", "problem", f"{text}; needs 3.11, 3.12 or 3.13")


def _lock() -> StateRow:
    lock = environment.lock_file()
    if lock is None:
        return StateRow(
            "lock", "note", f"none in {environment.LOCKS}; drift cannot be seen outside a clone of the repository"
        )
    return StateRow("lock", "ok", f"{lock.name}, sha256 {files.sha256_file(lock)[:16]}…")


def _drift(policy: str) -> StateRow:
    found = environment.drift()
    if policy == "refuse" and environment.lock_file() is None:
        return StateRow("drift", "problem", "no lock to compare with")
    if not found:
        return StateRow("drift", "ok", environment.describe(found))
    state: State = "problem" if policy == "refuse" else "note"
    return StateRow("drift", state, environment.describe(found, most=8) + "; `make venv` installs the lock")


def _known_bad() -> StateRow:
    try:
        environment.refuse_known_bad()
    except UserError as error:
        return StateRow("bad releases", "problem", str(error))
    return StateRow("bad releases", "ok", "none of " + ", ".join(f"{p} {v}" for p, v in sorted(environment.KNOWN_BAD)))


def _torch() -> StateRow:
    version = environment.installed_version("torch")
    if version is None:
        return StateRow("torch", "problem", "not installed; `make venv` installs the lock")
    driver = environment.nvidia_driver()
    build = "CPU build" if version.endswith("+cpu") or platform.system() != "Linux" else "CUDA build"
    if driver and build == "CPU build":
        hint = f"NVIDIA driver {driver} is there but unused: python3 locks/install.py --lock cuda"
        return StateRow("torch", "note", f"{version} ({build}); {hint}")
    return StateRow("torch", "ok", f"{version} ({build}); NVIDIA driver: {driver or 'none'}")


def _processor() -> StateRow:
    threads, cores = environment.threads(), environment.cores()
    return StateRow(
        "processor", "ok", f"{environment.cpu_model()}, {cores} cores usable, {threads} threads in this process"
    )


def _pins() -> StateRow:
    pins = environment.pins_in_force()
    listed = ", ".join(f"{name}={value}" for name, value in pins.items()) or "none"
    return StateRow("pins", "ok", f"set in this process: {listed}; a run sets those of its determinism level itself")


def _git() -> StateRow:
    def ask(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "--short=12", "HEAD")
    if commit is None:
        return StateRow(
            "git", "note", "no commit can be read here, so records will not name one; run from a clone, with git"
        )
    changes = len((ask("status", "--porcelain") or "").splitlines())
    if changes:
        return StateRow("git", "note", f"{commit} with {changes} uncommitted changes; records of runs will say so")
    return StateRow("git", "ok", f"{commit}, nothing uncommitted")


def _sandbox() -> StateRow:
    """What holds the code of packs: the backend and every layer that was found to hold by starting one, or why not."""
    try:
        asked = policy.current()
        if asked.backend == "none":
            return StateRow("sandbox", "note", f"none, as {policy.settings_path()} says: code of packs runs as you")
        backend, layers = offered(asked.backend)
    except UserError as error:
        why = str(error).removeprefix("sandbox: ")
        return StateRow("sandbox", "note", f"{why} (packs that came with this release, unchanged, run without one)")
    reach = "; sandbox.network=peers, as your settings say" if asked.network == "peers" else ""
    return StateRow("sandbox", "ok", f"{backend}: {', '.join(layers)}{reach}")


def _disk() -> StateRow:
    free = shutil.disk_usage(ROOT).free
    state: State = "note" if free < LOW_DISK_BYTES else "ok"
    return StateRow("disk", state, f"{free / 1024**3:.1f} GiB free")


def _dvc() -> StateRow:
    version = environment.installed_version("dvc")
    if version is None:
        return StateRow("dvc", "note", "not installed; `make venv` installs the lock")
    if not (Path(sys.prefix) / "bin" / "dvc").exists() and shutil.which("dvc") is None:
        return StateRow("dvc", "note", f"{version}, but its command is not on PATH")
    where = "repository set up" if (ROOT / ".dvc").is_dir() else "no DVC repository here"
    return StateRow("dvc", "ok", f"{version}, {where}")


def _key(*names: str, use: str) -> StateRow:
    is_set = any(os.environ.get(name) for name in names)
    return StateRow(names[0], "ok", f"{'set' if is_set else 'not set'} (for {use})")
