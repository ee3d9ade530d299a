"""A metric over the levels of a numeric factor: what a paper's plot over width, depth or training size shows."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlintern.report import numbers
from mlintern.report.model.figures import LevelCurve, LevelPoint
from mlintern.spec.paper_spec import Factor
from mlintern.study.account.contrasts import measured, with_metric
from mlintern.study.judge.which_runs_count import Evidence, Place

_FEWEST = 3
"""Levels that make a curve; two are a difference, which the ablation's own section has."""
_SPLITS = ("train", "test")


def level_curves(factors: Sequence[Factor], evidence: Evidence, units: Mapping[str, str]) -> list[LevelCurve]:
    """One curve per numeric factor, other coordinates, metric and split; `units` gives the metrics to draw."""
    curves: list[LevelCurve] = []
    for factor in factors:
        series: dict[tuple[Any, ...], dict[float, Place]] = {}
        for variant, levels in evidence.places:
            there = evidence.coordinates(variant, dict(levels))
            level = _number(there.get(factor.id))
            if level is not None:
                rest = {key: value for key, value in there.items() if key not in (factor.id, "variant")}
                series.setdefault((variant, *sorted(rest.items())), {})[level] = (variant, levels)
        for (variant, *others), places in series.items():
            rest = dict(others)
            for (metric, unit), split in itertools.product(units.items(), _SPLITS):
                found = [_point(evidence, x, place, metric, split, unit) for x, place in sorted(places.items())]
                points = [point for point in found if point is not None]
                if len(points) >= _FEWEST:
                    curves.append(
                        LevelCurve(
                            factor=factor.id,
                            variant=variant,
                            data=str(rest.get("data", "")),
                            protocol=str(rest.get("protocol", "")),
                            levels={f.id: rest[f.id] for f in factors if f.id in rest},
                            split=split,
                            metric=metric,
                            unit=unit,
                            points=points,
                        )
                    )
    return curves


def _number(level: Any) -> float | None:
    try:
        value = float(level)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _point(evidence: Evidence, x: float, place: Place, metric: str, split: str, unit: str) -> LevelPoint | None:
    """The mean over the seeds of one place, with its t interval; None where no seed has the metric."""
    runs = with_metric(evidence.counting(place), split, metric)
    if not runs:
        return None
    found = measured(
        [run["metrics"][split][metric] * numbers.scale(unit) for run in runs], [run["seed"] for run in runs]
    )
    return LevelPoint(level=x, mean=found.mean, ci_low=found.ci_low, ci_high=found.ci_high, n=found.n)
