"""`dvc repro` in a clone, here or elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

from mlintern.core.errors import UserError
from portability.circumstances import Elsewhere

_IS_THE_CLONE = (
    "import sys, pathlib, mlintern; found = pathlib.Path(mlintern.__file__).parent.parent; "
    "sys.exit(0 if found == pathlib.Path.cwd() else f'mlintern comes from {found}, not from the clone')"
)


def there(elsewhere: Elsewhere, folder: Path) -> None:
    """Run it under other circumstances, after a look whether the clone's own code would run."""
    python = str(elsewhere.python)
    cache = {"DVC_SITE_CACHE_DIR": str(elsewhere.base / "home" / "dvc")}  # DVC's default is shared by all users
    elsewhere.run([python, "-c", _IS_THE_CLONE], folder)
    elsewhere.run([python, "-m", "dvc", "repro", "--quiet"], folder, cache)


def here(folder: Path) -> None:
    """Run it as whoever runs this, in this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--quiet"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise UserError(
            f"dvc repro: ended with code {done.returncode} in {folder}: {(done.stderr + done.stdout)[-500:]}"
        )
