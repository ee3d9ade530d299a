"""`mlintern report ID`: write a paper's report again from its records, without training anything."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mlintern.core.errors import UserError
from mlintern.packs.pack import Pack
from mlintern.packs.places import place
from mlintern.paper.ids import PaperId
from mlintern.plan.grid import option_of
from mlintern.study.run.job import index_path, report_folder, report_study


def main(argv: Sequence[str]) -> int:
    """Run `mlintern report`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mlintern report", description=__doc__)
    parser.add_argument("paper", help="arXiv id or slug of a paper whose study has been run")
    parser.add_argument("overrides", nargs="*", help="those of the study, as it was run: 'study.sections=[pooling]'")
    parser.add_argument("--runs", type=Path, default=place("runs"), help="where records are (default: runs)")
    parser.add_argument("--reports", type=Path, default=place("reports"), help="where reports go (default: reports)")
    arguments = parser.parse_intermixed_args(list(argv))
    slug = PaperId.parse(arguments.paper).slug
    runs = option_of(arguments.overrides, "run.dir") or arguments.runs
    reports = option_of(arguments.overrides, "run.report_dir") or arguments.reports
    index = index_path(runs, slug, arguments.overrides)
    if not index.exists():
        command = " ".join(["python -m mlintern", f"paper={arguments.paper}", *map(shlex.quote, arguments.overrides)])
        raise UserError(f"{index}: no such study has been run; run `{command}` first")
    report_study(Pack(slug), index, report_folder(reports, slug, arguments.overrides), Console())
    return 0
