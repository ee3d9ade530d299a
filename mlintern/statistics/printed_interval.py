"""Is a printed "±" the interval that it says it is, given the raw seeds?

Papers compute intervals by hand and get them wrong in few, well-known ways: dividing by n instead of its root, taking
the normal quantile for three seeds, the population standard deviation (numpy's default), or printing the standard
error and calling it a 95 % interval. `check_printed_interval` computes all of them and says which one reproduces the
print, if any.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats as scipy_stats

from mlintern.statistics.estimates import is_constant, mean_estimate
from mlintern.statistics.printed_value import PrintedValue, Spread

NEAR = 0.1
"""A formula within a tenth of the printed half width is named as the nearest when none reproduces it."""


@dataclass(frozen=True)
class Formula:
    """One way to turn seeds into a half width, and what is wrong with it for a two-sided interval of the mean."""

    name: str
    half_width: float
    faults: tuple[str, ...]


@dataclass(frozen=True)
class PrintedIntervalCheck:
    """What a printed half width is, and what it should be."""

    printed: float
    right: float
    """What the seeds give: half the t interval, unless another spread is stated; NaN where no two seeds differ."""
    ratio: float
    """`right` over `printed`: how many times too narrow the print is (below 1: too wide)."""
    ok: bool
    """Whether the print is what it is called, within its rounding."""
    matches: tuple[Formula, ...]
    """Wrong formulas that give the printed number within its rounding, fewest faults first."""
    nearest: Formula | None
    """The closest formula when none matches; it lies within a tenth of the print."""
    finding: str
    """One sentence for the report; empty when ok."""


def formulas(values: Sequence[float], level: float = 0.95) -> list[Formula]:
    """Every combination of quantile, standard deviation and divisor in use, the right one first."""
    array = np.asarray(values, dtype=np.float64)
    n = array.size
    percent = f"{level:.0%}"
    quantiles = [
        (f"t({n - 1})", float(scipy_stats.t.ppf(0.5 + level / 2, n - 1)), ()),
        ("z", float(scipy_stats.norm.ppf(0.5 + level / 2)), (f"the normal quantile in place of t with {n - 1} df",)),
        (f"t({n})", float(scipy_stats.t.ppf(0.5 + level / 2, n)), (f"t with {n} degrees of freedom, not {n - 1}",)),
        ("", 1.0, (f"no quantile: it is no {percent} interval",)),
    ]
    deviations = [
        ("sample std", float(array.std(ddof=1)), ()),
        ("population std", float(array.std()), ("the population standard deviation (n), not the sample's (n - 1)",)),
    ]
    divisors = [
        ("sqrt(n)", math.sqrt(n), ()),
        ("n", float(n), ("divided by n, not by its root",)),
        ("1", 1.0, ("the spread of single runs, not of their mean",)),
    ]
    found = [
        Formula(
            " ".join(part for part in (quantile, deviation, f"/ {divisor}" if divisor != "1" else "") if part),
            q * sd / d,
            (*q_faults, *sd_faults, *d_faults),
        )
        for (quantile, q, q_faults), (deviation, sd, sd_faults), (divisor, d, d_faults) in itertools.product(
            quantiles, deviations, divisors
        )
    ]
    half_range = float(np.ptp(array)) / 2
    found.append(Formula("half the range", half_range, ("half the range of the seeds is no interval",)))
    return sorted(found, key=lambda formula: len(formula.faults))


def check_printed_interval(
    values: Sequence[float],
    printed: float,
    *,
    level: float = 0.95,
    decimals: int | None = None,
    stated: Spread = "ci95",
) -> PrintedIntervalCheck:
    """Compare a printed half width with what the raw seeds give, in the same units.

    `stated` is what the paper calls it: an interval (the t interval is right), a standard error, a standard deviation,
    or `unknown` (any of the three is right). `decimals` are the digits after the point as printed (by default those
    that the number needs). The tolerance is the print's rounding alone, so a formula is said to reproduce the print
    only when it does.
    """
    if not (math.isfinite(printed) and printed >= 0):
        raise ValueError(f"a printed half width must be a finite number, not negative: {printed}")
    estimate = mean_estimate(values)
    rounding = PrintedValue(mean=printed, decimals=decimals).rounding
    n = len(values)
    if n < 2:
        finding = f"±{printed:g} is printed for one run, which has no spread" if printed else ""
        return PrintedIntervalCheck(printed, math.nan, math.nan, not printed, (), None, finding)
    if is_constant(values):
        finding = f"±{printed:g} is printed for {n} seeds that all gave {estimate.value:g}"
        if not printed:
            finding += ": no certainty but a value that the seed does not change (a cap, a floor, a seed not wired)"
        return PrintedIntervalCheck(printed, math.nan, math.nan, False, (), None, finding)
    candidates = formulas(values, level)
    names = {"ci95": candidates[0].name, "standard_error": "sample std / sqrt(n)", "std": "sample std"}
    right_names = list(names.values()) if stated == "unknown" else [names[stated]]
    rights = [f for f in candidates if f.name in right_names]
    wrong = [f for f in candidates if f.name not in right_names]
    hit = next((f for f in rights if _reproduces(f, printed, rounding)), None)
    right = hit or rights[0]
    ratio = right.half_width / printed if printed else math.inf
    if hit is not None:
        return PrintedIntervalCheck(printed, right.half_width, ratio, True, (), None, "")
    matches = tuple(f for f in wrong if _reproduces(f, printed, rounding))
    closest = min(wrong, key=lambda f: abs(f.half_width - printed))
    nearest = closest if not matches and abs(closest.half_width - printed) <= NEAR * printed else None
    cause = _cause(printed, matches, nearest, stated)
    finding = f"printed ±{printed:g} for {_sentence(right, ratio, n, level, stated)}; {cause}"
    return PrintedIntervalCheck(printed, right.half_width, ratio, False, matches, nearest, finding)


def _cause(printed: float, matches: Sequence[Formula], nearest: Formula | None, stated: Spread) -> str:
    """Which wrong formula gives the print; what is wrong with it is said for an interval, where the name may not."""
    found = matches[0] if matches else nearest
    if found is None:
        return "no usual formula gives it"
    faults = "; ".join(found.faults) if stated == "ci95" else ""
    if matches:
        return f"it is {found.name}" + (f": {faults}" if faults else "")
    off = abs(found.half_width / printed - 1)
    return f"no usual formula gives it; nearest is {found.name} = {found.half_width:.4g} ({off:.0%} off" + (
        f": {faults})" if faults else ")"
    )


def _sentence(right: Formula, ratio: float, n: int, level: float, stated: Spread) -> str:
    """What the print is called, what the seeds give, and how far apart the two are."""
    of = f"of {n} seeds"
    if stated == "unknown":
        return (
            f"a spread {of} that is not named; the t interval is ±{right.half_width:.4g}, and neither the standard "
            "error nor the standard deviation fits"
        )
    narrow, wide = ("narrow", "wide") if stated == "ci95" else ("small", "large")
    factor = f"{ratio:.1f} times too {narrow}" if ratio >= 1 else f"{1 / ratio:.1f} times too {wide}"
    called = {"ci95": f"{level:.0%} interval", "standard_error": "standard error", "std": "standard deviation"}[stated]
    given = "t interval" if stated == "ci95" else called
    return f"the {called} {of}; the {given} is ±{right.half_width:.4g}, so the print is {factor}"


def _reproduces(formula: Formula, printed: float, rounding: float) -> bool:
    return abs(formula.half_width - printed) <= rounding * (1 + 1e-9)


def common_formula(cells: Mapping[str, tuple[Sequence[float], float]], *, level: float = 0.95) -> str | None:
    """The one formula that reproduces every printed half width of a table, or None when none does.

    `cells` maps a cell's name to (seeds, printed half width). A table whose cells need different formulas was not
    computed from these seeds by any one of them.
    """
    names: set[str] | None = None
    for values, printed in cells.values():
        if len(values) < 2 or is_constant(values):
            continue
        rounding = PrintedValue(mean=printed).rounding
        named = {f"t({len(values)})": "t(n)", f"t({len(values) - 1})": "t(n-1)"}
        fitting = set()
        for formula in formulas(values, level):
            if _reproduces(formula, printed, rounding):
                quantile, _, rest = formula.name.partition(" ")
                fitting.add(f"{named.get(quantile, quantile)} {rest}")
        names = fitting if names is None else names & fitting
    return min(names) if names else None
