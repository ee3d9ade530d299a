"""The paper's tables beside ours, cell by cell, the cells that nobody tested included."""

import math
from collections.abc import Sequence

from mlintern.record import RunRecord
from mlintern.report import numbers
from mlintern.report.model import Judgement, OtherProtocol, Printed, TableCell, Verdict
from mlintern.spec import PaperSpec, ResultCell, ResultTable
from mlintern.spec import Printed as SpecPrinted
from mlintern.study.contrasts import measured
from mlintern.study.evidence import Evidence, Place
from mlintern.study.printed import PrintedComparison, compare_rows
from mlintern.study.printed_value import PrintedValue, Spread


def compare_tables(spec: PaperSpec, evidence: Evidence, protocol: str) -> list[TableCell]:
    """Every cell in the paper's order, measured under `protocol`, with the numbers under other protocols beside it."""
    reductions = [(f"reduced:{r.key}", r.where) for r in spec.scale.reductions]
    rows: list[TableCell] = []
    for table in spec.tables:
        tested = [cell for cell in table.cells if cell.testable]
        names = [protocol, *sorted({place_protocol(place) for place in evidence.places} - {protocol})]
        compared = {
            name: dict(zip(map(id, tested), _compare(evidence, table, tested, name), strict=True)) for name in names
        }
        for cell in table.cells:
            if cell.testable:
                marks = [mark for mark, where in reductions if _applies(where, cell)]
                rows.append(
                    _measured_cell(evidence, table, cell, names, {n: compared[n][id(cell)] for n in names}, marks)
                )
            else:
                rows.append(_untested_cell(table, cell))
    return rows


def place_protocol(place: Place) -> str:
    """The protocol of a place; empty where runs have none."""
    return str(dict(place[1]).get("protocol", ""))


def cell_place(evidence: Evidence, cell: ResultCell, protocol: str) -> Place:
    """Where the runs of a table's cell stand under a protocol."""
    return evidence.place(cell.variant or "", {**cell.levels, "data": cell.data, "protocol": protocol})


def printed_value(printed: SpecPrinted) -> PrintedValue:
    """The printed number as statistics want it: a spread over a stated number of runs is a standard deviation."""
    spread: Spread = "std" if printed.std is not None and printed.n is not None else "unknown"
    return PrintedValue(
        mean=printed.mean if printed.mean is not None else math.nan,
        std=printed.std,
        n=printed.n,
        bound=printed.bound,
        spread=spread,
        decimals=printed.decimals,
    )


def downgraded(verdict: Verdict, lost: Sequence[str]) -> Verdict:
    """What survivors support is not settled: seeds that diverged or failed might have said otherwise."""
    return "inconclusive" if lost and verdict == "supported" else verdict


def _compare(
    evidence: Evidence, table: ResultTable, tested: Sequence[ResultCell], protocol: str
) -> list[PrintedComparison]:
    rows = []
    for cell in tested:
        runs = _with_metric(evidence.counting(cell_place(evidence, cell, protocol)), cell)
        rows.append((_values(runs, table, cell), printed_value(cell.printed)))
    return compare_rows(rows)


def _with_metric(runs: Sequence[RunRecord], cell: ResultCell) -> list[RunRecord]:
    return [run for run in runs if math.isfinite(run["metrics"].get(cell.split, {}).get(cell.metric, math.nan))]


def _values(runs: Sequence[RunRecord], table: ResultTable, cell: ResultCell) -> list[float]:
    return [run["metrics"][cell.split][cell.metric] * numbers.scale(table.unit) for run in runs]


def _applies(where: dict[str, object], cell: ResultCell) -> bool:
    coordinates = {**cell.levels, "variant": cell.variant, "data": cell.data}
    return all(coordinates.get(key) == level for key, level in where.items())


