"""DVC: after a whole study, the tracked files and dvc.lock say what was made from what."""

import subprocess
import sys

from rich.console import Console

from mlintern.errors import UserError
from mlintern.snapshot import project

STAGES = ("prepare", "audit", "study", "report")


def papers() -> list[str]:
    """The slugs that dvc.yaml iterates over."""
    import yaml

    path = project() / "papers.yaml"
    try:
        return list(yaml.safe_load(path.read_text(encoding="utf-8"))["papers"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{path.name}: not readable as a list `papers:` of slugs ({error})") from None


def commit(slug: str, console: Console) -> None:
    """Record the stages of one paper in dvc.lock as they now are, in one DVC call; `dvc status` is clean after it.

    Outside a DVC project (a plain copy of the files), and for a paper that papers.yaml does not list, there is nothing
    to record.
    """
    if not (project() / ".dvc").is_dir() or slug not in papers():
        return
    stages = [f"{stage}@{slug}" for stage in STAGES]
    command = [sys.executable, "-m", "dvc", "commit", "--quiet", "--force", *stages]
    done = subprocess.run(command, cwd=project(), capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()
        console.print(
            f"[yellow]dvc commit did not go through ({last[-1] if last else 'no message'}); "
            "the results are complete, and `dvc repro` will record them.[/]"
        )
