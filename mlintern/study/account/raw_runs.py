"""A paper's printed means and spreads held against the raw runs that it came with, cell by cell.

A cell and its seeds are matched by the mean: a list of raw numbers whose mean rounds to the printed one. Where several
lists do, a cell counts as wrong only if every one of them says so.
`python -m mlintern.study.account.raw_runs PAPER FOLDER` prints what it finds.
"""

import argparse
import math
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document, Table
from mlintern.report.model.report import Smell
from mlintern.statistics.printed_interval import PrintedIntervalCheck, check_printed_interval, common_formula
from mlintern.statistics.printed_value import Spread
from mlintern.study.account.raw_series import RawSeries, read_series

FEWEST_DIGITS = 3
"""Significant digits that a printed mean needs to say which series it is: 1 ± 0 fits too many."""
_SHOWN = 3
_WORDS: tuple[tuple[Spread, tuple[str, ...]], ...] = (
    ("ci95", ("confidence interval", "95% ci", "95 % ci", "95% interval", "95 % interval")),
    ("standard_error", ("standard error", "std. err", "stderr", "s.e.m", "sem)")),
    ("std", ("standard deviation", "std. dev", "std)", "std.")),
)


@dataclass(frozen=True)
class CheckedCell:
    """A printed `mean ± spread` with the raw series behind it."""

    name: str
    printed: str
    values: tuple[float, ...]
    source: str
    spread: float
    check: PrintedIntervalCheck


def stated_spread(text: str) -> Spread:
    """What a caption calls its ±; `unknown` where it says nothing or several things."""
    plain = " ".join(text.lower().split())
    said = [kind for kind, words in _WORDS if any(word in plain for word in words)]
    return said[0] if len(said) == 1 else "unknown"


def check_table(table: Table, series: Sequence[RawSeries]) -> list[CheckedCell]:
    """Every cell of the table that prints a mean with a symmetric spread and has raw numbers behind it."""
    stated = stated_spread(f"{table.caption} {table.subcaption} {' '.join(table.notes)}")
    found = []
    for cell in table.cells:
        number = cell.number
        if number is None or number.value is None or number.spread is None or number.bound:
            continue
        # The place value is that of the number as written; a factor of ten in it (2 K) leaves no decimals.
        decimals = 0 if number.resolution is None else max(0, round(-math.log10(number.resolution)))
        if len(f"{abs(number.value):.{decimals}f}".replace(".", "").lstrip("0")) < FEWEST_DIGITS:
            continue
        name = ", ".join([*table.row_name(cell.row), *table.header_of(cell.column)])
        checked = [
            CheckedCell(
                name,
                number.raw,
                one.values,
                one.name,
                number.spread,
                check_printed_interval(one.values, number.spread, decimals=decimals, stated=stated),
            )
            for one in _with_mean(series, number.value, 0.5 * 10.0**-decimals)
        ]
        if checked:
            found.append(next((c for c in checked if c.check.ok), checked[0]))
    return found


def check_raw_runs(document: Document, series: Sequence[RawSeries]) -> list[Smell]:
    """The tables whose printed spreads are not what they are called, and the recorded spreads that are not either."""
    found = [_table_smell(table, check_table(table, series)) for table in document.tables]
    return [smell for smell in (*found, _recorded_smell(series)) if smell is not None]


def _with_mean(series: Sequence[RawSeries], mean: float, rounding: float) -> list[RawSeries]:
    """The series with that mean, each list of values once."""
    found: dict[tuple[float, ...], RawSeries] = {}
    for one in series:
        if abs(float(np.mean(one.values)) - mean) <= rounding * (1 + 1e-9):
            found.setdefault(tuple(sorted(one.values)), one)
    return list(found.values())


