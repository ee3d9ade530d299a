"""`mlintern report ID`: write a paper's report again from its records, without training anything."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mlintern.errors import UserError
from mlintern.job import INDEX_FILE, report_study
from mlintern.pack import Pack
from mlintern.paper.ids import PaperId


def main(argv: Sequence[str]) -> int:
    """Run `mlintern report`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mlintern report", description=__doc__)
    parser.add_argument("paper", help="arXiv id or slug of a paper whose study has been run")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where records are (default: runs)")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="where reports go (default: reports)")
    arguments = parser.parse_args(list(argv))
    slug = PaperId.parse(arguments.paper).slug
    index = arguments.runs / slug / INDEX_FILE
    if not index.exists():
        raise UserError(f"{index}: no study has been run; run `python -m mlintern paper={arguments.paper}` first")
    report_study(Pack(slug), index, arguments.reports / slug, Console())
    return 0
