"""What decides "supported": from typed claims and runs to verdicts.

Each kind's `examine` says where the effect's interval lies against the claim's region, Holm corrects over the family,
and `mlintern.statistics.printed.word` gives the word: supported inside, contradicted outside, else inconclusive. What
each means is told in `mlintern.claims.parsing`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from mlintern.claims.examined import Diverged, Examined, Runs
from mlintern.claims.observation import Missing, Observation, Outcomes
from mlintern.claims.parsing import Claim, parse_claims
from mlintern.report.model.report import StandardisedEffect
from mlintern.statistics.correction import holm
from mlintern.statistics.paired import EffectSize
from mlintern.statistics.power import region_power, seeds_needed, smallest_effect
from mlintern.statistics.printed import ALPHA, VerdictWord, word


class Verdict(BaseModel):
    """The answer to one claim; the first eleven fields are those of report.json."""

    model_config = ConfigDict(frozen=True)

    id: str
    statement: str
    verdict: VerdictWord
    reason: str
    test: str = "none"
    """How it was tested."""
    effect: float | None = None
    """In the claim's unit; what it is stands in the claim's kind. None when not tested."""
    ci_low: float | None = None
    """Unadjusted interval of the effect; None where none exists (one run)."""
    ci_high: float | None = None
    p: float | None = None
    """Smallest alpha at which the verdict would be reached by this claim alone; two-sided."""
    p_adjusted: float | None = None
    """The same, corrected over the family."""
    n: int = 0
    """Seeds, or pairs of seeds, behind it."""
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


def judge(
    claims: Sequence[Claim | BaseModel | Mapping[str, Any]],
    runs: Sequence[Observation | Mapping[str, Any]],
    *,
    outcomes: Outcomes | None = None,
) -> list[Verdict]:
    """Verdicts in the claims' order; Holm's correction runs over the claims that could be tested.

    `runs` are observations or run records; `outcomes` reads a cell's per-example outcomes, which claims over
    `seeds_and_examples` need.
    """
    parsed = parse_claims(claims)
    observed = [run if isinstance(run, Observation) else Observation.from_record(run) for run in runs]
    given = Runs(observed, outcomes=outcomes)
    examined: dict[int, Examined] = {}
    verdicts: dict[int, Verdict] = {}
    for i, claim in enumerate(parsed):
        try:
            examined[i] = claim.examine(given)
        except Missing as missing:
            verdicts[i] = _without_test(claim, "not_tested", str(missing))
        except Diverged as diverged:
            verdicts[i] = _without_test(claim, "inconclusive", str(diverged))
    adjusted = holm([found.test.p for found in examined.values()])
    for (i, found), p in zip(examined.items(), adjusted, strict=True):
        verdicts[i] = _verdict(parsed[i], found, p, len(examined))
    return [verdicts[i] for i in range(len(parsed))]


def _without_test(claim: Claim, verdict: VerdictWord, reason: str) -> Verdict:
    return Verdict(id=claim.id, statement=claim.statement or claim.describe(), verdict=verdict, reason=reason)


def _verdict(claim: Claim, found: Examined, p: float, family: int) -> Verdict:
    verdict = word(found.test, p, ALPHA)
    estimate = found.estimate
    interval = found.interval or (estimate.interval() if estimate is not None else (math.nan, math.nan))
    share = ALPHA / family
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
        reason=_reason(found, verdict, p, interval, family, needed),
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
    needed: int | None,
) -> str:
    region = f"[{found.low:.4g}, {found.high:.4g}]"
    place = {"supported": "lies inside", "contradicted": "lies outside"}.get(verdict, "does not settle")
    if not math.isfinite(interval[0]) or not math.isfinite(interval[1]):
        text = f"{found.words}: {found.effect:.4g} against {region}; no spread, so no interval"
        if verdict == "inconclusive":
            text += ": run more seeds" if found.n < 2 else ": does the seed change anything?"
    elif verdict == "inconclusive" and found.test.p <= ALPHA:
        side = "inside" if found.test.outcome == "supported" else "outside"
        text = (
            f"alone it would lie {side} {region} (p = {found.test.p:.3g}), "
            f"not after correction over {family} claims (p = {p:.3g})"
        )
    else:
        text = f"95% interval [{interval[0]:.4g}, {interval[1]:.4g}] {place} {region}"
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
