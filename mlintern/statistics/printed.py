"""Our seeds beside a number that the paper prints.

Two questions with two tests, both in the printed units:

- *Is it the same number?* Supported when the interval of our mean lies wholly within the printed value plus or minus
  its printed spread (the paper's own statement of how far the number holds), or plus or minus `tolerance` when the
  claim sets one. Without any spread the spread of our own runs stands in, and the result says so.
- *Is it another number?* Contradicted when our interval lies wholly outside that region **and** the difference to the
  printed mean is beyond chance once the paper's own sampling error is counted (Welch's t from summary statistics,
  with the rounding of the print granted). The printed mean of three runs is no more certain than ours.

What a printed "±" means is often unsaid. It is read as `spread` says; for "unknown" the reading with the largest
error is taken for the second test. Every such choice stands in `assumptions`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats as scipy_stats

from mlintern.statistics.correction import holm
from mlintern.statistics.estimates import Estimate, RegionTest, combine, decide, mean_estimate, region_test
from mlintern.statistics.power import seeds_needed
from mlintern.statistics.printed_value import ASSUMED_RUNS, PrintedValue

VerdictWord = Literal["supported", "contradicted", "inconclusive", "not_tested"]
ALPHA = 0.05


@dataclass(frozen=True)
class PrintedComparison:
    """A table row's answer; effect and interval are those of *our mean* in the printed units."""

    verdict: VerdictWord
    mean: float
    ci_low: float
    ci_high: float
    n: int
    difference: float
    """Our mean minus the printed one."""
    tolerance: float
    """What counted as the same number."""
    p: float
    p_adjusted: float
    test: str
    reason: str
    seeds_needed: int | None
    """Seeds that would settle an inconclusive row at 80 % power; None when settled or out of reach."""
    assumptions: tuple[str, ...] = ()


def printed_estimate(printed: PrintedValue, own: Estimate) -> Estimate:
    """The printed mean as an estimate with its own sampling error, from what is printed and what must be assumed.

    `own` lends its run-to-run spread when the paper prints none: the printed number then counts as one run of ours.
    """
    runs = printed.n
    said: list[str] = []
    if not printed.std:
        if not own.testable:
            return Estimate(printed.mean, math.nan, 0.0, runs or 1, "printed value without a spread")
        shown = "its runs are not said: one run" if runs is None else f"{runs} run{'s' if runs > 1 else ''}"
        said.append(f"the paper prints no spread: its runs spread like ours ({shown})")
        se = own.se * math.sqrt(own.n / (runs or 1))
        return Estimate(printed.mean, se, own.df, runs or 1, "printed value", tuple(said))
    if runs == 1:
        said.append(f"one run cannot have a spread: the printed ± is taken as that of {ASSUMED_RUNS} runs")
    elif runs is None:
        said.append(f"number of runs not said: {ASSUMED_RUNS} assumed")
    runs = runs if runs and runs > 1 else ASSUMED_RUNS
    df = runs - 1.0
    if printed.spread == "std":
        se = printed.std / math.sqrt(runs)
    elif printed.spread == "ci95":
        se = printed.std / float(scipy_stats.t.ppf(0.975, df))
        said.append("the printed 95 % half width is taken as a t interval's")
    else:
        se = printed.std
        if printed.spread == "unknown":
            said.append("what ± means is not said: read as a standard error, the reading with the largest error")
    return Estimate(printed.mean, se, df, runs, "printed mean and spread", tuple(said))


@dataclass(frozen=True)
class PrintedTest:
    """The pieces of a comparison that the family-wise correction needs."""

    own: Estimate
    low: float
    high: float
    test: RegionTest
    words: str
    assumptions: tuple[str, ...]

    @property
    def tolerance(self) -> float:
        """Half the width of the region of "the same number"; 0 for a bound."""
        return (self.high - self.low) / 2 if math.isfinite(self.low) and math.isfinite(self.high) else 0.0


