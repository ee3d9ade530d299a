"""What one level of a factor is worth against its base: the protocol as published against the clean one, an ablation
against the full method.

Paired differences answer three questions. Over shared seeds: would other seeds change the answer, on this test set?
Over shared test examples: would other examples, for these trained models? Over both, crossed: would either?
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlintern.claims.observation import Missing, Observation, Outcomes, Seeds
from mlintern.claims.outcomes import paired_examples
from mlintern.core.records.record import RunRecord
from mlintern.report import numbers
from mlintern.report.model.report import POOLED, Contrast, Measured, PairedDifference
from mlintern.statistics.estimates import Estimate, mean_estimate, paired_estimate
from mlintern.statistics.paired import crossed_estimate

CONFIDENCE = 0.95


def measured(values: Sequence[float], seeds: Sequence[int]) -> Measured:
    """Mean over seeds with its t interval; one value (or the same for all seeds) has no interval."""
    estimate = mean_estimate(values)
    low, high = interval(estimate)
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Measured(
        mean=estimate.value,
        std=std,
        ci_low=low,
        ci_high=high,
        confidence=CONFIDENCE,
        n=len(values),
        values=list(values),
        seeds=list(seeds),
    )


def interval(estimate: Estimate) -> tuple[float | None, float | None]:
    """The 95 % interval; (None, None) where the estimate has no standard error."""
    if not estimate.testable:
        return None, None
    return estimate.interval(CONFIDENCE)


def with_metric(runs: Sequence[RunRecord], split: str, metric: str) -> list[RunRecord]:
    """The runs that have a finite value of it."""
    return [run for run in runs if math.isfinite(run["metrics"].get(split, {}).get(metric, math.nan))]


def shared_seeds(
    base: Sequence[RunRecord], level: Sequence[RunRecord], metric: str
) -> list[tuple[RunRecord, RunRecord]]:
    """(base, level) of every seed that both sides have a test value for, in the order of the seeds."""
    by_seed = {run["seed"]: run for run in base if metric in run["metrics"].get("test", {})}
    shared = [run for run in level if run["seed"] in by_seed and metric in run["metrics"].get("test", {})]
    return [(by_seed[run["seed"]], run) for run in sorted(shared, key=lambda run: run["seed"])]


def contrast(
    pairs: Sequence[tuple[RunRecord, RunRecord]],
    examples: np.ndarray | None,
    *,
    factor: str,
    base_level: str,
    metric: str,
    unit: str,
    marks: Sequence[str],
) -> Contrast:
    """Level minus base on test for one variant, over the seeds in `pairs` and over `examples` where they are known."""
    base, level = ([pair[side]["metrics"]["test"][metric] * numbers.scale(unit) for pair in pairs] for side in (0, 1))
    seeds = [run["seed"] for run, _ in pairs]
    first, levels = pairs[0][0], pairs[0][1]["levels"]
    return Contrast(
        factor=factor,
        base=str(first["levels"].get(factor, base_level)),
        level=str(levels[factor]),
        variant=first["variant"],
        data=str(levels.get("data", "")),
        metric=metric,
        unit=unit,
        where={key: value for key, value in levels.items() if key not in ("data", factor)},
        base_measured=measured(base, seeds),
        level_measured=measured(level, seeds),
        differences=_differences(level, base, examples, unit),
        marks=list(marks),
    )


def pooled(contrasts: Sequence[Contrast], examples: Sequence[np.ndarray | None]) -> Contrast | None:
    """The mean over variants of contrasts that share factor, level and data, over the seeds that all of them have.

    The unit stays the seed (and the test example): variants are the ones studied, not a sample of any. None for fewer
    than two variants, or none but different seeds.
    """
    shared = sorted(set.intersection(*(set(c.base_measured.seeds) for c in contrasts))) if contrasts else []
    if len(contrasts) < 2 or not shared:
        return None
    rows = [[c.base_measured.seeds.index(seed) for seed in shared] for c in contrasts]

    def mean_of(sides: Sequence[Measured]) -> list[float]:
        return np.mean([[m.values[i] for i in kept] for m, kept in zip(sides, rows, strict=True)], axis=0).tolist()

    base = mean_of([c.base_measured for c in contrasts])
    level = mean_of([c.level_measured for c in contrasts])
    known = [table[kept] for table, kept in zip(examples, rows, strict=True) if table is not None]
    same_size = len(known) == len(contrasts) and len({table.shape for table in known}) == 1
    first = contrasts[0]
    return first.model_copy(
        update={
            "variant": f"{POOLED}{len(contrasts)} variants",
            "base_measured": measured(base, shared),
            "level_measured": measured(level, shared),
            "differences": _differences(level, base, np.mean(known, axis=0) if same_size else None, first.unit),
            "marks": sorted({mark for c in contrasts for mark in c.marks}),
        }
    )


def example_differences(
    pairs: Sequence[tuple[RunRecord, RunRecord]], metric: str, outcomes: Outcomes
) -> np.ndarray | None:
    """Level minus base per test example, [seeds, examples]; None where outcomes are not kept or the examples differ."""
    base, level = (
        Seeds(
            tuple(Observation.from_record(pair[side]) for pair in pairs),
            tuple(pair[side]["metrics"]["test"][metric] for pair in pairs),
        )
        for side in (0, 1)
    )
    try:
        second, first = paired_examples(level, base, "test", metric, outcomes)
    except Missing:
        return None
    return second - first


def _differences(
    level: Sequence[float], base: Sequence[float], examples: np.ndarray | None, unit: str
) -> list[PairedDifference]:
    found = [_difference("seeds", paired_estimate(level, base))]
    if examples is not None and examples.shape[1] > 1:
        scaled = examples * numbers.scale(unit)
        over_examples = mean_estimate(scaled.mean(axis=0).tolist())
        found.append(_difference("test examples", over_examples, n=examples.shape[1]))
        found.append(_difference("seeds and test examples", crossed_estimate(scaled)))
    return found


def _difference(over: Any, estimate: Estimate, n: int | None = None) -> PairedDifference:
    low, high = interval(estimate)
    p = min(1.0, 2 * min(estimate.p_above(0.0), estimate.p_below(0.0))) if estimate.testable else None
    return PairedDifference(over=over, mean=estimate.value, ci_low=low, ci_high=high, p=p, n=n or estimate.n)


def differing_settings(base: Mapping[str, Any], level: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(setting, base, level) of two protocol configurations, their names aside."""
    keys = sorted((base.keys() | level.keys()) - {"name"})
    rows = [(key, numbers.setting(base.get(key)), numbers.setting(level.get(key))) for key in keys]
    return [row for row in rows if row[1] != row[2]]
