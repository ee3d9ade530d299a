"""What one level of a factor is worth against its base: the protocol as published against the clean one, an ablation
against the full method.

Two paired differences answer two questions. Over shared seeds: would another seed change the answer? Over shared test
examples (mean over the seeds of each side first): would another test sample of this size? Neither contains the other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlintern.record import RunRecord
from mlintern.report import numbers
from mlintern.report.model import Contrast, Difference, Measured
from mlintern.study.estimates import Estimate, mean_estimate, paired_estimate
from mlintern.study.observation import Outcomes

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


def shared_seeds(
    base: Sequence[RunRecord], level: Sequence[RunRecord], metric: str
) -> list[tuple[RunRecord, RunRecord]]:
    """(base, level) of every seed that both sides have a test value for, in the order of the seeds."""
    by_seed = {run["seed"]: run for run in base if metric in run["metrics"].get("test", {})}
    shared = [run for run in level if run["seed"] in by_seed and metric in run["metrics"].get("test", {})]
    return [(by_seed[run["seed"]], run) for run in sorted(shared, key=lambda run: run["seed"])]


def contrast(
    pairs: Sequence[tuple[RunRecord, RunRecord]],
    examples: pd.Series | None,
    *,
    factor: str,
    metric: str,
    unit: str,
    marks: Sequence[str],
) -> Contrast:
    """Level minus base on test for one variant, over the seeds in `pairs` and over `examples` where they are known."""
    base, level = ([pair[side]["metrics"]["test"][metric] * numbers.scale(unit) for pair in pairs] for side in (0, 1))
    seeds = [run["seed"] for run, _ in pairs]
    differences = [_over_seeds(level, base)]
    if (over_examples := _over_examples([examples], numbers.scale(unit))) is not None:
        differences.append(over_examples)
    first, levels = pairs[0][0], pairs[0][1]["levels"]
    return Contrast(
        factor=factor,
        base=str(first["levels"].get(factor, "none")),
        level=str(levels[factor]),
        variant=first["variant"],
        data=str(levels.get("data", "")),
        metric=metric,
        unit=unit,
        where={key: value for key, value in levels.items() if key not in ("data", factor)},
        base_measured=measured(base, seeds),
        level_measured=measured(level, seeds),
        differences=differences,
        marks=list(marks),
    )


def pooled(contrasts: Sequence[Contrast], pairs_of_examples: Sequence[pd.Series | None]) -> Contrast | None:
    """The mean over variants of contrasts that share factor, level, data and seeds; None for fewer than two.

    The unit stays the seed (and the test example): variants are the ones studied, not a sample of any.
    """
    seeds = [c.base_measured.seeds for c in contrasts]
    if len(contrasts) < 2 or any(s != seeds[0] for s in seeds):
        return None
    first = contrasts[0]
    base = np.mean([c.base_measured.values for c in contrasts], axis=0).tolist()
    level = np.mean([c.level_measured.values for c in contrasts], axis=0).tolist()
    differences = [_over_seeds(level, base)]
    over_examples = _over_examples(pairs_of_examples, numbers.scale(first.unit))
    if over_examples is not None:
        differences.append(over_examples)
    return first.model_copy(
        update={
            "variant": f"mean of {len(contrasts)} variants",
            "base_measured": measured(base, seeds[0]),
            "level_measured": measured(level, seeds[0]),
            "differences": differences,
            "marks": sorted({mark for c in contrasts for mark in c.marks}),
        }
    )


def example_differences(
    pairs: Sequence[tuple[RunRecord, RunRecord]], metric: str, outcomes: Outcomes
) -> pd.Series | None:
    """Per shared test example, the mean over `pairs` of level minus base; None where outcomes or ids are missing."""
    series = []
    for base, level in pairs:
        sides = [outcomes(run["cell_id"]) for run in (base, level)]
        if any(side is None or metric not in side.columns for side in sides):
            return None
        first, second = (side.set_index("id")[metric] for side in sides if side is not None)
        if not first.index.is_unique or set(first.index) != set(second.index):
            return None
        series.append((second - first).astype("float64"))
    return pd.concat(series, axis=1).mean(axis=1).sort_index() if series else None


def _over_seeds(level: Sequence[float], base: Sequence[float]) -> Difference:
    estimate = paired_estimate(level, base)
    return _difference("seeds", estimate, estimate.method)


def _over_examples(examples: Sequence[pd.Series | None], factor_scale: float) -> Difference | None:
    known = [series for series in examples if series is not None]
    if not known or len(known) != len(examples):
        return None
    together = pd.concat(known, axis=1).dropna().mean(axis=1)
    if len(together) < 2:
        return None
    estimate = mean_estimate((together * factor_scale).tolist())
    note = f"paired over {len(together)} shared test examples, for these seeds"
    return _difference("test examples", estimate, note)


def _difference(over: Any, estimate: Estimate, note: str) -> Difference:
    low, high = interval(estimate)
    p = min(1.0, 2 * min(estimate.p_above(0.0), estimate.p_below(0.0))) if estimate.testable else None
    return Difference(over=over, mean=estimate.value, ci_low=low, ci_high=high, p=p, n=estimate.n, note=note)


def differing_settings(base: Mapping[str, Any], level: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(setting, base, level) of two protocol configurations, their names aside."""
    keys = sorted((base.keys() | level.keys()) - {"name"})
    rows = [(key, numbers.setting(base.get(key)), numbers.setting(level.get(key))) for key in keys]
    return [row for row in rows if row[1] != row[2]]
