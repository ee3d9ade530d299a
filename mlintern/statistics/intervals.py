"""Confidence intervals for what a study reports: means over few seeds, one run's accuracy, differences over examples.

Coverage of the t interval over seeds, measured (numbers and command in `mlintern.statistics`): right for
normal seeds at any n, too low for skewed ones at n = 3. No interval repairs that from three values alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats as scipy_stats

from mlintern.statistics.estimates import mean_estimate

MOST_BOOTSTRAPPED = 20_000
"""Above this many examples the bootstrap takes minutes and its interval agrees with the t interval to three digits."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its two-sided confidence interval, in the metric's units; NaN ends where no interval exists."""

    estimate: float
    low: float
    high: float
    level: float
    n: int
    """Units behind it: seeds, or test examples."""
    method: str

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's t interval of the mean over seeds. One value, or equal values, give no interval (NaN ends)."""
    estimate = mean_estimate(values)
    low, high = estimate.interval(level)
    return Interval(estimate.value, low, high, level, estimate.n, estimate.method)


def proportion_interval(
    successes: int, n: int, level: float = 0.95, method: Literal["wilson", "clopper_pearson"] = "wilson"
) -> Interval:
    """Interval of one run's accuracy, `successes` right out of `n` test examples.

    `wilson` (1927) covers close to the level on average; `clopper_pearson` (1934) never covers less and is wider. Both
    speak of this one trained model on fresh examples, not of the method over seeds. Raises ValueError unless
    0 <= successes <= n and n >= 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"need 0 <= successes <= n and n >= 1, got successes={successes}, n={n}")
    result = scipy_stats.binomtest(int(successes), int(n)).proportion_ci(
        level, method="wilson" if method == "wilson" else "exact"
    )
    name = "Wilson" if method == "wilson" else "Clopper-Pearson"
    return Interval(successes / n, float(result.low), float(result.high), level, n, f"{name} over {n} examples")


def bootstrap_interval(
    differences: Sequence[float], level: float = 0.95, *, resamples: int = 9999, seed: int = 0
) -> Interval:
    """Bias-corrected and accelerated bootstrap interval (Efron 1987) of a mean over test examples.

    `differences`, shape (examples,): per example what A scored minus what B scored, averaged over seeds beforehand. The
    resampling is of examples: the interval speaks of these trained models on fresh examples. Above
    MOST_BOOTSTRAPPED examples it is the t interval over them. The
    same `seed` gives the same interval. Equal differences, or fewer than two examples, give no interval.
    """
    array = np.asarray(differences, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError("differences must be a non-empty one-dimensional list of finite numbers")
    mean = float(array.mean())
    name = f"BCa bootstrap over {array.size} examples"
    if array.size < 2 or np.ptp(array) == 0:
        return Interval(mean, math.nan, math.nan, level, array.size, f"{name}: all the same")
    if array.size > MOST_BOOTSTRAPPED:
        return replace(mean_interval(array.tolist(), level), method=f"t over {array.size} examples")
    # Resampled (and left-out) copies are held a batch at a time: about 32 MB.
    batch = max(1, 4_000_000 // array.size)
    result = scipy_stats.bootstrap(
        (array,),
        np.mean,
        n_resamples=resamples,
        batch=batch,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    interval = result.confidence_interval
    return Interval(mean, float(interval.low), float(interval.high), level, array.size, name)
