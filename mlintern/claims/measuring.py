"""What the tests of claims share: a cell's values, the mean of one, the difference of two, the levels of a factor."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

from mlintern.claims.examined import Diverged, Examined, Runs
from mlintern.claims.forms import LevelsClaim, MeasuredClaim, PairClaim, ScopedClaim, Selector
from mlintern.claims.observation import Missing, Observation, Seeds, one_cell, select
from mlintern.claims.outcomes import paired_examples, per_example
from mlintern.statistics.estimates import (
    Estimate,
    mean_estimate,
    paired_estimate,
    region_test,
    welch_estimate,
)
from mlintern.statistics.paired import crossed_estimate, hedges_g, paired_dz


def region(estimate: Estimate, low: float, high: float, expected: float | None = None) -> Examined:
    """Whether an estimate lies in [low, high]."""
    return Examined(
        region_test(estimate, low, high),
        estimate.method,
        estimate.value,
        estimate,
        low,
        high,
        estimate.n,
        expected=expected,
        assumptions=estimate.assumptions,
    )


def cell(claim: MeasuredClaim, selector: Selector, runs: Runs) -> Seeds:
    """The one cell that `selector` names, with the claim's metric over its seeds; raises Missing or Diverged."""
    found = select(runs.observed, {**claim.where, **selector})
    return _finite(one_cell(found, claim.split, claim.metric, claim.scale, claim.largest))


def mean(claim: ScopedClaim, runs: Runs) -> Estimate:
    """M of `a`."""
    found = cell(claim, claim.a, runs)
    if claim.over == "seeds":
        return mean_estimate(found.values)
    return crossed_estimate(per_example(found, claim.split, claim.metric, runs.outcomes) * claim.scale)


def compared(claim: PairClaim, runs: Runs, low: float, high: float, expected: float | None = None) -> Examined:
    """a - b: paired over the seeds that both sides have when there are two or more of them, Welch's otherwise."""
    a, b = cell(claim, claim.a, runs), cell(claim, claim.b, runs)
    if a.runs == b.runs:
        raise Missing("both selectors name the same cell")
    shared = sorted(set(a.seeds) & set(b.seeds))
    if claim.over == "seeds_and_examples":
        if not shared:
            raise Missing("the two sides share no seed, so their test examples cannot be paired")
        first, second = paired_examples(a.only(shared), b.only(shared), claim.split, claim.metric, runs.outcomes)
        return region(crossed_estimate((first - second) * claim.scale), low, high, expected)
    if len(shared) < 2:
        estimate, size = welch_estimate(a.values, b.values), hedges_g(a.values, b.values)
    else:
        one, two = a.only(shared).values, b.only(shared).values
        estimate, size = paired_estimate(one, two), paired_dz(one, two)
    return replace(region(estimate, low, high, expected), effect_size=size if math.isfinite(size.value) else None)


def levels(claim: LevelsClaim, runs: Runs) -> dict[float, Seeds]:
    """The cells of the claim's factor, by level, ascending; the levels must be numbers."""
    factor = claim.factor
    found: dict[float, list[Observation]] = {}
    for run in select(runs.observed, {**claim.where, **claim.a}):
        if factor not in run.coordinates:
            raise Missing(f"factor {factor!r} is no coordinate of these runs ({', '.join(sorted(run.coordinates))})")
        level = run.coordinates[factor]
        try:
            found.setdefault(float(level), []).append(run)
        except ValueError as error:
            raise Missing(f"level {level!r} of factor {factor!r} is not a number") from error
    # A level may be written as 1 in one record and 1.0 in another; within a cell the factor is no longer a coordinate.
    cells = {}
    for level in sorted(found):
        stripped = [_without(run, factor) for run in found[level]]
        cells[level] = _finite(one_cell(stripped, claim.split, claim.metric, claim.scale, claim.largest))
    rest = {tuple(sorted((k, str(v)) for k, v in c.runs[0].coordinates.items())) for c in cells.values()}
    if len(rest) > 1:
        raise Missing(f"the levels of {factor!r} differ in more than {factor!r}: name the other coordinates")
    return cells


def comparisons(cells: Mapping[float, Seeds]) -> tuple[dict[tuple[float, float], Estimate], int, str]:
    """Every ordered pair of levels (x, y) to the estimate of M(x) - M(y), the number of seeds, and how.

    Paired over the seeds that all levels share where there are two or more, so that a claim over levels holds for three
    seeds, where a bootstrap of an argmax would not.
    """
    shared = sorted(set.intersection(*(set(cell.seeds) for cell in cells.values())))
    paired = len(shared) >= 2
    values = {x: (cell.only(shared) if paired else cell).values for x, cell in cells.items()}
    compare = paired_estimate if paired else welch_estimate
    n = len(shared) if paired else min(len(v) for v in values.values())
    how = f"paired t over {n} shared seeds" if paired else f"Welch's t over at least {n} seeds"
    return {(x, y): compare(values[x], values[y]) for x, y in itertools.permutations(cells, 2)}, n, how


def _finite(cell: Seeds) -> Seeds:
    lost = [run.seed for run, value in zip(cell.runs, cell.values, strict=True) if not math.isfinite(value)]
    if lost:
        raise Diverged(
            f"{len(lost)} of {len(cell.runs)} runs gave no finite number (seed {', '.join(map(str, lost))}): "
            "a mean over the rest would flatter the method"
        )
    return cell


def _without(run: Observation, factor: str) -> Observation:
    return Observation(
        run.variant,
        run.seed,
        {key: value for key, value in run.levels.items() if key != factor},
        run.metrics,
        run.cell_id,
        run.status,
    )
