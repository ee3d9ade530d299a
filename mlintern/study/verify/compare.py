"""`mlintern compare RUN_A RUN_B`: is A better than B, how much, and how sure, over shared seeds and test examples.

Each run stands for its cell: the records beside it that differ from it in nothing but the seed come with it.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mlintern.core.errors import UserError
from mlintern.core.records import record
from mlintern.packs.places import place
from mlintern.plan.cell_plan import level_names
from mlintern.study.verify.bits import find

Run = Mapping[str, Any]
"""A run record."""


def main(argv: Sequence[str]) -> int:
    """Run `mlintern compare`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="mlintern compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", help="A: a cell's id, its folder, or its run.json")
    parser.add_argument("second", help="B: the other run")
    parser.add_argument("--runs", type=Path, default=place("runs"), help="where records are (default: runs)")
    parser.add_argument("--metric", help="a metric of the test part (default: the one that A's protocol selects by)")
    parser.add_argument("--alone", action="store_true", help="these two runs only, without the other seeds of each")
    arguments = parser.parse_args(list(argv))
    paths = [find(text, arguments.runs) for text in (arguments.first, arguments.second)]
    first, second = (record.read_run(path.parent) for path in paths)
    metric = arguments.metric or first["config"]["protocol"]["metric"]
    same_cell = siblings_key(first) == siblings_key(second)
    alone = arguments.alone or same_cell
    sides = [[run] if alone else siblings(path, run) for path, run in zip(paths, (first, second), strict=True)]
    compare(sides[0], sides[1], metric, [path.parent.parent for path in paths], Console())
    return 0


def siblings_key(run: Run) -> str:
    """What the seeds of one cell have in common."""
    config = {name: value for name, value in run["config"].items() if name not in ("seed", "run", "logger", "study")}
    return record.stable_hash([run["variant"], run["levels"], config, run["code_sha256"], run["prepared"]], "run.json")


def siblings(path: Path, run: Run) -> list[Run]:
    """The finished runs beside `path` that are other seeds of the same cell, itself included, by seed."""
    key = siblings_key(run)
    runs = [other for other in record.read_runs(path.parent.parent) if other["status"] == run["status"]]
    found = {other["seed"]: other for other in runs if siblings_key(other) == key}
    return [found[seed] for seed in sorted({**found, run["seed"]: run})]


def compare(
    a: Sequence[Run],
    b: Sequence[Run],
    metric: str,
    folders: Sequence[Path],
    console: Console,
) -> None:
    """Print what A's runs have over B's; raises UserError where they share nothing to compare by."""
    for run in (*a, *b):
        if metric not in run["metrics"].get("test", {}):
            known = ", ".join(run["metrics"].get("test", {})) or "none"
            raise UserError(f"{run['cell_id']}: no test {metric} (there are: {known})")
    compared = rows(a, b, metric, folders)
    for letter, runs in (("A", a), ("B", b)):
        values = ", ".join(f"{run['metrics']['test'][metric]:.4g}" for run in runs)
        name = " · ".join([runs[0]["variant"], *level_names(runs[0]["levels"])])
        seeds = ", ".join(str(run["seed"]) for run in runs)
        line = f"{letter}: {name}, seed {seeds}: test {metric} {values}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    marks = sorted({kind for run in (*a, *b) for kind in run["audit"].get("acknowledged", [])})
    if marks:
        console.print(f"[yellow]Under acknowledged leaks: {', '.join(marks)}[/]", highlight=False)
    table = Table("A minus B over", "difference", "95 % interval", "p", "n", "test")
    for row in compared:
        table.add_row(*row)
    console.print(table)


def rows(a: Sequence[Run], b: Sequence[Run], metric: str, folders: Sequence[Path]) -> list[tuple[str, ...]]:
    """One row per source of chance: seeds, test examples, both."""
    import numpy as np

    from mlintern.claims.observation import Missing, Observation, Seeds
    from mlintern.claims.outcomes import paired_examples
    from mlintern.statistics.estimates import Estimate, mean_estimate, paired_estimate, welch_estimate
    from mlintern.statistics.paired import crossed_estimate, mcnemar_exact, paired_dz
    from mlintern.study.account.analyse import read_outcomes

    def row(over: str, estimate: Estimate, n: int, test: str) -> tuple[str, ...]:
        p = 2 * min(estimate.p_above(0.0), estimate.p_below(0.0)) if estimate.testable else None
        low, high = estimate.interval(0.95) if estimate.testable else (None, None)
        interval = "none" if low is None else f"[{low:+.4g}, {high:+.4g}]"
        return over, f"{estimate.value:+.4g}", interval, "-" if p is None else f"{min(1.0, p):.3g}", str(n), test

    def value(run: Run) -> float:
        return float(run["metrics"]["test"][metric])

    shared = sorted({run["seed"] for run in a} & {run["seed"] for run in b})
    pairs = [[next(run for run in side if run["seed"] == seed) for seed in shared] for side in (a, b)]
    if not shared and len(a) == len(b) == 1:
        pairs = [list(a), list(b)]
    found = []
    if len(shared) > 1:
        first, second = ([value(run) for run in side] for side in pairs)
        size = paired_dz(first, second)
        said = f"paired t, {size.name} {size.value:.3g}" if np.isfinite(size.value) else "paired t"
        found.append(row("seeds", paired_estimate(first, second), len(shared), said))
    elif len(a) > 1 and len(b) > 1:
        found.append(row("seeds", welch_estimate([*map(value, a)], [*map(value, b)]), min(len(a), len(b)), "Welch's t"))
    if not pairs[0]:
        return found
    readers = [read_outcomes(folder) for folder in folders]
    mine = {run["cell_id"]: readers[0] for run in pairs[0]} | {run["cell_id"]: readers[1] for run in pairs[1]}
    sides = [Seeds(tuple(map(Observation.from_record, side)), tuple(map(value, side))) for side in pairs]
    try:
        left, right = paired_examples(sides[0], sides[1], "test", metric, lambda cell_id: mine[cell_id](cell_id))
    except Missing as error:
        raise UserError(f"test examples cannot be paired: {error}") from None
    if len(pairs[0]) == 1 and set(np.unique([left, right])) <= {0.0, 1.0}:
        p = mcnemar_exact(left[0] > 0.5, right[0] > 0.5)
        only = f"{int((left > right).sum())} right by A alone, {int((right > left).sum())} by B alone"
        estimate = mean_estimate((left - right)[0].tolist())
        over, difference, interval, _, n, _ = row("test examples", estimate, left.shape[1], "")
        return [*found, (over, difference, interval, f"{p:.3g}", n, f"McNemar, exact: {only}")]
    means = (left - right).mean(axis=0).tolist()
    found.append(row("test examples", mean_estimate(means), left.shape[1], "t over examples, these trained models"))
    if len(pairs[0]) > 1:
        both = crossed_estimate(left - right)
        found.append(row("seeds and test examples", both, left.shape[1], both.method))
    return found
