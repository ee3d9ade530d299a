"""The spec's claims, judged on the runs that count, as rows of the report.

A claim that names no protocol speaks of the main one, and a factor that it does not name stands at its base level:
otherwise "the CNN beats the MLP" would pool ablations and leaking runs into one mean.
"""

from collections.abc import Mapping
from typing import Any, get_args

from mlintern.record import RunRecord
from mlintern.report.model import ClaimRow, Verdict
from mlintern.report.places import place_in_paper
from mlintern.spec import PaperSpec
from mlintern.study.claims import Claim, MeasuredClaim, PairClaim, judge, parse_claims
from mlintern.study.comparison import downgraded
from mlintern.study.evidence import Evidence, Planned
from mlintern.study.observation import Observation, Scalar, same

_VERDICT: dict[str, Verdict] = {word.replace(" ", "_"): word for word in get_args(Verdict)}
_OF_LEVELS = ("peak_near", "monotone")


def judge_spec_claims(spec: PaperSpec, evidence: Evidence, protocol: str) -> list[ClaimRow]:
    """Every claim of the spec with its verdict, in the spec's order."""
    bases: dict[str, Scalar] = {factor.id: factor.base for factor in spec.ablations}
    defaults = {"protocol": protocol, **bases}
    claims = [_completed(claim, defaults) for claim in parse_claims(spec.claims)]
    verdicts = judge(claims, [_observation(run, bases) for run in evidence.all_counting])
    rows = []
    for stated, claim, found in zip(spec.claims, claims, verdicts, strict=True):
        touched = [p for p in evidence.planned if _speaks_of(claim, {**bases, **p.levels, "variant": p.variant})]
        lost = [p for p in touched if p.refused]
        verdict = downgraded(_VERDICT[found.verdict], [p.refused for p in lost])
        reason = found.reason if verdict == found.verdict.replace("_", " ") else f"{found.reason}; {_lost(lost)}"
        rows.append(
            ClaimRow(
                **found.model_dump(exclude={"verdict", "reason", "assumptions", "test"}),
                verdict=verdict,
                test=None if found.test == "none" else found.test,
                reason=reason,
                where=place_in_paper(stated.locator),
                unit=_unit(claim),
                assumed="; ".join(found.assumptions) or None,
                marks=sorted({mark for p in touched if not p.refused for mark in p.marks}),
            )
        )
    return rows


def _observation(run: RunRecord, bases: Mapping[str, Scalar]) -> Observation:
    return Observation.from_record({**run, "levels": {**bases, **run["levels"]}})


def _selectors(claim: MeasuredClaim) -> list[dict[str, Any]]:
    """The selectors of a claim, `where` included: one for each side."""
    sides = [claim.a, claim.b] if isinstance(claim, PairClaim) else [getattr(claim, "a", {})]
    return [{**claim.where, **side} for side in sides]


def _completed(claim: Claim, defaults: Mapping[str, Scalar]) -> Claim:
    """The claim with the coordinates that it leaves open set to their defaults."""
    if not isinstance(claim, MeasuredClaim):
        return claim
    named = {key for selector in _selectors(claim) for key in selector} | {getattr(claim, "factor", "")}
    added = {key: level for key, level in defaults.items() if key not in named}
    statement = claim.statement or claim.describe()
    return claim.model_copy(update={"where": {**added, **claim.where}, "statement": statement})


def _speaks_of(claim: Claim, coordinates: Mapping[str, Any]) -> bool:
    if not isinstance(claim, MeasuredClaim):
        return False
    return any(
        all(key in coordinates and same(level, coordinates[key]) for key, level in selector.items())
        for selector in _selectors(claim)
    )


def _unit(claim: Claim) -> str | None:
    """Unit of the effect: points for a difference of percentages; none where the effect is a level of a factor."""
    if not isinstance(claim, MeasuredClaim) or claim.kind in _OF_LEVELS[:1]:
        return None
    if claim.unit != "percent":
        return "none"
    return "points" if isinstance(claim, PairClaim) or claim.kind in _OF_LEVELS else "percent"


def _lost(lost: list[Planned]) -> str:
    cells = ", ".join(f"{p.variant} seed {p.seed}" for p in lost[:3]) + (", …" if len(lost) > 3 else "")
    return f"not settled, because planned runs gave no number ({cells})"
