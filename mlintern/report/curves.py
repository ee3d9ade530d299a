"""Learning curves: evaluations of several seeds put together, step by step."""

import math
from collections.abc import Iterable, Mapping
from statistics import fmean

from mlintern.core.records.record import RunRecord
from mlintern.report import numbers
from mlintern.report.model.base import place
from mlintern.report.model.report import Curve, CurvePoint


def learning_curves(groups: Iterable[list[RunRecord]], units: Mapping[str, str]) -> list[Curve]:
    """One curve per group of seeds, split and metric; `units` gives the unit of each metric to draw.

    The band runs from the lowest to the highest seed: with three seeds an interval would hide more than it shows.
    Steps that not every seed was evaluated at are kept, with their own n.
    """
    curves: list[Curve] = []
    for runs in groups:
        values: dict[tuple[str, str], dict[int, list[float]]] = {}
        for run in runs:
            for row in run["evaluations"]:
                for metric in units:
                    number = row.get(metric)
                    if isinstance(number, int | float) and math.isfinite(number):
                        at = values.setdefault((str(row["split"]), metric), {})
                        at.setdefault(int(row["step"]), []).append(float(number) * numbers.scale(units[metric]))
        for (split, metric), steps in sorted(values.items()):
            curves.append(
                Curve(
                    **place(runs[0]["variant"], runs[0]["levels"]),
                    split=split,
                    metric=metric,
                    unit=units[metric],
                    points=[
                        CurvePoint(step=step, mean=fmean(seen), low=min(seen), high=max(seen), n=len(seen))
                        for step, seen in sorted(steps.items())
                    ],
                )
            )
    return curves
