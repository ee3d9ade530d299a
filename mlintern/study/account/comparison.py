"""The paper's tables beside ours, cell by cell, the cells that nobody tested included.

A cell's verdict under the main protocol comes from the judge, in one family with the claims; its numbers under another
protocol are a family of their own.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlintern.core.records.record import RunRecord
from mlintern.report import numbers
from mlintern.report.model.report import ClaimRow, Judged, Judgement, OtherProtocol, PrintedNumber, TableCell
from mlintern.spec.paper_spec import PaperSpec, Printed, ResultCell, ResultTable
from mlintern.statistics.printed import PrintedComparison, compare_rows
from mlintern.study.account.claim_rows import VERDICT, CellKey, cell_key, printed_value, settled
from mlintern.study.account.contrasts import measured, with_metric
from mlintern.study.judge.which_runs_count import Evidence, Place, PlannedRun


def compare_tables(
    spec: PaperSpec, evidence: Evidence, protocol: str, judged: Mapping[CellKey, ClaimRow]
) -> list[TableCell]:
    """Every cell in the paper's order, measured under `protocol`, with the numbers under other protocols beside it."""
    others = sorted({place_protocol(place) for place in evidence.places} - {protocol})
    rows: list[TableCell] = []
    for table in spec.tables:
        tested = [cell for cell in table.cells if cell_key(table, cell) in judged]
        beside = {name: _under(evidence, table, tested, name) for name in others}
        for cell in table.cells:
            if cell not in tested:
                reason = cell.not_tested_reason or "the paper prints a bound without a number"
                judgement = Judgement(verdict="not tested", reason=reason)
                rows.append(TableCell(**_printed_side(table, cell), verdict="not tested", judgement=judgement))
                continue
            marks = [f"reduced:{r.key}" for r in spec.scale.reductions if _applies(r.where, cell)]
            there = [found[cell_key(table, cell)] for found in beside.values() if cell_key(table, cell) in found]
            marked = [other.model_copy(update={"marks": sorted({*marks, *other.marks})}) for other in there]
            rows.append(_measured_cell(evidence, table, cell, protocol, judged[cell_key(table, cell)], marks, marked))
    return rows


def place_protocol(place: Place) -> str:
    """The protocol of a place; empty where runs have none."""
    return str(dict(place[1]).get("protocol", ""))


def cell_place(evidence: Evidence, cell: ResultCell, protocol: str) -> Place:
    """Where the runs of a table's cell stand under a protocol."""
    return evidence.place(cell.variant or "", {**cell.levels, "data": cell.data, "protocol": protocol})


def _under(
    evidence: Evidence, table: ResultTable, tested: Sequence[ResultCell], protocol: str
) -> dict[CellKey, OtherProtocol]:
    """The tested cells that have runs under another protocol, each compared with what the paper prints."""
    pairs = [(cell_place(evidence, cell, protocol), cell) for cell in tested]
    runs = [with_metric(evidence.counting(place), cell.split, cell.metric) for place, cell in pairs]
    values = [_values(found, table, cell) for found, cell in zip(runs, tested, strict=True)]
    compared = compare_rows([(v, printed_value(cell.printed)) for v, cell in zip(values, tested, strict=True)])
    return {
        cell_key(table, cell): OtherProtocol(
            protocol=protocol,
            measured=measured(v, [run["seed"] for run in found]),
            judgement=_comparison(comparison, [p for p in evidence.at(place) if p.refused]),
            marks=evidence.marks(place),
            lost=_lost(evidence.at(place)),
            cells=[run["cell_id"] for run in found],
        )
        for (place, cell), found, v, comparison in zip(pairs, runs, values, compared, strict=True)
        if found
    }


def _values(runs: Sequence[RunRecord], table: ResultTable, cell: ResultCell) -> list[float]:
    return [run["metrics"][cell.split][cell.metric] * numbers.scale(table.unit) for run in runs]


def _applies(where: Mapping[str, object], cell: ResultCell) -> bool:
    coordinates = {**cell.levels, "variant": cell.variant, "data": cell.data}
    return all(coordinates.get(key) == level for key, level in where.items())


def _measured_cell(
    evidence: Evidence,
    table: ResultTable,
    cell: ResultCell,
    protocol: str,
    claim: ClaimRow,
    marks: Sequence[str],
    others: Sequence[OtherProtocol],
) -> TableCell:
    place = cell_place(evidence, cell, protocol)
    runs = with_metric(evidence.counting(place), cell.split, cell.metric)
    planned = evidence.at(place)
    lost = _lost(planned)
    lost += [
        f"seed {run['seed']}: no finite {cell.split} {cell.metric} in its record"
        for run in evidence.counting(place)
        if run not in runs
    ]
    found = measured(_values(runs, table, cell), [run["seed"] for run in runs]) if runs else None
    judgement = _judgement(claim, cell.printed, planned=bool(planned))
    return TableCell(
        **_printed_side(table, cell),
        protocol=protocol,
        measured=found,
        within_printed=_within(found.mean, cell.printed) if found else None,
        verdict=judgement.verdict,
        judgement=judgement,
        marks=sorted({*marks, *evidence.marks(place)}),
        planned=len(planned),
        lost=lost,
        cells=[run["cell_id"] for run in runs],
        others=list(others),
    )


def _printed_side(table: ResultTable, cell: ResultCell) -> dict[str, Any]:
    """What the paper says about a cell: the fields that measured and untested cells share."""
    printed = cell.printed.model_dump(include=set(PrintedNumber.model_fields))
    return {
        **cell.model_dump(include={"row", "column", "metric", "split", "variant", "data", "levels"}),
        "table": table.id,
        "unit": table.unit,
        "better": table.better,
        "paper": PrintedNumber(**printed, protocol=cell.protocol),
    }


def _within(mean: float, printed: Printed) -> bool:
    value = printed_value(printed)
    if value.bound in (">", ">="):
        return mean >= value.mean
    if value.bound in ("<", "<="):
        return mean <= value.mean
    return abs(mean - value.mean) <= value.tolerance


def _judgement(claim: ClaimRow, printed: Printed, planned: bool) -> Judgement:
    """The judge's answer, its effect as ours minus the printed number."""
    if not planned:
        return Judgement(verdict="not tested", reason="not part of this study's plan")
    value = printed_value(printed)
    found = claim.model_dump(include=set(Judged.model_fields))
    for name in ("effect", "ci_low", "ci_high"):
        found[name] = None if found[name] is None else found[name] - value.mean
    return Judgement(**found, tolerance=None if value.bound in (">", ">=", "<", "<=") else value.tolerance)


def _lost(planned: Sequence[PlannedRun]) -> list[str]:
    return [f"seed {p.seed}: {p.refused}" for p in planned if p.refused]


def _comparison(found: PrintedComparison, lost: Sequence[PlannedRun]) -> Judgement:
    verdict, reason = settled(VERDICT[found.verdict], found.reason, lost)
    return Judgement(
        verdict=verdict,
        reason=reason,
        test=found.test,
        effect=found.difference,
        ci_low=finite(found.ci_low - (found.mean - found.difference)),
        ci_high=finite(found.ci_high - (found.mean - found.difference)),
        p=found.p,
        p_adjusted=found.p_adjusted,
        n=found.n,
        seeds_needed=found.seeds_needed,
        assumed="; ".join(found.assumptions) or None,
        tolerance=finite(found.tolerance),
    )


def finite(number: float) -> float | None:
    """The number, or None for NaN and infinities (JSON has neither)."""
    return number if math.isfinite(number) else None
