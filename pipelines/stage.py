"""What every stage starts with: the paper's slug from the command line, its pack, its cells, and errors as one line."""

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from mlintern.cli import INTERRUPTED, end_on_signals, interrupted_code
from mlintern.config import Composer
from mlintern.core import printing
from mlintern.core.errors import UserError
from mlintern.packs import snapshot
from mlintern.packs.pack import Pack
from mlintern.plan.cell_plan import CellPlan
from mlintern.plan.grid import study_cells
from mlintern.study.run.job import COMPOSED_FILE, composed


def cells_of(slug: str) -> tuple[Pack, list[CellPlan]]:
    """A pack and its study's cells; refuses a composed.yaml that no longer says what the configuration comes to."""
    pack = Pack(slug)
    with Composer(slug) as composer:
        cells = study_cells(composer, [])
    path = pack.folder / COMPOSED_FILE
    if not path.exists() or path.read_text(encoding="utf-8") != composed(cells):
        raise UserError(
            f"papers/{slug}/{COMPOSED_FILE}: is not what conf/ and the pack's conf/ come to now; "
            f"run `python -m mlintern paper={slug}`, which writes it, and commit it"
        )
    return pack, cells


def main(stage: Callable[[Pack, list[CellPlan], Console], int]) -> None:
    """Run a stage for the slug in argv and exit with its code."""
    printing.never_fail()
    end_on_signals()
    try:
        if len(sys.argv) != 2:
            raise UserError("usage: python -m pipelines.<stage> <slug>")
        slug = sys.argv[1]
        if Pack.exists(slug):
            snapshot.permit()
            snapshot.enter([slug], Path("runs"), f"pipelines.{Path(sys.argv[0]).stem}", [slug])
        began = snapshot.CodeState(slug)
        code = stage(*cells_of(slug), Console())
        if said := began.said():
            raise UserError(f"{said}; run `dvc repro` again, so that DVC records what was made from what")
        sys.exit(code)
    except UserError as error:
        print(f"mlintern: {snapshot.as_seen(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as signalled:
        print(f"\nmlintern: {INTERRUPTED}", file=sys.stderr)
        sys.exit(interrupted_code(signalled))
