"""How workers are started: bare for code that a human approved, inside the sandbox for code that nobody has."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from rich.console import Console

from mlintern.errors import UserError
from mlintern.pack import Pack
from mlintern.study.pool import Launch, launch_bare


def launcher(pack: Pack, backend: str, writable: Sequence[Path], console: Console) -> Launch:
    """The way to start workers for this pack; says so when its code is not approved."""
    if pack.code_is_approved():
        return launch_bare
    changed = [name for name in pack.changed() if name.endswith(".py")]
    if backend == "none":
        console.print(
            f"[yellow]papers/{pack.slug}: {', '.join(changed)} is not as approved, and sandbox=none: running it bare.[/]"
        )
        return launch_bare
    raise UserError(
        f"papers/{pack.slug}: {', '.join(changed)} is not as approved in pack.lock; read it, then "
        f"`python -m mlintern approve {pack.slug}`, or give sandbox=none to run it unapproved and unprotected"
    )
