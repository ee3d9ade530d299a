"""Estimates and the one test that every verdict rests on.

A verdict is a statement about a region: "A beats B by at least d" says that the difference lies in [d, inf), "A is
within e of B" that it lies in [-e, e]. So there is one kind of object, an `Estimate` (a value whose error, divided by
its standard error, follows Student's t with `df` degrees of freedom), and one test, `region_test`: a region is
*supported* at level alpha when the (1 - alpha) interval lies wholly inside it, *contradicted* when the interval lies
wholly outside it. The p-value is the smallest alpha at which that happens, so a p below 0.05 and the printed 95 %
interval never disagree.

For a half line this is a one-sided test at alpha/2 in each direction (the three-decision rule of Kaiser 1960 and
Jones and Tukey 2000); for a bounded region its supporting half is the two one-sided tests of Schuirmann (1987) at
alpha/2 each, stricter than the usual alpha each, so that the interval shown is the interval tested.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as scipy_stats

Outcome = Literal["supported", "contradicted"]


@dataclass(frozen=True)
class Estimate:
    """A mean or difference of means with its sampling error, in the metric's own units."""

    value: float
    """The estimate."""
    se: float
    """Its standard error; NaN when nothing is known about it (one run, or the same value over all seeds)."""
    df: float
    """Degrees of freedom of the standard error; 0 when `se` is NaN."""
    n: int
    """Independent units behind it: seeds for a mean, pairs for a paired difference, the smaller group otherwise."""
    method: str
    """How it was made, in words fit for a report."""
    assumptions: tuple[str, ...] = ()
    """What had to be assumed to make it."""

    @property
    def testable(self) -> bool:
        """Whether an interval exists: a known, positive standard error with at least a fraction of a degree of
        freedom."""
        return math.isfinite(self.value) and math.isfinite(self.se) and self.se > 0 and self.df > 0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The two-sided t interval at `level`; (NaN, NaN) when the standard error is unknown."""
        if not self.testable:
            return (math.nan, math.nan)
        half = float(scipy_stats.t.ppf(0.5 + level / 2, self.df)) * self.se
        return (self.value - half, self.value + half)

    def p_above(self, bound: float) -> float:
        """One-sided p-value for "the true value lies above `bound`"; 1 for a test that cannot be made."""
        if bound == -math.inf:
            return 0.0
        if not self.testable or bound == math.inf:
            return 1.0
        return float(scipy_stats.t.sf((self.value - bound) / self.se, self.df))

    def p_below(self, bound: float) -> float:
        """One-sided p-value for "the true value lies below `bound`"; 1 for a test that cannot be made."""
        if bound == math.inf:
            return 0.0
        if not self.testable or bound == -math.inf:
            return 1.0
        return float(scipy_stats.t.cdf((self.value - bound) / self.se, self.df))


@dataclass(frozen=True)
class RegionTest:
    """Where an estimate stands to a region: the likelier outcome and the level at which it would be reached."""

    outcome: Outcome
    p: float
    """Smallest alpha at which the (1 - alpha) interval decides for `outcome`; 1 when it never does."""


def region_test(estimate: Estimate, low: float, high: float) -> RegionTest:
    """Test "the true value lies in [low, high]" (either end may be infinite) in both directions at once.

    `supported` with the p-value of the interval lying inside, or `contradicted` with that of its lying outside,
    whichever is smaller. An estimate without a standard error gives p = 1.
    """
    inside = 2 * max(estimate.p_above(low), estimate.p_below(high))
    outside = 2 * min(estimate.p_below(low), estimate.p_above(high))
    return decide(inside, outside) if estimate.testable else RegionTest("supported", 1.0)


def decide(p_inside: float, p_outside: float) -> RegionTest:
    """The outcome with the smaller p-value, capped at 1."""
    if p_inside <= p_outside:
        return RegionTest("supported", min(1.0, p_inside))
    return RegionTest("contradicted", min(1.0, p_outside))


def _array(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"expected a non-empty one-dimensional list of values, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite: a diverged run has no place in a mean; drop it openly or report it")
    return array


def is_constant(values: ArrayLike) -> bool:
    """Whether all values are the same up to floating-point rounding (a spread of a few units in the last place)."""
    array = np.asarray(values, dtype=np.float64)
    return bool(np.ptp(array) <= 8 * np.finfo(np.float64).eps * max(1e-300, float(np.abs(array).max())))


def mean_estimate(values: Sequence[float]) -> Estimate:
    """Mean over seeds, with the sample standard deviation (n - 1) over the root of n as standard error, df = n - 1.

    One value, or the same value over all seeds, says nothing about the spread: the standard error is then NaN, not
    zero, since "all seeds agree" more often means "the seed is not wired" than "there is no noise".
    """
    array = _array(values)
    n = array.size
    value = float(array.mean())
    if n == 1:
        return Estimate(value, math.nan, 0.0, 1, "one run")
    if is_constant(array):
        return Estimate(value, math.nan, 0.0, n, f"mean of {n} seeds, all the same value")
    return Estimate(value, float(array.std(ddof=1)) / math.sqrt(n), n - 1.0, n, f"t over {n} seeds")


def paired_estimate(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Mean of a - b over pairs that share a seed; `a` and `b` are aligned, shape (n,) each.

    When all differences are the same although the values themselves vary (a coarse metric, few seeds), the pairs
    carry no spread and Welch's comparison takes over.
    """
    first, second = _array(a), _array(b)
    if first.size != second.size:
        raise ValueError(f"paired values must have the same length, got {first.size} and {second.size}")
    difference = first - second
    n = difference.size
    if n == 1:
        return Estimate(float(difference[0]), math.nan, 0.0, 1, "one pair of runs")
    # The rounding of a difference is relative to its terms, not to itself.
    scale = max(float(np.abs(first).max()), float(np.abs(second).max()))
    if np.ptp(difference) <= 16 * np.finfo(np.float64).eps * scale:
        if is_constant(first) and is_constant(second):
            return Estimate(
                float(difference.mean()), math.nan, 0.0, n, f"difference over {n} seeds, the same at every seed"
            )
        return welch_estimate(a, b)
    return Estimate(
        float(difference.mean()),
        float(difference.std(ddof=1)) / math.sqrt(n),
        n - 1.0,
        n,
        f"paired t over {n} shared seeds",
    )


def welch_estimate(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Difference of the means of two independent groups of seeds with unequal variances (Welch 1947)."""
    first, second = _array(a), _array(b)
    return combine(
        mean_estimate(a),
        mean_estimate(b),
        n=min(first.size, second.size),
        method=f"Welch's t over {first.size} and {second.size} seeds",
    )


def combine(a: Estimate, b: Estimate, *, n: int, method: str) -> Estimate:
    """a - b of two independent estimates, with the Welch-Satterthwaite degrees of freedom.

    A side without a standard error because all its seeds agree counts as exact beside one that has a spread (this is
    what Welch's formula does with a zero variance); one side of a single run leaves the difference without an error.
    """
    sides = (a, b)
    value = a.value - b.value
    assumptions = (*a.assumptions, *b.assumptions)
    if any(s.n == 1 and not s.testable for s in sides) or not any(s.testable for s in sides):
        return Estimate(value, math.nan, 0.0, n, method, assumptions)
    known = [s for s in sides if s.testable]
    variance = sum(s.se**2 for s in known)
    df = variance**2 / sum(s.se**4 / s.df for s in known)
    return Estimate(value, math.sqrt(variance), df, n, method, assumptions)
