"""The judge: from typed claims and runs to verdicts. The semantics stand in `mlintern.study.judge.claims`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from mlintern.study.judge.claims import (
    AtLeast,
    AtMost,
    Claim,
    DifferenceNear,
    EqualsPrinted,
    Equivalent,
    Greater,
    MeasuredClaim,
    Monotone,
    NotTestable,
    PairClaim,
    PeakNear,
    Selector,
    parse_claims,
)
from mlintern.study.judge.levels import judge_monotone, judge_peak
from mlintern.study.judge.observation import Missing, Observation, Outcomes, Seeds, one_cell, select
from mlintern.study.judge.outcomes import paired_examples, per_example
from mlintern.study.statistics.correction import holm
from mlintern.study.statistics.estimates import (
    Estimate,
    RegionTest,
    mean_estimate,
    paired_estimate,
    region_test,
    welch_estimate,
)
from mlintern.study.statistics.paired import EffectSize, crossed_estimate, hedges_g, paired_dz
from mlintern.study.statistics.power import region_power, seeds_needed, smallest_effect
from mlintern.study.statistics.printed import VerdictWord, printed_test, word


class StandardisedEffect(BaseModel):
    """A difference in units of the spread over seeds, with its 95 % interval."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Paired d_z (spread of the differences) or Hedges' g (pooled spread of the two sides)."""
    value: float
    low: float | None
    high: float | None


class Verdict(BaseModel):
    """The answer to one claim; the first eleven fields are those of report.json."""

    model_config = ConfigDict(frozen=True)

    id: str
    statement: str
    verdict: VerdictWord
    test: str
    """How it was tested."""
    effect: float | None
    """In the claim's unit; what it is stands in the claim's kind. None when not tested."""
    ci_low: float | None
    """Unadjusted interval of the effect; None where none exists (one run)."""
    ci_high: float | None
    p: float | None
    """Smallest alpha at which the verdict would be reached by this claim alone; two-sided."""
    p_adjusted: float | None
    """The same, corrected over the family."""
    n: int
    """Seeds, or pairs of seeds, behind it."""
    reason: str
    power: float | None = None
    """Chance that this many seeds reach the true verdict, were the true effect `power_at` and the spread as
    observed."""
    power_at: float | None = None
    """The claim's expected difference where it states one, otherwise the observed effect."""
    smallest_effect: float | None = None
    """Smallest distance from the claim's boundary that this study would have seen (80 % power)."""
    seeds_needed: int | None = None
    """Seeds that would settle an inconclusive claim; None when settled, out of reach or unknown."""
    effect_size: StandardisedEffect | None = None
    """Of a difference over seeds; None for other claims, and where the spread is unknown."""
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Examined:
    """A claim with its test, before the correction."""

    test: RegionTest
    words: str
    effect: float
    estimate: Estimate | None
    """The estimate whose distance to [low, high] decides; None where the effect is a level."""
    low: float
    high: float
    n: int
    interval: tuple[float, float] | None = None
    """Interval of the effect where it is not the estimate's own."""
    note: str = ""
    expected: float | None = None
    assumptions: tuple[str, ...] = ()
    effect_size: EffectSize | None = None


def judge(
    claims: Sequence[Claim | BaseModel | Mapping[str, Any]],
    runs: Sequence[Observation | Mapping[str, Any]],
    *,
    alpha: float = 0.05,
    level: float = 0.95,
    outcomes: Outcomes | None = None,
) -> list[Verdict]:
    """Verdicts in the claims' order; Holm's correction runs over the claims that could be tested.

    `runs` are observations or run records; `outcomes` reads a cell's per-example outcomes, which claims over
    `seeds_and_examples` need.
    """
    parsed = parse_claims(claims)
    observed = [run if isinstance(run, Observation) else Observation.from_record(run) for run in runs]
    examined: dict[int, Examined] = {}
    verdicts: dict[int, Verdict] = {}
    for i, claim in enumerate(parsed):
        try:
            examined[i] = _examine(claim, observed, level, outcomes)
        except Missing as missing:
            verdicts[i] = _without_test(claim, "not_tested", str(missing))
        except _Diverged as diverged:
            verdicts[i] = _without_test(claim, "inconclusive", str(diverged))
    adjusted = holm([found.test.p for found in examined.values()])
    for (i, found), p in zip(examined.items(), adjusted, strict=True):
        verdicts[i] = _verdict(parsed[i], found, p, family=len(examined), alpha=alpha, level=level)
    return [verdicts[i] for i in range(len(parsed))]