def printed_test(values: Sequence[float], printed: PrintedValue, tolerance: float | None = None) -> PrintedTest:
    """Test our seeds (printed units) against a printed value; see the module's text for what is tested."""
    own = mean_estimate(values)
    if printed.bound in (">", ">=", "<", "<="):
        low, high = (printed.mean, math.inf) if printed.bound[0] == ">" else (-math.inf, printed.mean)
        words = f"{own.method} against the printed bound {printed}"
        return PrintedTest(own, low, high, region_test(own, low, high), words, own.assumptions)
    said: list[str] = []
    margin = printed.tolerance if tolerance is None else tolerance
    if tolerance is None and printed.bound == "~" and not printed.std:
        said.append(f"about {printed.mean:g} is read as within {margin:.3g}")
    elif tolerance is None and not printed.std and own.testable:
        margin = max(margin, own.se * math.sqrt(own.n))
        said.append(f"the paper prints no spread: within one standard deviation of our runs ({margin:.3g}) is the same")
    low, high = printed.mean - margin, printed.mean + margin
    theirs = printed_estimate(printed, own)
    said.extend(theirs.assumptions)
    if own.testable:
        inside = 2 * max(own.p_above(low), own.p_below(high))
        outside = 2 * min(own.p_below(low), own.p_above(high))
        difference = combine(own, theirs, n=own.n, method="Welch")
    else:
        # One run, or a seed that changes nothing: a single draw, to be held against the spread that the paper prints.
        inside, outside = 1.0, 0.0 if not low <= own.value <= high else 1.0
        spread = theirs.se * math.sqrt(theirs.n)
        se = math.hypot(spread, theirs.se)
        difference = Estimate(own.value - theirs.value, se, theirs.df, own.n, "one run against the printed spread")
        said.append("no spread over our seeds: our mean is held against the paper's spread as a single run")
    grant = printed.rounding
    beyond = 2 * min(difference.p_below(-grant), difference.p_above(grant))
    words = f"{own.method} within {printed} (tolerance {margin:.3g}); Welch from summary statistics for a difference"
    return PrintedTest(own, low, high, decide(inside, max(outside, beyond)), words, tuple(said))


def word(test: RegionTest, p: float, alpha: float) -> VerdictWord:
    """The verdict for an (adjusted) p-value."""
    return test.outcome if p <= alpha else "inconclusive"


def compare_rows(rows: Sequence[tuple[Sequence[float], PrintedValue]]) -> list[PrintedComparison]:
    """Rows of a table, (our seeds, the printed number) in the printed units, corrected together by Holm's method.

    No seeds give not_tested; a NaN among them (a diverged run) gives inconclusive with that reason.
    """
    refused = [_refusal(values, printed) for values, printed in rows]
    tests = {i: printed_test(values, printed) for i, (values, printed) in enumerate(rows) if refused[i] is None}
    adjusted = dict(zip(tests, holm([t.test.p for t in tests.values()]), strict=True))
    return [refused[i] or _compared(tests[i], printed, adjusted[i], len(tests)) for i, (_, printed) in enumerate(rows)]


def _compared(tested: PrintedTest, printed: PrintedValue, p: float, family: int) -> PrintedComparison:
    verdict = word(tested.test, p, ALPHA)
    own = tested.own
    low, high = own.interval()
    needed = None
    if verdict == "inconclusive" and own.testable:
        share = ALPHA / family
        needed = seeds_needed(own.value, own.se * math.sqrt(own.n), tested.low, tested.high, alpha=share)
    return PrintedComparison(
        verdict=verdict,
        mean=own.value,
        ci_low=low,
        ci_high=high,
        n=own.n,
        difference=own.value - printed.mean,
        tolerance=tested.tolerance,
        p=tested.test.p,
        p_adjusted=p,
        test=tested.words,
        reason=_reason(tested, printed, verdict),
        seeds_needed=needed,
        assumptions=tested.assumptions,
    )


def _reason(tested: PrintedTest, printed: PrintedValue, verdict: VerdictWord) -> str:
    """One sentence: where our interval lies with regard to the printed number."""
    own = tested.own
    region = f"[{tested.low:.4g}, {tested.high:.4g}]"
    if not own.testable:
        return f"{own.method}: {own.value:.4g} against {printed}; no spread over seeds, so no interval"
    low, high = own.interval()
    place = {"supported": "lies inside", "contradicted": "lies outside"}.get(verdict, "does not settle")
    return f"our 95% interval [{low:.4g}, {high:.4g}] {place} {region} (printed {printed})"


def _refusal(values: Sequence[float], printed: PrintedValue) -> PrintedComparison | None:
    """The result for values that cannot be averaged, or None when they can."""
    finite = [v for v in values if math.isfinite(v)]
    if values and len(finite) == len(values):
        return None
    verdict: VerdictWord = "inconclusive" if values else "not_tested"
    lost = len(values) - len(finite)
    reason = f"{lost} of {len(values)} runs gave no finite number (diverged)" if values else "no finished run"
    nan = math.nan
    return PrintedComparison(
        verdict, nan, nan, nan, len(finite), nan, printed.tolerance, 1.0, 1.0, "none", reason, None
    )
