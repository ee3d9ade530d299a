"""The first thing that a Hydra run does: it goes on from a snapshot. Nothing heavy is imported here."""

from collections.abc import Sequence
from pathlib import Path

from mlintern.core.errors import UserError
from mlintern.packs import snapshot
from mlintern.paper.ids import papers_in

_OF_THE_PROJECT = ("papers", "conf", "mlintern", "hydra_plugins", "locks")
"""Folders that a study's state is taken of: what it writes there would make it another."""


def enter_snapshot(argv: Sequence[str]) -> None:
    """Go on from a snapshot of the packs that a command line names, where all of them are there."""
    slugs = [paper.slug for paper in papers_in(list(argv))]
    places = {key: _place(argv, key) for key in ("run.dir", "run.data_dir", "run.report_dir")}
    for key, place in places.items():
        if place is not None:
            _check_place(key, place)
    if slugs and all((snapshot.ROOT / "papers" / slug).is_dir() for slug in slugs):
        snapshot.enter(slugs, Path("runs" if places["run.dir"] is None else places["run.dir"]), "mlintern", argv)


def _place(argv: Sequence[str], key: str) -> str | None:
    """The folder that a command line gives for a key, where it can be read without composing."""
    given = [a.partition("=")[2].strip("\"'") for a in argv if a.startswith(f"{key}=")]
    return given[-1] if given and not set("$,{") & set(given[-1]) else None


def _check_place(key: str, place: str) -> None:
    project = snapshot.project().resolve()
    path = (project / place).resolve()
    if path == project or (path.is_relative_to(project) and path.relative_to(project).parts[0] in _OF_THE_PROJECT):
        raise UserError(
            f"{key}={place}: the project's own code, packs and settings stand there; give another folder, like "
            f"{key.removeprefix('run.').removesuffix('_dir').replace('dir', 'runs')}"
        )