def _table_smell(table: Table, cells: Sequence[CheckedCell]) -> Smell | None:
    wrong = [cell for cell in cells if not cell.check.ok]
    if not wrong:
        return None
    # Seeds that all agree have no ratio and stand last: the table's widest error is what a reader must see.
    wrong.sort(key=lambda cell: -cell.check.ratio if math.isfinite(cell.check.ratio) else 0.0)
    ratios = sorted(cell.check.ratio for cell in wrong if math.isfinite(cell.check.ratio))
    lines = [f"{len(wrong)} of {len(cells)} printed spreads with raw runs behind them are not what they are called"]
    if ratios:
        lines.append(f"the right ones are {ratios[0]:.1f} to {ratios[-1]:.1f} times as wide")
    lines += [f"{cell.name} ({_listed(cell.values)}): {cell.check.finding}" for cell in wrong[:_SHOWN]]
    if len(wrong) > _SHOWN:
        lines.append(f"and {len(wrong) - _SHOWN} more")
    lines.append(_one_formula((cell.name, cell.values, cell.spread) for cell in cells))
    return Smell(
        kind="printed_interval",
        severity="high",
        where=f"Table {table.number or table.id}",
        evidence="; ".join(lines),
        next_experiment="none needed: recompute the spreads from the raw runs, and with them what the paper calls "
        "significant",
    )


def _recorded_smell(series: Sequence[RawSeries]) -> Smell | None:
    """Spreads that stand beside their series in the raw files and are not what their keys say."""
    cells = []
    for one in series:
        if len(set(one.values)) < 2:
            continue  # no spread to get wrong
        for key, (kind, value) in one.stated.items():
            check = check_printed_interval(one.values, value, decimals=_decimals(value), stated=kind)
            cells.append((f"{one.name} {key}", one.values, value, check))
    wrong = [cell for cell in cells if not cell[3].ok]
    if not wrong:
        return None
    name, values, _, check = wrong[0]
    lines = [
        f"{len(wrong)} of {len(cells)} spreads recorded beside the raw runs are not what their keys say",
        f"{name} ({_listed(values)}): {check.finding}",
        _one_formula((name, values, value) for name, values, value, _ in cells),
    ]
    return Smell(
        kind="recorded_spread",
        severity="high",
        where="raw files: " + ", ".join(sorted({one.file for one in series if one.stated})[:_SHOWN]),
        evidence="; ".join(lines),
        next_experiment="none needed: recompute them; numpy's std divides by n unless ddof=1 is given",
    )


def _one_formula(cells: Iterable[tuple[str, Sequence[float], float]]) -> str:
    by_name = {name: (values, spread) for name, values, spread in cells}
    formula = common_formula(by_name)
    return f"all of them are {formula}" if formula else f"no one formula gives all {len(by_name)}"


def _decimals(value: float) -> int:
    """Digits after the point up to six significant ones: what a computed, unrounded number can be held to."""
    return 6 if value == 0 else max(0, 5 - math.floor(math.log10(abs(value))))


def _listed(values: Sequence[float]) -> str:
    shown = ", ".join(f"{value:.6g}" for value in values[:10])
    return shown if len(values) <= 10 else f"{shown}, … {len(values)} in all"


def main(argv: Sequence[str]) -> int:
    """Print what is wrong with a paper's spreads; exit code 0 whether or not something is. Raises UserError."""
    parser = argparse.ArgumentParser(prog="mlintern.study.account.raw_runs", description=__doc__)
    parser.add_argument("paper", help="arXiv id, or a local .tex, .pdf, .html, archive or folder")
    parser.add_argument("runs", type=Path, help="folder of JSON files that list the seeds of each result")
    options = parser.parse_args(list(argv))
    from mlintern.paper.read import read

    smells = check_raw_runs(read(options.paper), read_series(options.runs))
    for smell in smells:
        print(f"{smell.where}: {smell.kind} ({smell.severity})")
        for text in (smell.evidence, f"Next: {smell.next_experiment}."):
            print(textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="  "))
    if not smells:
        print("every printed spread that has raw runs behind it is what it is called")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        print(f"mlintern: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
