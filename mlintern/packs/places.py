"""Where a command is at home: from a folder below the project, the project is found, and paths are relative to it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mlintern.core.errors import UserError
from mlintern.packs import snapshot


def below_project() -> bool:
    """Is the working folder one below the project?

    Raises UserError where it lies in a project other than the one whose mlintern this is.
    """
    here, home = Path.cwd().resolve(), snapshot.project().resolve()
    for folder in (here, *here.parents):
        if folder == home:
            return here != home
        if all((folder / name).is_dir() for name in ("papers", "conf", "mlintern")):
            raise UserError(
                f"{folder}: is a project of its own, and this mlintern is that of {home}; go to {folder} and run "
                "`python -m mlintern` there"
            )
    return False


def place(name: str) -> Path:
    """`runs`, `data` or `reports` of the project, as short as it can be said from here."""
    return snapshot.project() / name if below_project() else Path(name)


def enter_project(argv: Sequence[str]) -> list[str]:
    """Go to the project from a folder below it, and say so; returns the arguments, in which papers that are files are
    named from anywhere."""
    if not below_project():
        return list(argv)
    found = []
    for argument in argv:
        key, given, value = argument.partition("=")
        named = key.lstrip("+") in ("paper", "code.files", "llm.replay")
        is_file = given and named and ("/" in value or Path(value).suffix) and Path(value).exists()
        found.append(f"{key}={Path(value).resolve()}" if is_file else argument)
    home = snapshot.project()
    print(f"mlintern: going on in the project, {home}: runs, data and reports are relative to it", file=sys.stderr)
    os.chdir(home)
    return found
