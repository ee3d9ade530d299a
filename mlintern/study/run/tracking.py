"""DVC: after a whole study, the tracked files and dvc.lock say what was made from what."""

import json
import subprocess
import sys
from collections.abc import Sequence

from rich.console import Console

from mlintern.core.errors import UserError
from mlintern.packs.snapshot import CodeState, project

STAGES = ("prepare", "audit", "study", "report")


def papers() -> list[str]:
    """The slugs that dvc.yaml iterates over."""
    import yaml

    path = project() / "papers.yaml"
    try:
        return list(yaml.safe_load(path.read_text(encoding="utf-8"))["papers"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{path.name}: not readable as a list `papers:` of slugs ({error})") from None


def tracks(slug: str) -> bool:
    """Does DVC track this paper: is this a DVC project, and does papers.yaml list it?"""
    return (project() / ".dvc").is_dir() and slug in papers()


def commit(slug: str, began: CodeState, sure: bool, console: Console) -> None:
    """Record the stages of one paper in dvc.lock as they now are, in one DVC call; `dvc status` is clean after it.

    DVC would ask about every dependency that is not as in dvc.lock, which is what a study is run again for. What was
    asked for is what it cannot know: that these outputs were made from the dependencies as they are, and not from what
    they were before. Data, audits and cells have keys that hold the code behind them, so it is so where nothing changed
    since the study `began`; else nothing is recorded. Where it is not `sure` (data that `dvc pull` brought), nothing is
    recorded over a dependency that changed.
    """
    lock = project() / "dvc.lock"
    before = lock.read_bytes() if lock.exists() else None
    stages = [f"{stage}@{slug}" for stage in STAGES]
    if not sure and (changed := _changed_dependencies(stages)):
        console.print(
            f"[yellow]dvc.lock stays as it was: {changed[0]} is not as it says, and nothing shows that the data of "
            f"data/{slug}/ were made from it; `dvc repro` makes them anew.[/]",
            highlight=False,
        )
        return
    if changed := began.changed():
        _say_changed(changed, console)
        return
    done = _dvc("commit", "--quiet", "--force", *stages)
    if changed := began.changed():  # while DVC took its hashes
        if before is None:
            lock.unlink(missing_ok=True)
        else:
            lock.write_bytes(before)
        _say_changed(changed, console)
    elif done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()
        console.print(
            f"[yellow]dvc commit did not go through ({last[-1] if last else 'no message'}); "
            "the results are complete, and `dvc repro` will record them.[/]"
        )


def _dvc(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *argv]
    return subprocess.run(command, cwd=project(), stdin=subprocess.DEVNULL, capture_output=True, text=True)


def _changed_dependencies(stages: Sequence[str]) -> list[str]:
    """Dependencies of the stages that are not as dvc.lock has them, by name; what DVC cannot say counts as changed."""
    done = _dvc("status", "--json", *stages)
    try:
        found = json.loads(done.stdout)
        rows = [row for rows in found.values() for row in rows if isinstance(row, dict)]
        return sorted({name for row in rows for name in row.get("changed deps", {})})
    except (ValueError, AttributeError, TypeError):
        return ["a dependency"]


def _say_changed(changed: Sequence[str], console: Console) -> None:
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    console.print(
        f"[yellow]dvc.lock stays as it was: {changed[0]}{more} changed while the study ran; run it again.[/]",
        highlight=False,
    )
