"""How often the intervals cover and how often a family of claims is judged wrongly, by simulation.

`python -m benchmarks.stat_coverage [--repeats 20000]` prints two tables: coverage of the 95 % intervals for 3, 5 and 10
seeds, and the chance of any wrong verdict in a family of true claims. Seeds are drawn from a normal and from skewed
distributions; everything runs through the functions that judge a study.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping

import numpy as np

from mlintern.statistics.correction import holm
from mlintern.statistics.estimates import (
    Estimate,
    RegionTest,
    mean_estimate,
    paired_estimate,
    region_test,
    welch_estimate,
)
from mlintern.statistics.paired import crossed_estimate
from mlintern.statistics.printed import printed_test, word
from mlintern.statistics.printed_value import PrintedValue

SEEDS = (3, 5, 10)
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

DISTRIBUTIONS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, shape: rng.normal(0, 1, shape), 0.0),
    # Accuracies near a ceiling: most runs close together, some far below (skewness -1.1).
    "near ceiling": (lambda rng, shape: -rng.gamma(3.0, 1.0, shape), -3.0),
    # Steps until something happens (skewness 1.75).
    "lognormal": (lambda rng, shape: rng.lognormal(0, 0.5, shape), math.exp(0.125)),
    "exponential": (lambda rng, shape: rng.exponential(1.0, shape), 1.0),
}
"""Name to (how to draw, true mean)."""


def mean_coverage(name: str, n: int, repeats: int, seed: int = 0) -> float:
    """Share of t intervals over `n` seeds that hold the true mean."""
    draw, truth = DISTRIBUTIONS[name]
    rows = draw(np.random.default_rng(seed), (repeats, n))
    return float(np.mean([_holds(mean_estimate(row.tolist()), truth) for row in rows]))


def paired_coverage(name: str, n: int, repeats: int, seed: int = 0) -> float:
    """Share of paired t intervals that hold a difference of 1, for methods that share half of their seeds' chance."""
    draw, _ = DISTRIBUTIONS[name]
    rng = np.random.default_rng(seed)
    common, a, b = (draw(rng, (repeats, n)) for _ in range(3))
    pairs = zip((common + a + 1).tolist(), (common + b).tolist(), strict=True)
    return float(np.mean([_holds(paired_estimate(first, second), 1.0) for first, second in pairs]))


def welch_coverage(name: str, n: int, repeats: int, seed: int = 0) -> float:
    """Share of Welch intervals that hold the true difference, where one method spreads three times as far."""
    draw, truth = DISTRIBUTIONS[name]
    rng = np.random.default_rng(seed)
    pairs = zip(draw(rng, (repeats, n)).tolist(), (3 * draw(rng, (repeats, n))).tolist(), strict=True)
    return float(np.mean([_holds(welch_estimate(first, second), -2 * truth) for first, second in pairs]))


def crossed_coverage(name: str, n: int, repeats: int, seed: int = 0) -> float:
    """Share of intervals over seeds and 200 test examples at once that hold the true mean."""
    draw, truth = DISTRIBUTIONS[name]
    rng = np.random.default_rng(seed)
    covered = 0
    for _ in range(repeats):
        by_seed, by_example = 0.02 * draw(rng, (n, 1)), rng.normal(0, 0.3, (1, 200))
        rest = rng.normal(0, 0.3, (n, 200))
        covered += _holds(crossed_estimate(by_seed + by_example + rest), 0.02 * truth)
    return covered / repeats


def family_error(name: str, n: int, repeats: int, claims: int = 8, seed: int = 0) -> float:
    """Chance of any verdict but inconclusive when every one of `claims` methods equals the baseline.

    Through the judge's own estimate, test and correction, without the power that it adds to each verdict.
    """
    draw, _ = DISTRIBUTIONS[name]
    rng = np.random.default_rng(seed)
    wrong = 0
    for base, *methods in draw(rng, (repeats, claims + 1, n)).tolist():
        wrong += _any_verdict([region_test(paired_estimate(method, base), 0.0, math.inf) for method in methods])
    return wrong / repeats


def printed_error(name: str, n: int, repeats: int, cells: int = 8, seed: int = 0) -> float:
    """Chance that any cell of a table of true numbers, printed as mean ± standard deviation of `n` runs, is
    contradicted by `n` runs of ours."""
    draw, _ = DISTRIBUTIONS[name]
    rng = np.random.default_rng(seed)
    wrong = 0
    for ours, theirs in draw(rng, (repeats, 2, cells, n)):
        prints = [
            PrintedValue(mean=float(x.mean()), std=float(x.std(ddof=1)), n=n, spread="std", decimals=4) for x in theirs
        ]
        tests = [printed_test(mine, printed).test for mine, printed in zip(ours.tolist(), prints, strict=True)]
        wrong += _any_verdict(tests, "contradicted")
    return wrong / repeats


def _any_verdict(tests: list[RegionTest], verdict: str | None = None) -> bool:
    adjusted = holm([test.p for test in tests])
    words = [word(test, p, 0.05) for test, p in zip(tests, adjusted, strict=True)]
    return any(found == verdict if verdict else found != "inconclusive" for found in words)


def _holds(estimate: Estimate, truth: float) -> bool:
    low, high = estimate.interval()
    return bool(low <= truth <= high)


COVERAGE = {
    "mean": mean_coverage,
    "paired difference": paired_coverage,
    "Welch, 1:3": welch_coverage,
    "seeds x examples": crossed_coverage,
}
ERRORS = {"8 claims against one base": family_error, "a table of 8 printed cells": printed_error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20_000, help="studies per entry (families: a quarter)")
    repeats = parser.parse_args().repeats
    began = time.perf_counter()
    print(
        f"Coverage of 95 % intervals, per cent, {repeats} studies each (± {200 * math.sqrt(0.05 * 0.95 / repeats):.1f})"
    )
    _print_table(COVERAGE, repeats)
    families = max(100, repeats // 4)
    print(f"\nAny wrong verdict in a family, per cent, {families} studies each", end=" ")
    print(f"(± {200 * math.sqrt(0.05 * 0.95 / families):.1f})")
    _print_table(ERRORS, families)
    print(f"\n{time.perf_counter() - began:.0f} s")


def _print_table(rows: Mapping[str, Callable[..., float]], repeats: int) -> None:
    print(f"{'':28}{'':14}" + "".join(f"{f'n = {n}':>9}" for n in SEEDS))
    for title, simulate in rows.items():
        for name in DISTRIBUTIONS:
            shares = "".join(f"{100 * simulate(name, n, repeats):9.1f}" for n in SEEDS)
            print(f"{title:28}{name:14}{shares}", flush=True)


if __name__ == "__main__":
    main()