class _Diverged(Exception):
    """Runs of the claim gave no finite number."""


def _examine(claim: Claim, runs: Sequence[Observation], level: float, outcomes: Outcomes | None) -> Examined:
    match claim:
        case NotTestable():
            raise Missing(claim.reason)
        case Greater():
            return _compared(claim, runs, outcomes, claim.margin, math.inf, claim.expected)
        case Equivalent():
            return _compared(claim, runs, outcomes, -claim.within, claim.within)
        case DifferenceNear():
            low, high = claim.value - claim.within, claim.value + claim.within
            return _compared(claim, runs, outcomes, low, high, claim.value)
        case AtLeast():
            return _region(_mean(claim, runs, outcomes), claim.value, math.inf)
        case AtMost():
            return _region(_mean(claim, runs, outcomes), -math.inf, claim.value)
        case EqualsPrinted():
            found = printed_test(_cell(claim, claim.a, runs).values, claim.printed, claim.tolerance)
            own = found.own
            return Examined(
                found.test, found.words, own.value, own, found.low, found.high, own.n, assumptions=found.assumptions
            )
        case PeakNear():
            peak = judge_peak(claim, _ladder(claim, claim.a, claim.factor, runs), level)
            return Examined(
                peak.test, peak.words, peak.effect, None, peak.low, peak.high, peak.n, peak.interval, peak.note
            )
        case Monotone():
            step = judge_monotone(claim, _ladder(claim, claim.a, claim.factor, runs), level)
            return Examined(
                step.test, step.words, step.effect, None, step.low, step.high, step.n, step.interval, step.note
            )


def _region(estimate: Estimate, low: float, high: float, expected: float | None = None) -> Examined:
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


def _finite(cell: Seeds) -> Seeds:
    lost = [run.seed for run, value in zip(cell.runs, cell.values, strict=True) if not math.isfinite(value)]
    if lost:
        raise _Diverged(
            f"{len(lost)} of {len(cell.runs)} runs gave no finite number (seed {', '.join(map(str, lost))}): "
            "a mean over the rest would flatter the method"
        )
    return cell


def _cell(claim: MeasuredClaim, selector: Selector, runs: Sequence[Observation]) -> Seeds:
    found = select(runs, {**claim.where, **selector})
    return _finite(one_cell(found, claim.split, claim.metric, claim.scale))


def _mean(claim: AtLeast | AtMost, runs: Sequence[Observation], outcomes: Outcomes | None) -> Estimate:
    cell = _cell(claim, claim.a, runs)
    if claim.over == "seeds":
        return mean_estimate(cell.values)
    return crossed_estimate(per_example(cell, claim.split, claim.metric, outcomes) * claim.scale)


def _compared(
    claim: PairClaim,
    runs: Sequence[Observation],
    outcomes: Outcomes | None,
    low: float,
    high: float,
    expected: float | None = None,
) -> Examined:
    """a - b: paired over the seeds that both sides have when there are two or more of them, Welch's otherwise."""
    a, b = _cell(claim, claim.a, runs), _cell(claim, claim.b, runs)
    if a.runs == b.runs:
        raise Missing("both selectors name the same cell")
    shared = sorted(set(a.seeds) & set(b.seeds))
    if claim.over == "seeds_and_examples":
        if not shared:
            raise Missing("the two sides share no seed, so their test examples cannot be paired")
        first, second = paired_examples(a.only(shared), b.only(shared), claim.split, claim.metric, outcomes)
        return _region(crossed_estimate((first - second) * claim.scale), low, high, expected)
    if len(shared) < 2:
        estimate, size = welch_estimate(a.values, b.values), hedges_g(a.values, b.values)
    else:
        one, two = a.only(shared).values, b.only(shared).values
        estimate, size = paired_estimate(one, two), paired_dz(one, two)
    return replace(_region(estimate, low, high, expected), effect_size=size if math.isfinite(size.value) else None)