def _measured_cell(
    evidence: Evidence,
    table: ResultTable,
    cell: ResultCell,
    protocols: Sequence[str],
    compared: dict[str, PrintedComparison],
    marks: Sequence[str],
) -> TableCell:
    main, *others = protocols
    place = cell_place(evidence, cell, main)
    runs = _with_metric(evidence.counting(place), cell)
    planned = evidence.at(place)
    lost = [f"seed {p.seed}: {p.refused}" for p in planned if p.refused]
    lost += [
        f"seed {run['seed']}: no finite {cell.split} {cell.metric} in its record"
        for run in evidence.counting(place)
        if run not in runs
    ]
    judgement = _judgement(compared[main], lost, bool(planned))
    beside = []
    for name in others:
        at = cell_place(evidence, cell, name)
        there = _with_metric(evidence.counting(at), cell)
        if there:
            refused = [f"seed {p.seed}: {p.refused}" for p in evidence.at(at) if p.refused]
            beside.append(
                OtherProtocol(
                    protocol=name,
                    measured=measured(_values(there, table, cell), [run["seed"] for run in there]),
                    judgement=_judgement(compared[name], refused, planned=True),
                    marks=sorted({*marks, *evidence.marks(at)}),
                    cells=[run["cell_id"] for run in there],
                )
            )
    return TableCell(
        **_printed_side(table, cell),
        protocol=main,
        measured=measured(_values(runs, table, cell), [run["seed"] for run in runs]) if runs else None,
        within_printed=_within(compared[main], cell.printed) if runs else None,
        verdict=judgement.verdict,
        judgement=judgement,
        marks=sorted({*marks, *evidence.marks(place)}),
        planned=len(planned),
        lost=lost,
        cells=[run["cell_id"] for run in runs],
        others=beside,
    )


def _untested_cell(table: ResultTable, cell: ResultCell) -> TableCell:
    return TableCell(
        **_printed_side(table, cell),
        protocol=None,
        measured=None,
        within_printed=None,
        verdict="not tested",
        judgement=Judgement(verdict="not tested", reason=cell.not_tested_reason or ""),
        marks=[],
        planned=None,
        lost=[],
        cells=[],
    )


def _printed_side(table: ResultTable, cell: ResultCell) -> dict[str, object]:
    """What the paper says about a cell: the fields that measured and untested cells share."""
    printed = cell.printed
    return {
        "table": table.id,
        "row": cell.row,
        "column": cell.column,
        "metric": cell.metric,
        "split": cell.split,
        "unit": table.unit,
        "better": table.better,
        "variant": cell.variant,
        "data": cell.data,
        "levels": dict(cell.levels),
        "paper": Printed(
            raw=printed.raw,
            mean=printed.mean,
            std=printed.std,
            n=printed.n,
            bound=printed.bound,
            protocol=cell.protocol,
        ),
    }


def _within(comparison: PrintedComparison, printed: SpecPrinted) -> bool:
    if printed.bound in (">", ">="):
        return comparison.difference >= 0
    if printed.bound in ("<", "<="):
        return comparison.difference <= 0
    return abs(comparison.difference) <= comparison.tolerance


def _judgement(comparison: PrintedComparison, lost: Sequence[str], planned: bool) -> Judgement:
    if comparison.verdict == "not_tested":
        reason = "no planned run gave a number" if planned else "not part of this study's plan"
        return Judgement(verdict="not tested", reason=reason)
    verdict = downgraded(comparison.verdict, lost)
    reason = comparison.reason
    if verdict != comparison.verdict:
        reason += f"; {len(lost)} planned seed{'s' if len(lost) > 1 else ''} gave no number, so this is not settled"
    return Judgement(
        verdict=verdict,
        reason=reason,
        test=comparison.test,
        effect=comparison.difference,
        ci_low=finite(comparison.ci_low - (comparison.mean - comparison.difference)),
        ci_high=finite(comparison.ci_high - (comparison.mean - comparison.difference)),
        p=comparison.p,
        p_adjusted=comparison.p_adjusted,
        n=comparison.n,
        seeds_needed=comparison.seeds_needed,
        assumed="; ".join(comparison.assumptions) or None,
        tolerance=finite(comparison.tolerance),
        sensitivity={name: verdict.replace("_", " ") for name, verdict in comparison.sensitivity.items()},
    )


def finite(number: float) -> float | None:
    """The number, or None for NaN and infinities (JSON has neither)."""
    return number if math.isfinite(number) else None
