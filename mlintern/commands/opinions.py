"""`mlintern opinions ID`: a language model looks at the paper's own figures and says whether they show what is claimed.

An opinion is no evidence: it moves no verdict, and the report prints it as what it is, beside what was measured.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mlintern.author.command import parse_settings
from mlintern.author.opinions import look
from mlintern.core import files
from mlintern.packs.pack import Pack
from mlintern.packs.places import place
from mlintern.paper.ids import PaperId
from mlintern.report.opinions import OPINIONS_FILE
from mlintern.spec.paper_spec import load_spec
from mlintern.study.run.job import INDEX_FILE, report_study


def main(argv: Sequence[str]) -> int:
    """Run `mlintern opinions`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mlintern opinions", description=__doc__)
    parser.add_argument("paper", help="arXiv id or slug of a paper that has a pack")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="such as llm.budget_usd=1")
    parser.add_argument("--source", type=Path, help="the paper itself, where it is not to be fetched: .tex, folder, …")
    parser.add_argument("--runs", type=Path, default=place("runs"), help="where records are (default: runs)")
    parser.add_argument("--reports", type=Path, default=place("reports"), help="where reports go (default: reports)")
    arguments = parser.parse_intermixed_args(list(argv))
    settings = parse_settings(arguments.settings)
    paper = PaperId.parse(arguments.paper)
    pack = Pack(paper.slug)
    opinions = look(paper, load_spec(pack.folder / "spec.yaml"), arguments.source, settings)
    if not opinions:
        print(f"no claim of {pack.slug} rests on a figure that the paper's files hold; nothing was asked")
        return 0
    files.write_json(arguments.runs / pack.slug / OPINIONS_FILE, opinions)
    for name, opinion in opinions.items():
        print(f"{name}: {opinion['figure']} {opinion['verdict']} (opinion of {opinion['model']}): {opinion['seen']}")
    index = arguments.runs / pack.slug / INDEX_FILE
    if index.exists():
        report_study(pack, index, arguments.reports / pack.slug, Console())
    return 0
