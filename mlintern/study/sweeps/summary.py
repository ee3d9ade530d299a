"""What came out of a sweep: each cell by what was swept, and mean and interval over what was swept as replicates.

Replicates are seeds: `seed`, `protocol.split_seed`, `data.source.seed` … What else was swept makes groups. Over one
kind of seed the interval is Student's; where every seed was run with every seed of another kind, it is that of the
crossed layout, since runs that share a split are not independent. Of other designs the mean is given, and no interval.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mlintern.core import files
from mlintern.core.records import record
from mlintern.core.roots import COORDINATES
from mlintern.statistics.estimates import Estimate, mean_estimate
from mlintern.statistics.paired import crossed_estimate
from mlintern.study.run.planned import Planned

LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class CellOutcome:
    """One cell of a sweep and what came of it."""

    swept: Mapping[str, str]
    """{key that was swept: this cell's value}."""
    name: str
    cell_id: str
    metric: str = ""
    value: float | None = None
    """The metric of the chosen checkpoint on test; None for a cell that failed, diverged or was refused."""
    said: str = ""
    """The outcome in a few words."""

    @property
    def label(self) -> str:
        """The cell's name, and what was swept that the name does not say."""
        more = [f"{key}={value}" for key, value in self.swept.items() if key not in COORDINATES]
        return " · ".join([self.name, *more])


@dataclasses.dataclass(frozen=True)
class Replicates:
    """The cells that differ in replicates alone."""

    by: Mapping[str, str]
    """{key: value} of what was swept otherwise."""
    metric: str
    over: Sequence[str]
    """The keys of the replicates."""
    asked: int
    estimate: Estimate | None
    """Over the cells that have a value; None where none has."""

    def interval(self) -> tuple[float, float]:
        return self.estimate.interval(LEVEL) if self.estimate is not None else (math.nan, math.nan)

    @property
    def runs(self) -> str:
        """`3 seeds`, `2 of 3 seeds`, `6 runs over seed x protocol.split_seed`, `one run`."""
        there = self.estimate.n if self.estimate is not None else 0
        count = str(self.asked) if there == self.asked else f"{there} of {self.asked}"
        if not self.over:
            return "one run" if there == self.asked == 1 else f"{count} runs"
        return f"{count} over {' x '.join(self.over)}"


def swept_keys(arguments: Sequence[str]) -> list[str]:
    """The keys that the arguments give several values, as they are written in overrides."""
    parsed = OverridesParser.create().parse_overrides(list(arguments))
    keys = [str(o.get_key_element()) for o in parsed if o.is_sweep_override()]
    return [key.lstrip("+") for key in keys if key.lstrip("+") != "paper"]


def values_of(keys: Sequence[str], overrides: Sequence[str]) -> dict[str, str]:
    """{key: value} of one combination, for the swept keys."""
    given = dict(override.lstrip("+").split("=", 1) for override in overrides if "=" in override)
    return {key: given[key] for key in keys if key in given}


def is_replicate(key: str) -> bool:
    """Is this key a seed of any kind?"""
    name = key.rsplit(".", 1)[-1]
    return name == "seed" or name.endswith("_seed")


def groups(outcomes: Sequence[CellOutcome]) -> list[Replicates]:
    """The cells grouped by what was swept beside replicates, in their order; one that was asked for twice (seed=0 and
    seed=00) is one."""
    found: dict[tuple[Any, ...], list[CellOutcome]] = {}
    metrics = {tuple(_by(o).items()): o.metric for o in outcomes if o.metric}
    for outcome in outcomes:
        members = found.setdefault(tuple(_by(outcome).items()), [])
        if outcome.cell_id == "-" or outcome.cell_id not in {member.cell_id for member in members}:
            members.append(outcome)
    made = []
    for by, members in found.items():
        over = [key for key in members[0].swept if is_replicate(key)]
        varied = [key for key in over if len({m.swept[key] for m in members}) > 1]
        made.append(Replicates(dict(by), metrics.get(by, ""), varied, len(members), _estimate(members, varied)))
    return made


def _by(outcome: CellOutcome) -> dict[str, str]:
    return {key: value for key, value in outcome.swept.items() if not is_replicate(key)}


def _estimate(members: Sequence[CellOutcome], over: Sequence[str]) -> Estimate | None:
    """Mean over a group's cells, with the error that its layout allows."""
    known = {tuple(m.swept[key] for key in over): m.value for m in members if m.value is not None}
    values = [value for value in known.values() if value is not None]
    if not values:
        return None
    if len(over) <= 1:
        estimate = mean_estimate(values)
        return dataclasses.replace(estimate, method=f"t over {len(values)} values of {over[0]}") if over else estimate
    rows, columns = (list(dict.fromkeys(m.swept[key] for m in members)) for key in over[:2])
    if len(over) == 2 and len(known) == len(rows) * len(columns):
        crossed = crossed_estimate([[known[row, column] for column in columns] for row in rows])
        method = f"crossed {len(rows)} values of {over[0]} and {len(columns)} of {over[1]}"
        return dataclasses.replace(crossed, n=len(values), method=method)
    return Estimate(sum(values) / len(values), math.nan, 0.0, len(values), "no interval for this layout")


def finished(item: Planned, swept: Mapping[str, str], said: str) -> CellOutcome:
    """A cell that has its record."""
    run = record.read_own_run(item.folder)
    metric = run["selection"]["metric"]
    value = run["metrics"]["test"].get(metric) if run["status"] == "finished" else None
    return CellOutcome(swept, item.cell.name, item.cell_id, metric, None if value is None else float(value), said)


def show(console: Console, outcomes: Sequence[CellOutcome]) -> None:
    """A line for each cell, and where there are several, a table of the groups."""
    for one in outcomes:
        console.print(f"  {one.cell_id}  {escape(one.label)}  [bold]{escape(one.said)}[/]", highlight=False)
    if len(outcomes) < 2:
        return
    made = groups(outcomes)
    keys = list(dict.fromkeys(key for group in made for key in group.by))
    table = Table(*keys, "metric on test", "mean", "95 % interval", "runs")
    for group in made:
        low, high = group.interval()
        known = group.estimate is not None
        table.add_row(
            *(Text(group.by.get(key, "")) for key in keys),
            Text(group.metric),
            f"{group.estimate.value:.4g}" if group.estimate is not None else "-",
            f"{low:.4g} to {high:.4g}" if math.isfinite(low) else _why_none(group) if known else "-",
            Text(group.runs),
        )
    console.print(table)


def _why_none(group: Replicates) -> str:
    assert group.estimate is not None
    if group.estimate.n == 1:
        return "none: one run"
    if len(group.over) > 1 and "no interval" in group.estimate.method:
        return "none for this layout"
    return "none: all the same value"


def write(path: Path, arguments: Sequence[str], outcomes: Sequence[CellOutcome]) -> None:
    """The summary as a file, in bytes that are equal wherever the cells' are."""
    rows = []
    for group in groups(outcomes):
        low, high = group.interval()
        estimate = group.estimate
        rows.append(
            {
                "by": dict(group.by),
                "over": list(group.over),
                "metric": group.metric,
                "asked": group.asked,
                "n": estimate.n if estimate else 0,
                "mean": estimate.value if estimate else None,
                "low": low if math.isfinite(low) else None,
                "high": high if math.isfinite(high) else None,
                "level": LEVEL,
                "method": estimate.method if estimate else "no run has a value",
            }
        )
    cells = [
        {"cell_id": o.cell_id, "name": o.name, "swept": dict(o.swept), "metric": o.metric, "value": o.value}
        for o in outcomes
    ]
    files.write_json(path, {"arguments": sorted(arguments), "groups": rows, "cells": cells})
