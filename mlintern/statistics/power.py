"""What a study of this size can see: power, the smallest visible effect, and the seeds that would settle a claim.

All three follow from the noncentral t distribution with the run-to-run standard deviation of the study's own runs;
that standard deviation is itself an estimate (over three seeds it may be off by a factor of two), so the seeds needed
are a plan and not a promise.
"""

import math

from scipy import optimize
from scipy import stats as scipy_stats

POWER = 0.8
"""The power that a plan aims at."""
MOST_SEEDS = 1000
"""Beyond this many seeds a claim counts as out of reach."""


def _reach(distance: float, se: float, df: float, critical: float) -> float:
    """Probability that a t statistic whose mean lies `distance` beyond the bound exceeds the critical value."""
    shift = distance / se
    if shift > critical + 8 * (1 + critical / math.sqrt(df)) + 30:
        return 1.0  # the noncentral t of scipy loses accuracy far out, where the answer is 1 anyway
    return float(scipy_stats.nct.sf(critical, df, shift))


def region_power(
    effect: float, sd: float, n: int, low: float, high: float, *, alpha: float = 0.05, df: float | None = None
) -> float:
    """Probability that `n` seeds give the true verdict about [low, high] when the true effect is `effect`.

    `sd` is the standard deviation of one unit (a seed's value, or a pair's difference), so the standard error is
    sd / sqrt(n); `df` defaults to n - 1. For an effect inside the region this is the power of the verdict "supported",
    outside of it that of "contradicted".
    """
    if n < 2 or not sd > 0:
        return math.nan
    df = n - 1.0 if df is None else df
    se = sd / math.sqrt(n)
    critical = float(scipy_stats.t.ppf(1 - alpha / 2, df))
    if effect < low:
        return _reach(low - effect, se, df, critical)
    if effect > high:
        return _reach(effect - high, se, df, critical)
    above = 1.0 if low == -math.inf else _reach(effect - low, se, df, critical)
    below = 1.0 if high == math.inf else _reach(high - effect, se, df, critical)
    # Two one-sided tests must both reject; they are driven by one estimate, so this bound is exact up to the chance
    # of rejecting neither.
    return max(0.0, above + below - 1)


def smallest_effect(sd: float, n: int, *, alpha: float = 0.05, power: float = POWER, df: float | None = None) -> float:
    """The smallest distance from a claim's boundary that `n` seeds of standard deviation `sd` would see with
    `power`."""
    if n < 2 or not sd > 0:
        return math.nan

    def gap(distance: float) -> float:
        return region_power(distance, sd, n, -math.inf, 0.0, alpha=alpha, df=df) - power

    high = sd
    while gap(high) < 0:
        high *= 2
    return float(optimize.brentq(gap, 0.0 if gap(0.0) < 0 else -high, high, xtol=1e-9 * sd))


def seeds_needed(
    effect: float, sd: float, low: float, high: float, *, alpha: float = 0.05, power: float = POWER
) -> int | None:
    """Fewest seeds (pairs) that would settle the claim about [low, high] with `power`, were `effect` and `sd` the
    truth.

    None when more than MOST_SEEDS would be needed: the effect lies on the boundary of what is claimed.
    """
    if not (math.isfinite(effect) and sd > 0):
        return None

    def enough(n: int) -> bool:
        return region_power(effect, sd, n, low, high, alpha=alpha) >= power

    if not enough(MOST_SEEDS):
        return None
    few, many = 1, MOST_SEEDS
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many
