"""Finished runs as the judge sees them: coordinates, a seed and metrics, built from run records."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlintern.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Scalar = str | int | float | bool
Outcomes = Callable[[str], "pd.DataFrame | None"]
"""Cell id to its test examples: column `id` and one column per per-example metric; None where they are not kept."""


@dataclass(frozen=True)
class Observation:
    """One run: where it stands in the study (variant and levels), its seed and what it measured."""

    variant: str
    seed: int
    levels: Mapping[str, Scalar] = field(default_factory=dict)
    """`data`, `protocol` and the level of every factor."""
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Split to metric name to value."""
    cell_id: str = ""
    status: str = "finished"

    @property
    def coordinates(self) -> dict[str, Scalar]:
        """All that a selector can name."""
        return {"variant": self.variant, **self.levels}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Observation:
        """An observation from a `run.json` dict. Raises UserError naming the field that is missing."""
        for key in ("variant", "levels", "seed", "metrics"):
            if key not in record:
                raise UserError(f"run record {record.get('cell_id', '?')}: no field {key!r}; run the cell again")
        return cls(
            variant=str(record["variant"]),
            seed=int(record["seed"]),
            levels=dict(record["levels"]),
            metrics=record["metrics"],
            cell_id=str(record.get("cell_id", "")),
            status=str(record.get("status", "finished")),
        )

    def value(self, split: str, metric: str) -> float | None:
        """The metric's value; NaN for a run that diverged and for a null in its record, None when it was not
        measured."""
        if self.status == "diverged":
            return float("nan")
        values = self.metrics.get(split, {})
        if metric not in values:
            return None
        value = values[metric]
        return float("nan") if value is None else float(value)


@dataclass(frozen=True)
class Seeds:
    """One cell over its seeds: values aligned with seeds and runs, ordered by seed."""

    runs: tuple[Observation, ...]
    values: tuple[float, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.runs)

    def only(self, seeds: Iterable[int]) -> Seeds:
        """The same cell over some of its seeds."""
        keep = set(seeds)
        kept = [i for i, run in enumerate(self.runs) if run.seed in keep]
        return Seeds(tuple(self.runs[i] for i in kept), tuple(self.values[i] for i in kept))


class Missing(Exception):
    """A claim cannot be tested on these runs; the message is the reason that the verdict carries."""


def same(wanted: object, found: object) -> bool:
    """Whether two levels are the same: numbers by value (0.1 and "0.1" too), truth values and text as they stand."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return str(wanted).lower() == str(found).lower()
    try:
        return float(wanted) == float(found)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(wanted) == str(found)


def select(runs: Sequence[Observation], selector: Mapping[str, Scalar]) -> list[Observation]:
    """The runs that have every coordinate of the selector and came to an end, diverged ones among them.

    Raises Missing when there are none.
    """
    named = ", ".join(f"{key}={value}" for key, value in selector.items()) or "any"
    matching = [
        run
        for run in runs
        if all(key in run.coordinates and same(value, run.coordinates[key]) for key, value in selector.items())
    ]
    finished = [run for run in matching if run.status in ("finished", "diverged")]
    if not finished:
        states = sorted({run.status for run in matching})
        raise Missing(f"no finished run of {named}" + (f" ({len(matching)} {', '.join(states)})" if matching else ""))
    return finished


def one_cell(
    runs: Sequence[Observation], split: str, metric: str, scale: float = 1.0, largest: float = math.inf
) -> Seeds:
    """The runs of one cell over seeds, with `metric` of `split` times `scale`.

    Raises Missing when the runs belong to several cells (the selector leaves a coordinate open), when a seed stands
    twice, when no run has the metric, or when every run's is beyond `largest`: then it is in another unit.
    """
    keys = {key for run in runs for key in run.coordinates}
    open_keys = sorted(k for k in keys if len({str(run.coordinates.get(k)) for run in runs}) > 1)
    if open_keys:
        choices = "; ".join(f"{k}: {', '.join(sorted({str(r.coordinates.get(k)) for r in runs}))}" for k in open_keys)
        raise Missing(f"the selector matches several cells ({choices}): name one level of each")
    ordered = sorted(runs, key=lambda run: run.seed)
    seeds = [run.seed for run in ordered]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise Missing(f"seed {twice[0]} stands twice in one cell: which record counts?")
    measured = [(run, value) for run in ordered if (value := run.value(split, metric)) is not None]
    if not measured:
        known = sorted({f"{s}/{name}" for run in runs for s, values in run.metrics.items() for name in values})
        raise Missing(f"no run has metric {metric!r} on split {split!r} (there are: {', '.join(known) or 'none'})")
    if all(largest < abs(value) < math.inf for _, value in measured):
        raise Missing(
            f"{metric} is {measured[0][1]:g}, which is {measured[0][1] * scale:g} percent: where a paper prints "
            "percent, the metric must give fractions (divide it by 100)"
        )
    return Seeds(tuple(run for run, _ in measured), tuple(value * scale for _, value in measured))
