"""`mlintern review SLUG`: what was extracted and from where, what was assumed, the code, and what is open."""

import argparse
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from mlintern.author.provenance import Provenance, load_provenance
from mlintern.errors import UserError
from mlintern.sourced import AssumedSetting, CodeSetting, PaperLocator, PaperSetting
from mlintern.spec import PaperSpec, load_spec


def main(argv: Sequence[str]) -> int:
    """Print the review of one pack; returns the exit code. Raises UserError if there is no such pack."""
    from mlintern.config import PACKS

    parser = argparse.ArgumentParser(prog="mlintern review", description=__doc__)
    parser.add_argument("slug", help="the pack's folder below papers/, such as arxiv_2011_14439")
    arguments = parser.parse_args(list(argv))
    review(PACKS / arguments.slug, Console())
    return 0


def review(pack: Path, console: Console) -> None:
    """Print all that a human needs to approve `pack`. Raises UserError for a missing or broken file."""
    if not pack.is_dir():
        raise UserError(f"papers/{pack.name}: no such pack; see papers/ for those there are")
    spec = load_spec(pack / "spec.yaml")
    _print(console, f"{spec.paper.title} (arXiv:{spec.paper.id}, version {spec.paper.version or 'unknown'})")
    _settings(spec, console)
    _results(spec, console)
    _claims(spec, console)
    left_out = list(spec.not_tested())
    if left_out:
        console.print("\nnot tested", style="bold")
        for what, reason in left_out:
            _print(console, f"  {what}: {reason}")
    for reduction in spec.scale.reductions:
        line = f"  reduced: {reduction.key} from {reduction.published} to {reduction.reduced}: {reduction.reason}"
        _print(console, line)
    path = pack / "provenance.yaml"
    if path.is_file():
        _provenance(load_provenance(path), console)
    for code in sorted(pack.rglob("*.py")):
        console.print(f"\n{code.relative_to(pack)}", style="bold")
        _print(console, code.read_text(encoding="utf-8"))
    _print(console, f"To approve it: mlintern approve {pack.name}")


def visible(text: str) -> str:
    """`text` with control and format characters written out: nothing in a pack moves the cursor or hides behind it."""
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cs") else f"\\u{ord(char):04x}"
        for char in text
    )


def place(locator: PaperLocator) -> str:
    """A locator in words: `section 4, table tab:main row 1 column 2`."""
    parts = [f"section {locator.section}"] if locator.section else []
    if locator.table is not None:
        parts.append(f"table {locator.table} row {locator.row} column {locator.column}")
    elif locator.span is not None:
        parts.append(f"characters {locator.span[0]}-{locator.span[1]}")
    return ", ".join(parts)


def _row(grid: Grid, *values: object) -> None:
    grid.add_row(*(Text(visible(str(value))) for value in values))


def _print(console: Console, text: str) -> None:
    console.print(visible(text), markup=False, highlight=False)


def _settings(spec: PaperSpec, console: Console) -> None:
    grid = Grid("setting", "value", "for", "source", title="settings", title_justify="left", expand=False)
    for setting in spec.settings:
        match setting:
            case PaperSetting():
                source = f"paper: {place(setting.locator)}"
            case CodeSetting():
                source = f"code: {setting.locator.file}"
            case AssumedSetting():
                source = f"ASSUMED: {setting.locator.reason}"
        where = ", ".join(str(level) for level in setting.where.values())
        _row(grid, setting.key, setting.value, where, source)
    console.print(grid)


def _results(spec: PaperSpec, console: Console) -> None:
    grid = Grid("table", "row", "column", "printed", "place", title="results to measure", title_justify="left")
    for table, cell in spec.testable_cells():
        _row(grid, table.id, cell.row, cell.column, cell.printed.raw, place(cell.locator))
    console.print(grid)


def _claims(spec: PaperSpec, console: Console) -> None:
    grid = Grid("claim", "statement", "check", "place", title="claims to test", title_justify="left")
    for claim in spec.claims:
        if claim.testable and claim.check:
            _row(grid, claim.id, claim.statement, claim.check["kind"], place(claim.locator))
    console.print(grid)


def _provenance(provenance: Provenance, console: Console) -> None:
    made = "a language model" if provenance.model else "hand"
    console.print(f"\nmade by {made}, {provenance.grounding.locators} places of the paper checked", style="bold")
    if provenance.model:
        model = provenance.model
        _print(console, f"  {', '.join(model.models)} through {model.provider}, ${model.usd:.2f}")
    for key in provenance.grounding.became_assumptions:
        _print(console, f"  assumed though given as stated: {key}")
    for line in [*provenance.grounding.dropped, *provenance.notes]:
        _print(console, f"  {line}")
