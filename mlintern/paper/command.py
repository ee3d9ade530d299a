"""`mlintern read`: a paper into document.json, with an outline or one of its tables on the terminal."""

import argparse
from dataclasses import replace
from pathlib import Path

from mlintern.core.errors import UserError
from mlintern.core.files import write_text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlintern read",
        description="Read a paper into a document: sections, tables as cells, figures, formulas, and what is missing.",
        epilog="Settings: paper.<key>=<value>, for example paper.contact=you@example.org paper.offline=true.",
    )
    parser.add_argument("paper", help="arXiv id or URL, or a local .tex, .pdf, .html, archive or folder")
    parser.add_argument("settings", nargs="*", default=[], metavar="paper.key=value", help="how papers are fetched")
    parser.add_argument(
        "--table", metavar="N", help="draw this table (3, 3b, A1) instead of the outline; writes no file"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("document.json"), help="where to write (default: document.json)"
    )
    parser.add_argument("--no-figures", action="store_true", help="do not write figures as PNG beside the document")
    return parser


def main(argv: list[str]) -> int:
    """Runs `mlintern read`; the exit code. Raises UserError for what the user can mend."""
    options = _parser().parse_intermixed_args(argv)  # `read ID --table 3 paper.offline=true` is fine
    from mlintern.paper.document.draw import console_for, outline, table
    from mlintern.paper.fetch.paper_files import fetch
    from mlintern.paper.ids import PaperId
    from mlintern.paper.read import read_fetched
    from mlintern.paper.settings import PaperSettings

    values = {}
    for setting in options.settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.startswith("paper."):
            raise UserError(f"{setting}: not understood; settings read like paper.contact=you@example.org")
        values[key.removeprefix("paper.")] = value
    found = fetch(PaperId.parse(options.paper), PaperSettings.from_mapping(values))
    document = read_fetched(found)
    console = console_for()
    if options.table is not None:
        name = str(options.table).removeprefix("Table").strip()
        for grid in document.tables_called(name) or (document.table(name),):
            console.print(table(grid))
        return 0
    if not options.no_figures and found.road == "latex" and document.figures:
        from mlintern.paper.figures.pixels import draw_figures

        source = found.path if found.path.is_dir() else found.path.parent
        document = draw_figures(document, source, options.out.parent / (options.out.stem + "_figures"))
    elif options.no_figures:
        document = replace(document, figures=tuple(replace(f, pixels=()) for f in document.figures))
    write_text(options.out, document.to_json(indent=1) + "\n")
    console.print(outline(document))
    console.print(f"\nwritten to {options.out}", style="dim", markup=False)
    return 0
