"""Comparisons over shared test examples, with and without the seeds, and effect sizes.

Two sources of chance lie behind a difference of two accuracies: which seed was drawn and which test examples. A
paired t over seeds speaks of the first with the test set held fixed; McNemar's test or a bootstrap over examples
speaks of the second with the trained models held fixed. `crossed_estimate` speaks of both at once.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special
from scipy import stats as scipy_stats

from mlintern.statistics.estimates import Estimate, mean_estimate, paired_estimate


def crossed_estimate(outcomes: ArrayLike) -> Estimate:
    """Mean of `outcomes`, shape (seeds, examples), as an estimate over new seeds *and* new test examples.

    The two-way crossed random-effects layout without replication: every seed is tested on every example, so that
    x[s, e] = mean + seed[s] + example[e] + rest[s, e]. The variance of the grand mean is (MS_seed + MS_example -
    MS_rest) / (S * E) (Searle, Casella and McCulloch 1992, ch. 4), with components below zero set to zero, and
    Satterthwaite's degrees of freedom. Give per-example differences of A and B for a paired comparison.

    With one seed only the examples vary and the estimate speaks of that one trained model; it says so in `assumptions`.
    Raises ValueError for anything but a finite two-dimensional array.
    """
    x = np.asarray(outcomes, dtype=np.float64)
    if x.ndim != 2 or 0 in x.shape or not np.isfinite(x).all():
        raise ValueError(f"expected finite outcomes of shape (seeds, examples), got shape {x.shape}")
    seeds, examples = x.shape
    if seeds == 1:
        alone = mean_estimate(x[0].tolist())
        said = ("one seed: this speaks of one trained model on new examples",)
        return Estimate(alone.value, alone.se, alone.df, 1, f"t over {examples} examples of one run", said)
    method = f"crossed {seeds} seeds and {examples} shared examples"
    grand = float(x.mean())
    if examples == 1:
        return mean_estimate(x[:, 0].tolist())
    by_seed, by_example = x.mean(axis=1), x.mean(axis=0)
    rest_df = (seeds - 1) * (examples - 1)
    ms_seed = examples * float(by_seed.var(ddof=1))
    ms_example = seeds * float(by_example.var(ddof=1))
    rest = x - by_seed[:, None] - by_example[None, :] + grand
    ms_rest = float((rest**2).sum()) / rest_df
    # A mean square below that of the rest is a variance component estimated below zero: drop the component.
    terms = [(1.0, ms_seed, seeds - 1.0), (1.0, ms_example, examples - 1.0), (-1.0, ms_rest, float(rest_df))]
    if ms_seed <= ms_rest and ms_example <= ms_rest:
        terms = [(1.0, ms_rest, float(rest_df))]
    elif ms_seed <= ms_rest:
        terms = terms[1:2]
    elif ms_example <= ms_rest:
        terms = terms[:1]
    total = sum(sign * ms for sign, ms, _ in terms)
    if not total > 0:
        return Estimate(grand, math.nan, 0.0, seeds, f"{method}, all the same value")
    df = total**2 / sum(ms**2 / df for _, ms, df in terms)
    return Estimate(grand, math.sqrt(total / (seeds * examples)), df, seeds, method)


def mcnemar_exact(a_right: ArrayLike, b_right: ArrayLike) -> float:
    """Exact two-sided p-value of McNemar's (1947) test that two trained models are right equally often.

    `a_right`, `b_right`: truth values over the same test examples, shape (examples,). Only the examples on which the
    two disagree count; none of those gives 1.
    """
    a, b = np.asarray(a_right, dtype=bool), np.asarray(b_right, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"expected two flat arrays over the same examples, got shapes {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(scipy_stats.binomtest(only_a, only_a + only_b).pvalue)


@dataclass(frozen=True)
class EffectSize:
    """A standardised mean difference with its 95 % interval; NaN where the spread is unknown."""

    value: float
    low: float
    high: float
    name: str


def paired_dz(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> EffectSize:
    """Cohen's d_z: mean over standard deviation of the paired differences; interval by the noncentral t
    distribution."""
    estimate = paired_estimate(a, b)
    if not estimate.testable or len(a) != estimate.df + 1:
        return EffectSize(math.nan, math.nan, math.nan, "paired d_z")
    root = math.sqrt(estimate.n)
    t = estimate.value / estimate.se
    low, high = _noncentrality(t, estimate.df, level)
    return EffectSize(t / root, low / root, high / root, "paired d_z")


def hedges_g(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> EffectSize:
    """Hedges' (1981) g: difference of means over the pooled standard deviation, corrected for small samples.

    The correction is the exact one, by gamma functions; the interval comes from the noncentral t distribution and
    assumes equal variances.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    n, m = first.size, second.size
    df = n + m - 2
    pooled = 0.0
    if n >= 1 and m >= 1 and df >= 2:
        pooled = float(((first - first.mean()) ** 2).sum() + ((second - second.mean()) ** 2).sum()) / df
    if not pooled > 0:
        return EffectSize(math.nan, math.nan, math.nan, "Hedges' g")
    root = math.sqrt(1 / n + 1 / m)
    d = float(first.mean() - second.mean()) / math.sqrt(pooled)
    correction = math.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / math.sqrt(df / 2)
    low, high = (correction * root * end for end in _noncentrality(d / root, df, level))
    return EffectSize(correction * d, low, high, "Hedges' g")


def _noncentrality(t: float, df: float, level: float) -> tuple[float, float]:
    """Interval of the noncentrality parameter of a t distribution that gave `t`."""

    def solve(probability: float) -> float:
        def gap(shift: float) -> float:
            return float(scipy_stats.nct.cdf(t, df, shift)) - probability

        return _root(gap, t)

    tail = (1 - level) / 2
    return solve(1 - tail), solve(tail)


def _root(gap: Callable[[float], float], start: float) -> float:
    """Root of a falling function, bracketed outwards from `start`; NaN where the distribution cannot be evaluated."""
    step = 2.0 + abs(start)
    low, high = start - step, start + step
    for _ in range(30):
        at_low, at_high = gap(low), gap(high)
        if not (math.isfinite(at_low) and math.isfinite(at_high)):
            return math.nan
        if at_low >= 0 >= at_high:
            return float(optimize.brentq(gap, low, high))
        low, high = (low - step if at_low < 0 else low), (high + step if at_high > 0 else high)
        step *= 2
    return math.nan
