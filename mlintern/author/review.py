"""`mlintern review SLUG`: what was extracted and from where, what was assumed, the code, and what is open."""

import argparse
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from mlintern.author.provenance import Provenance, load_provenance
from mlintern.core.errors import UserError
from mlintern.packs import approval
from mlintern.spec.paper_spec import PaperSpec, load_spec
from mlintern.spec.sourced import AssumedSetting, CodeSetting, PaperLocator, PaperSetting


def main(argv: Sequence[str]) -> int:
    """Print the review of one pack; returns the exit code. Raises UserError if there is no such pack."""
    from mlintern.core.roots import PACKS

    parser = argparse.ArgumentParser(prog="mlintern review", description=__doc__)
    parser.add_argument("slug", help="the pack's folder below papers/, such as arxiv_2011_14439")
    arguments = parser.parse_args(list(argv))
    review(PACKS / arguments.slug, Console())
    return 0


def review(pack: Path, console: Console) -> None:
    """Print all that a human needs to say that they read `pack`. Raises UserError for a missing or broken file."""
    if not pack.is_dir():
        raise UserError(f"papers/{pack.name}: no such pack; see papers/ for those there are")
    spec = load_spec(pack / "spec.yaml")
    _print(console, f"{spec.paper.title} (arXiv:{spec.paper.id}, version {spec.paper.version or 'unknown'})")
    _parts(spec, console)
    _reductions(spec, console)
    _settings(spec, console)
    _assumptions(spec, console)
    _factors(spec, console)
    _results(spec, console)
    _claims(spec, console)
    left_out = list(spec.not_tested())
    if left_out:
        console.print("\nnot tested", style="bold")
        for what, reason in left_out:
            _print(console, f"  {what}: {reason}")
    path = pack / "provenance.yaml"
    if path.is_file():
        _provenance(load_provenance(path), console)
    for code in sorted(pack.rglob("*.py")):
        console.print(f"\n{code.relative_to(pack)}", style="bold")
        _print(console, code.read_text(encoding="utf-8"))
    _print(console, approval.said(pack))
    _print(console, f"To say that you read it: mlintern approve {pack.name}")


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


def _grid(title: str, *columns: str) -> Grid:
    """An empty grid; what is too wide for its column goes on below, nothing is cut off."""
    grid = Grid(title=title, title_justify="left")
    for column in columns:
        grid.add_column(column, overflow="fold")
    return grid


def _row(grid: Grid, *values: object) -> None:
    grid.add_row(*(Text(visible(str(value))) for value in values))


def _print(console: Console, text: str) -> None:
    console.print(visible(text), markup=False, highlight=False)


def _parts(spec: PaperSpec, console: Console) -> None:
    """What is trained on what, in the words of the pack."""
    console.print("\nmodels and methods", style="bold")
    for variant in spec.variants:
        count = f" ({variant.parameters.value:,} parameters stated)" if variant.parameters else ""
        _print(console, f"  {variant.id}: {variant.name}{count}: {variant.description}")
    console.print("\ndata", style="bold")
    for dataset in spec.datasets:
        lacking = "" if dataset.available else f" NOT AVAILABLE: {dataset.reason}"
        _print(console, f"  {dataset.id}: {dataset.description}{lacking}")


def _reductions(spec: PaperSpec, console: Console) -> None:
    """The published scale and the study's, side by side."""
    _print(console, f"\npublished scale: {spec.scale.published}")
    if not spec.scale.reductions:
        return
    grid = _grid("reduced", "setting", "for", "published", "this study", "why")
    for reduction in spec.scale.reductions:
        where = ", ".join(str(level) for level in reduction.where.values())
        _row(grid, reduction.key, where, reduction.published, reduction.reduced, reduction.reason)
    console.print(grid)


def _settings(spec: PaperSpec, console: Console) -> None:
    """What the paper or its code states; facts that no key of the study holds are marked."""
    grid = _grid("stated", "setting", "value", "for", "source")
    for setting in spec.settings:
        match setting:
            case PaperSetting():
                source = f"paper: {place(setting.locator)}"
            case CodeSetting():
                line = f" line {setting.locator.line}" if setting.locator.line else ""
                source = f"code: {setting.locator.file}{line}"
            case AssumedSetting():
                continue
        where = ", ".join(f"{name} {level}" for name, level in setting.where.items())
        value = setting.value if not setting.unit else f"{setting.value} {setting.unit}"
        _row(grid, setting.key, value, where, source if setting.in_config else f"{source} (not a key of the study)")
    console.print(grid)


def _assumptions(spec: PaperSpec, console: Console) -> None:
    """The unsaid: what was chosen, why, and what `study.probe_assumptions=true` would try."""
    grid = _grid("not said by the paper", "setting", "ASSUMED", "for", "why", "alternatives")
    for setting in spec.unsaid:
        where = ", ".join(f"{name} {level}" for name, level in setting.where.items())
        others = ", ".join(str(value) for value in setting.locator.probe_range)
        _row(grid, setting.key, setting.value, where, setting.locator.reason, others)
    console.print(grid)


def _factors(spec: PaperSpec, console: Console) -> None:
    """What the ablations vary, level by level."""
    if not spec.ablations:
        return
    grid = _grid("ablations", "factor", "level", "changes", "place")
    for factor in spec.ablations:
        for level in factor.levels:
            name = f"{level.id} (base)" if level.id == factor.base else level.id
            changes = ", ".join(f"{key}={value}" for key, value in level.overrides.items()) or "nothing"
            _row(grid, factor.id, name, changes, place(level.locator) if level.locator else "")
    console.print(grid)


def _results(spec: PaperSpec, console: Console) -> None:
    grid = _grid("results to measure", "table", "row", "column", "printed", "place")
    for table, cell in spec.testable_cells():
        _row(grid, table.id, cell.row, cell.column, cell.printed.raw, place(cell.locator))
    console.print(grid)


def _claims(spec: PaperSpec, console: Console) -> None:
    grid = _grid("claims to test", "claim", "statement", "check", "place")
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
