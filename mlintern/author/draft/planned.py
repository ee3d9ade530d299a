"""Whether a draft's study runs what its spec will be judged on: each claim and cell needs planned runs and a metric."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlintern.claims.coordinates import base_levels, coordinates
from mlintern.claims.forms import LevelsClaim, MeasuredClaim
from mlintern.claims.observation import same
from mlintern.claims.parsing import parse_claim
from mlintern.plan.cell_plan import CellPlan
from mlintern.spec.paper_spec import PaperSpec


def without_runs(spec: PaperSpec, cells: Sequence[CellPlan]) -> Iterator[str]:
    """Claims and result cells that no planned run answers, and why."""
    bases, varied = base_levels(spec), [key for c in cells for key in c.levels]
    all_known = [(c.section, coordinates(c.variant, c.levels, varied, bases), set(c.config.metrics)) for c in cells]
    for claim in spec.claims:
        if not claim.testable:
            continue
        typed = parse_claim(claim)
        known = [(at, metrics) for section, at, metrics in all_known if section == (claim.section or "")]
        if isinstance(typed, MeasuredClaim):
            yield from _missing(f"claim {claim.id}", typed.sides, typed.metric, known, bases)
            if isinstance(typed, LevelsClaim):
                levels = {str(at.get(typed.factor)) for at, _ in known if _holds(typed.sides[0], at, {})}
                if len(levels) < 2:
                    yield f"claim {claim.id}: paper.grid runs {len(levels)} level(s) of {typed.factor}; it needs more"
    known = [(at, metrics) for section, at, metrics in all_known if not section]
    for table, cell in spec.testable_cells():
        selector = {**cell.levels, "variant": cell.variant, "data": cell.data}
        where = f"table {table.id}: {cell.row}, {cell.column}"
        yield from _missing(where, [selector], cell.metric, known, bases)


def _missing(
    what: str,
    selectors: Sequence[Mapping[str, Any]],
    metric: str,
    known: Sequence[tuple[Mapping[str, Any], set[str]]],
    bases: Mapping[str, Any],
) -> Iterator[str]:
    for selector in selectors:
        named = ", ".join(f"{key}={value}" for key, value in selector.items()) or "any"
        found = [metrics for at, metrics in known if _holds(selector, at, bases)]
        if not found:
            yield f"{what}: paper.grid has no run of {named}; add it"
        elif metric != "loss" and not any(metric in metrics for metrics in found):
            measured = ", ".join(sorted(set().union(*found)))
            yield f"{what}: the metric {metric!r} is not measured (there are: {measured}, loss); add it to conf/metrics"


def _holds(selector: Mapping[str, Any], at: Mapping[str, Any], bases: Mapping[str, Any]) -> bool:
    """Whether a planned run has all coordinates of a selector; a factor that no run varies stands at its base."""
    return all(same(value, at.get(key, bases.get(key))) for key, value in selector.items())
