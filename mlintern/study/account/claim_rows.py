"""The spec's claims and the cells of its tables, judged as one family on the runs that count.

That a cell of a table comes out as printed is a claim like any other: each has one verdict, and the correction for
testing many things at once runs over all of them together. A claim that names no protocol speaks of the main one, and
a factor that it does not name stands at its base level: otherwise "the CNN beats the MLP" would pool ablations and
leaking runs into one mean.
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from mlintern.claims.forms import LevelsClaim, MeasuredClaim
from mlintern.claims.kinds.equals_printed import EqualsPrinted
from mlintern.claims.observation import Observation, Outcomes, same
from mlintern.claims.parsing import Claim, parse_claims
from mlintern.core.records.record import RunRecord
from mlintern.report import numbers
from mlintern.report.model.places import place_in_paper
from mlintern.report.model.report import ClaimRow, Verdict
from mlintern.spec.paper_spec import PaperSpec, Printed, ResultCell, ResultTable
from mlintern.statistics.printed_value import PrintedValue
from mlintern.study.judge.verdicts import judge
from mlintern.study.judge.which_runs_count import Evidence, PlannedRun

VERDICT: dict[str, Verdict] = {word.replace(" ", "_"): word for word in get_args(Verdict)}
"""The judge's words to the report's."""
CellKey = tuple[str, str, str, str]
"""(table, row, column, metric)."""


def judge_all(
    spec: PaperSpec, evidence: Evidence, protocol: str, outcomes: Outcomes
) -> tuple[list[ClaimRow], dict[CellKey, ClaimRow]]:
    """Every claim of the spec in its order, and every testable cell by its place.

    A claim that says no more than that a cell equals its printed number stands with the cell, not among the claims.
    """
    claims = [_completed(claim, evidence, protocol) for claim in parse_claims(spec.claims)]
    where = {claim.id: place_in_paper(claim.locator) for claim in spec.claims}
    of_cell: dict[CellKey, str] = {}
    for table, cell in spec.testable_cells():
        if cell.printed.mean is not None:
            stated = _cell_claim(table, cell, evidence, protocol)
            twin = next((claim for claim in claims if _same_statement(claim, stated)), None)
            if twin is None:
                claims.append(stated)
                where[stated.id] = place_in_paper(cell.locator)
            of_cell[cell_key(table, cell)] = (twin or stated).id
    observed = [_observation(run, evidence) for run in evidence.all_counting]
    verdicts = judge(claims, observed, outcomes=outcomes)
    rows = {
        claim.id: _row(claim, found.model_dump(), evidence, where[claim.id])
        for claim, found in zip(claims, verdicts, strict=True)
    }
    in_table = set(of_cell.values())
    own = [rows[claim.id] for claim in spec.claims if claim.id not in in_table]
    return own, {key: rows[name] for key, name in of_cell.items()}


def cell_key(table: ResultTable, cell: ResultCell) -> CellKey:
    """What tells a cell from all others of the paper."""
    return table.id, cell.row, cell.column, cell.metric


def printed_value(printed: Printed) -> PrintedValue:
    """The printed number as statistics want it; its spread is what the spec says that it is, and nothing else."""
    assert printed.mean is not None
    return PrintedValue(**printed.model_dump(exclude={"raw"}))


def settled(said: Verdict, reason: str, lost: Sequence[PlannedRun]) -> tuple[Verdict, str]:
    """The verdict and its reason; what survivors show is not settled: seeds that diverged, failed or never ran might
    have said otherwise."""
    if not lost or said in ("not tested", "inconclusive"):
        return said, reason
    named = "; ".join(f"{p.variant} seed {p.seed}: {p.refused}" for p in lost[:3])
    more = f"; {len(lost) - 3} more" if len(lost) > 3 else ""
    lacks = f"not settled while planned runs give no number ({named}{more})"
    return "inconclusive", f"{lacks}; without them, {said}: {reason}"


def _row(claim: Claim, found: dict[str, Any], evidence: Evidence, where: str) -> ClaimRow:
    touched = [p for p in evidence.planned if _speaks_of(claim, evidence.coordinates(p.variant, p.levels))]
    lost = [p for p in touched if p.refused]
    verdict, reason = settled(VERDICT[found.pop("verdict")], found.pop("reason"), lost)
    test, assumptions = found.pop("test"), found.pop("assumptions")
    return ClaimRow(
        **{name: value for name, value in found.items() if name in ClaimRow.model_fields},
        verdict=verdict,
        test=None if test == "none" else test,
        reason=reason,
        where=where,
        unit=claim.unit_of_effect,
        assumed="; ".join(assumptions) or None,
        marks=sorted({mark for p in touched if not p.refused for mark in p.marks}),
    )


def _cell_claim(table: ResultTable, cell: ResultCell, evidence: Evidence, protocol: str) -> EqualsPrinted:
    levels = {**cell.levels, "data": cell.data or "", "protocol": protocol}
    coordinates = evidence.coordinates(cell.variant or "", levels)
    return EqualsPrinted(
        id="/".join(cell_key(table, cell)),
        statement=f"{cell.column}, {cell.row}: {cell.split} {cell.metric} is {cell.printed.raw}",
        metric=cell.metric,
        split=cell.split,
        unit="percent" if numbers.scale(table.unit) != 1 else "as_measured",
        a=coordinates,
        printed=printed_value(cell.printed),
    )


def _same_statement(claim: Claim, cell: EqualsPrinted) -> bool:
    """Whether a claim says what the cell says: the same coordinates, metric and printed number."""
    return (
        isinstance(claim, EqualsPrinted)
        and claim.tolerance is None
        and (claim.metric, claim.split, claim.unit) == (cell.metric, cell.split, cell.unit)
        and (claim.printed.mean, claim.printed.std) == (cell.printed.mean, cell.printed.std)
        and {**claim.where, **claim.a} == {**cell.where, **cell.a}
    )


def _observation(run: RunRecord, evidence: Evidence) -> Observation:
    levels = evidence.coordinates(run["variant"], run["levels"])
    del levels["variant"]
    return Observation.from_record({**run, "levels": levels})


def _completed(claim: Claim, evidence: Evidence, protocol: str) -> Claim:
    """The claim with the coordinates that it leaves open set to their defaults."""
    if not isinstance(claim, MeasuredClaim):
        return claim
    named = {key for selector in claim.sides for key in selector}
    if isinstance(claim, LevelsClaim):
        named.add(claim.factor)
    defaults = {**evidence.coordinates("", {}), "protocol": protocol}
    added = {key: level for key, level in defaults.items() if key not in (*named, "variant", "data")}
    statement = claim.statement or claim.describe()
    return claim.model_copy(update={"where": {**added, **claim.where}, "statement": statement})


def _speaks_of(claim: Claim, coordinates: Mapping[str, Any]) -> bool:
    return any(
        all(key in coordinates and same(level, coordinates[key]) for key, level in selector.items())
        for selector in claim.sides
    )