def _ladder(
    claim: PeakNear | Monotone, selector: Selector, factor: str, runs: Sequence[Observation]
) -> dict[float, Seeds]:
    """The cells of one factor, by level, ascending; the levels must be numbers."""
    found = select(runs, {**claim.where, **selector})
    levels: dict[float, list[Observation]] = {}
    for run in found:
        if factor not in run.coordinates:
            raise Missing(f"factor {factor!r} is no coordinate of these runs ({', '.join(sorted(run.coordinates))})")
        level = run.coordinates[factor]
        try:
            levels.setdefault(float(level), []).append(run)
        except ValueError as error:
            raise Missing(f"level {level!r} of factor {factor!r} is not a number") from error
    # A level may be written as 1 in one record and 1.0 in another; within a cell the factor is no longer a coordinate.
    cells = {}
    for level in sorted(levels):
        stripped = [_without(run, factor) for run in levels[level]]
        cells[level] = _finite(one_cell(stripped, claim.split, claim.metric, claim.scale))
    rest = {tuple(sorted((k, str(v)) for k, v in c.runs[0].coordinates.items())) for c in cells.values()}
    if len(rest) > 1:
        raise Missing(f"the levels of {factor!r} differ in more than {factor!r}: name the other coordinates")
    return cells


def _without(run: Observation, factor: str) -> Observation:
    return Observation(
        run.variant,
        run.seed,
        {key: value for key, value in run.levels.items() if key != factor},
        run.metrics,
        run.cell_id,
        run.status,
    )


def _without_test(claim: Claim, verdict: VerdictWord, reason: str) -> Verdict:
    return Verdict(
        id=claim.id,
        statement=claim.statement or claim.describe(),
        verdict=verdict,
        test="none",
        effect=None,
        ci_low=None,
        ci_high=None,
        p=None,
        p_adjusted=None,
        n=0,
        reason=reason,
    )


def _verdict(claim: Claim, found: Examined, p: float, *, family: int, alpha: float, level: float) -> Verdict:
    verdict = word(found.test, p, alpha)
    estimate = found.estimate
    interval = found.interval or (estimate.interval(level) if estimate is not None else (math.nan, math.nan))
    share = alpha / family
    power = power_at = visible = needed = None
    if estimate is not None and estimate.testable:
        sd = estimate.se * math.sqrt(estimate.n)
        power_at = estimate.value if found.expected is None else found.expected
        power = region_power(power_at, sd, estimate.n, found.low, found.high, alpha=share, df=estimate.df)
        visible = smallest_effect(sd, estimate.n, alpha=share, df=estimate.df)
        if verdict == "inconclusive":
            needed = seeds_needed(estimate.value, sd, found.low, found.high, alpha=share)
    return Verdict(
        id=claim.id,
        statement=claim.statement or claim.describe(),
        verdict=verdict,
        test=found.words,
        effect=_number(found.effect),
        ci_low=_number(interval[0]),
        ci_high=_number(interval[1]),
        p=_number(found.test.p),
        p_adjusted=_number(p),
        n=found.n,
        reason=_reason(found, verdict, p, interval, family, alpha, level, needed),
        power=_number(power),
        power_at=_number(power_at),
        smallest_effect=_number(visible),
        seeds_needed=needed,
        effect_size=_standardised(found.effect_size),
        assumptions=found.assumptions,
    )


def _reason(
    found: Examined,
    verdict: VerdictWord,
    p: float,
    interval: tuple[float, float],
    family: int,
    alpha: float,
    level: float,
    needed: int | None,
) -> str:
    region = f"[{found.low:.4g}, {found.high:.4g}]"
    place = {"supported": "lies inside", "contradicted": "lies outside"}.get(verdict, "does not settle")
    if not math.isfinite(interval[0]) or not math.isfinite(interval[1]):
        text = f"{found.words}: {found.effect:.4g} against {region}; no spread, so no interval"
        if verdict == "inconclusive":
            text += ": run more seeds" if found.n < 2 else ": does the seed change anything?"
    elif verdict == "inconclusive" and found.test.p <= alpha:
        side = "inside" if found.test.outcome == "supported" else "outside"
        text = (
            f"alone it would lie {side} {region} (p = {found.test.p:.3g}), "
            f"not after correction over {family} claims (p = {p:.3g})"
        )
    else:
        text = f"{level:.0%} interval [{interval[0]:.4g}, {interval[1]:.4g}] {place} {region}"
    if needed is not None:
        text += f"; about {needed} seeds would settle it"
    return f"{text}; {found.note}" if found.note else text


def _standardised(size: EffectSize | None) -> StandardisedEffect | None:
    if size is None:
        return None
    return StandardisedEffect(name=size.name, value=size.value, low=_number(size.low), high=_number(size.high))


def _number(value: float | None) -> float | None:
    """None for what JSON cannot hold."""
    return float(value) if value is not None and math.isfinite(value) else None
