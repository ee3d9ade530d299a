"""`mlintern diff RUN_A RUN_B`: what differs between two recorded runs, and the first step at which it showed."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlintern.core.records import record
from mlintern.packs.places import place
from mlintern.study.verify import causes
from mlintern.study.verify.bits import Losses, compare_losses, find
from mlintern.study.verify.differences import Difference, differences, flat, shown
from mlintern.study.verify.first_difference import Parting, first_parting

BITS = ("loss_chain_sha256", "weights_sha256", "metrics", "evaluations", "selection", "status")
"""What two runs with equal bits have in common."""


def main(argv: Sequence[str]) -> int:
    """Run `mlintern diff`; exit 0 where the bits are equal, 1 where not."""
    parser = argparse.ArgumentParser(prog="mlintern diff", description=__doc__)
    parser.add_argument("first", help="a cell's id, its folder, or its run.json")
    parser.add_argument("second", help="the other run")
    parser.add_argument("--runs", type=Path, default=place("runs"), help="where records are (default: runs)")
    arguments = parser.parse_args(list(argv))
    paths = [find(text, arguments.runs) for text in (arguments.first, arguments.second)]
    first, second = (record.read_run(path.parent) for path in paths)
    console = Console()
    for letter, path, run in zip("AB", paths, (first, second), strict=True):
        console.print(f"{letter}: {called(run)}  {path}", highlight=False, markup=False, soft_wrap=True)
    losses = compare_losses(paths[0].parent, paths[1].parent)
    where = first_parting(paths[0].parent, paths[1].parent, losses)
    found = causes.ranked(differences(first, second), where)
    unequal = [name for name in BITS if first.get(name) != second.get(name)]
    say_differences(found, bool(unequal), where, console)
    say_losses(losses, first, second, console)
    say_inside(losses, where, console)
    say_metrics(first, second, console)
    if unequal:
        console.print(f"[bold red]DIFFERENT[/]: {', '.join(unequal)}", highlight=False)
    else:
        console.print("[bold green]IDENTICAL[/]: losses, weights and metrics, bit for bit", highlight=False)
    return 1 if unequal else 0


def called(run: Mapping[str, Any]) -> str:
    """A run in a few words: its id, variant, levels and seed."""
    return " · ".join([run["cell_id"], run["variant"], *map(str, run["levels"].values()), f"seed {run['seed']}"])


def say_differences(found: Sequence[Difference], unequal: bool, where: Parting | None, console: Console) -> None:
    """The table of differences, the likeliest causes first."""
    if not found:
        line = "Nothing in the two records differs beside the results"
        hint = ": `mlintern verify` trains one of them again and finds where it leaves its record" if unequal else ""
        console.print(line + hint if unequal else "The two records say the same.", highlight=False)
        return
    table = Table("what", "which", "A", "B", title="Differences, the likeliest causes first", title_justify="left")
    for item in found:
        row = [item.kind, item.name, shown(item.first), shown(item.second)]
        table.add_row(*(escape(cell) for cell in row), style=None if item.matters else "dim")
    console.print(table)
    mattering = [item for item in found if item.matters]
    able = [item for item in mattering if where is None or causes.can_explain(item, where)]
    if unequal and able:
        console.print(f"Likeliest cause: {able[0]}", highlight=False, markup=False, soft_wrap=True)
    elif unequal and mattering:
        console.print("None of these reaches what differs first: look at the code that computes it.")
    elif unequal:
        console.print("None of these may change bits: `mlintern verify` finds where a run leaves its record.")


def say_losses(found: Losses, first: Mapping[str, Any], second: Mapping[str, Any], console: Console) -> None:
    """The first step at which the runs part."""
    if found.first_difference is None:
        steps = [run["config"]["trainer"]["max_steps"] for run in (first, second)]
        tail = f" ({steps[0]} and {steps[1]} were asked for)" if steps[0] != steps[1] else ""
        console.print(f"Losses: all {found.steps} common steps agree{tail}", highlight=False)
        if found.first_weights is not None:
            console.print(f"Weights: differ after step {found.first_weights} and from there on", highlight=False)
        return
    before = f"; the {found.first_difference} steps before agree" if found.first_difference else ""
    console.print(
        f"Losses: differ from step {found.first_difference} on: {found.first!r} | {found.second!r} "
        f"({found.ulp} ulp apart){before}",
        highlight=False,
        soft_wrap=True,
    )


def say_inside(losses: Losses, where: Parting | None, console: Console) -> None:
    """The first tensor that differs, from what both runs kept of their steps' insides."""
    if where is not None:
        console.print(
            f"Inside step {where.step}, first to differ: {where}", highlight=False, markup=False, soft_wrap=True
        )
        if where.agreeing:
            console.print(f"  the {where.agreeing} tensors before it agree", highlight=False)
    elif losses.parted_at is not None:
        console.print("No step's inside that both runs kept shows more.", highlight=False)


def say_metrics(first: Mapping[str, Any], second: Mapping[str, Any], console: Console) -> None:
    """Metrics side by side."""
    a, b = (
        {name: value for name, value in flat(run.get("metrics", {})).items() if isinstance(value, (int, float))}
        for run in (first, second)
    )
    table = Table("metric", "A", "B", "B − A", title="Metrics", title_justify="left")
    for name in sorted((a.keys() | b.keys()) - {""}):
        one, other = a.get(name), b.get(name)
        gap = "=" if one == other else f"{other - one:+.3g}" if one is not None and other is not None else "–"
        table.add_row(name, *("–" if value is None else f"{value:.6g}" for value in (one, other)), gap)
    if table.row_count:
        console.print(table)
