"""Claims over the levels of a numeric factor: where a metric peaks, and whether it only rises.

Both are settled by comparing levels pairwise (paired over the seeds that all levels share where there are two or
more), so that they hold for three seeds, where a bootstrap of an argmax would not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlintern.study.judge.claims import Monotone, PeakNear
from mlintern.study.judge.observation import Missing, Seeds
from mlintern.study.statistics.estimates import Estimate, RegionTest, decide, paired_estimate, welch_estimate


@dataclass(frozen=True)
class LevelTest:
    """The test of a claim over levels; `effect` is a level for a peak, a step of the metric for monotone."""

    test: RegionTest
    words: str
    effect: float
    interval: tuple[float, float]
    low: float
    high: float
    n: int
    note: str


def _comparisons(cells: Mapping[float, Seeds]) -> tuple[dict[tuple[float, float], Estimate], int, str]:
    """Every ordered pair of levels (x, y) to the estimate of M(x) - M(y), the number of seeds, and how."""
    shared = sorted(set.intersection(*(set(cell.seeds) for cell in cells.values())))
    paired = len(shared) >= 2
    values = {x: (cell.only(shared) if paired else cell).values for x, cell in cells.items()}
    compare = paired_estimate if paired else welch_estimate
    n = len(shared) if paired else min(len(v) for v in values.values())
    how = f"paired t over {n} shared seeds" if paired else f"Welch's t over at least {n} seeds"
    return {(x, y): compare(values[x], values[y]) for x, y in itertools.permutations(cells, 2)}, n, how


def judge_peak(claim: PeakNear, cells: Mapping[float, Seeds], level: float) -> LevelTest:
    """Whether the best level lies within `within` of `value`.

    Supported: some level inside that window beats every level outside of it; contradicted: some level outside beats
    every level inside. Each is an intersection-union test (the largest of the p-values), times the number of
    candidates (Bonferroni). The interval spans the levels that no other level beats (Bonferroni over the levels): a
    confidence set of the best, after Hsu (1996). Only tested levels count: a peak between or beyond them is not seen.
    """
    low, high = claim.value - claim.within, claim.value + claim.within
    inside = [x for x in cells if low <= x <= high]
    outside = [x for x in cells if x not in inside]
    tested = ", ".join(f"{x:g}" for x in cells)
    if not inside or not outside:
        side = "inside" if not inside else "outside"
        raise Missing(
            f"no level of {claim.factor!r} {side} {claim.value:g} ± {claim.within:g} was run (levels: {tested})"
        )
    found, n, how = _comparisons(cells)
    sign = 1.0 if claim.of == "max" else -1.0

    def p_beats(x: float, y: float) -> float:
        return found[x, y].p_above(0.0) if sign > 0 else found[x, y].p_below(0.0)

    def p_side(candidates: list[float], others: list[float]) -> float:
        return min(1.0, 2 * len(candidates) * min(max(p_beats(x, y) for y in others) for x in candidates))

    means = {x: sign * float(np.mean(cell.values)) for x, cell in cells.items()}
    best = max(means, key=means.__getitem__)
    threshold = (1 - level) / (len(cells) - 1)
    contenders = [x for x in cells if all(p_beats(y, x) > threshold for y in cells if y != x)] or [best]
    known = any(estimate.testable for estimate in found.values())
    return LevelTest(
        decide(p_side(inside, outside), p_side(outside, inside)),
        f"{how}, levels inside the window against levels outside, Bonferroni",
        best,
        (min(contenders), max(contenders)) if known else (math.nan, math.nan),
        low,
        high,
        n,
        f"tested levels {tested}",
    )


def judge_monotone(claim: Monotone, cells: Mapping[float, Seeds], level: float) -> LevelTest:
    """Whether every step of the metric goes in the stated direction, up to the tolerance.

    Supported: every step between neighbouring levels is above -tolerance (intersection-union test). Contradicted:
    some later level lies below some earlier one by more than the tolerance (Bonferroni over all pairs). The effect is
    the step least favourable to the claim, with its interval.
    """
    tested = ", ".join(f"{x:g}" for x in cells)
    if len(cells) < 2:
        raise Missing(f"only one level of {claim.factor!r} was run ({tested})")
    found, n, how = _comparisons(cells)
    sign = 1.0 if claim.direction == "increasing" else -1.0

    def change(x: float, y: float) -> Estimate:
        """The change of the metric from level x to level y, counted in the stated direction."""
        return found[y, x] if sign > 0 else found[x, y]

    ordered = list(cells)
    steps = {(x, y): change(x, y) for x, y in itertools.pairwise(ordered)}
    pairs = [change(x, y) for x, y in itertools.combinations(ordered, 2)]
    inside = 2 * max(step.p_above(0.0 - claim.tolerance) for step in steps.values())
    outside = 2 * len(pairs) * min(pair.p_below(0.0 - claim.tolerance) for pair in pairs)
    (x, y), worst = min(steps.items(), key=lambda item: item[1].value)
    return LevelTest(
        decide(min(1.0, inside), min(1.0, outside)),
        f"{how}, every step for it, all {len(pairs)} pairs against it (Bonferroni)",
        worst.value,
        worst.interval(level),
        0.0 - claim.tolerance,
        math.inf,
        n,
        f"least favourable step: {claim.factor} {x:g} to {y:g}",
    )
