"""The first thing that a Hydra run does: it goes on from a snapshot. Nothing heavy is imported here."""

from collections.abc import Sequence
from pathlib import Path

from mlintern.packs import snapshot
from mlintern.paper.ids import papers_in


def enter_snapshot(argv: Sequence[str]) -> None:
    """Go on from a snapshot of the packs that a command line names, where all of them are there."""
    slugs = [paper.slug for paper in papers_in(list(argv))]
    given = [a.partition("=")[2] for a in argv if a.startswith("run.dir=")]
    records = Path(given[-1] if given and not set("$,{") & set(given[-1]) else "runs")
    if slugs and all((snapshot.ROOT / "papers" / slug).is_dir() for slug in slugs):
        snapshot.enter(slugs, records, "mlintern", argv)
