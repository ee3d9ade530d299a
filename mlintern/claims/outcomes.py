"""Per-example outcomes of a cell's runs as one array, checked against the metric that they are said to be."""

import math

import numpy as np

from mlintern.claims.observation import Missing, Observation, Outcomes, Seeds

AGREES = 1e-6
"""A metric is the mean of its per-example outcomes up to this relative error (single-precision sums)."""


def per_example(cell: Seeds, split: str, metric: str, outcomes: Outcomes | None) -> np.ndarray:
    """Outcomes of the runs, shape (seeds, examples), examples in the order of their sorted ids. Raises Missing."""
    return _stack(cell, split, metric, outcomes)[1]


def paired_examples(
    a: Seeds, b: Seeds, split: str, metric: str, outcomes: Outcomes | None
) -> tuple[np.ndarray, np.ndarray]:
    """`per_example` of both sides over the same examples, seed by seed. Raises Missing when the examples differ."""
    first_ids, first = _stack(a, split, metric, outcomes)
    second_ids, second = _stack(b, split, metric, outcomes)
    if first_ids != second_ids:
        alone = len(set(first_ids) ^ set(second_ids))
        raise Missing(f"the two sides were not tested on the same examples ({alone} stand on one side only)")
    return first, second


def _stack(cell: Seeds, split: str, metric: str, outcomes: Outcomes | None) -> tuple[list[str], np.ndarray]:
    if split != "test":
        raise Missing(f"per-example outcomes are kept for split 'test', not {split!r}")
    ids: list[str] | None = None
    rows = []
    for run in cell.runs:
        run_ids, values = _one(run, split, metric, outcomes)
        if ids is not None and run_ids != ids:
            raise Missing(f"seed {run.seed} was tested on other examples than seed {cell.runs[0].seed}")
        ids = run_ids
        rows.append(values)
    return ids or [], np.stack(rows)


def _one(run: Observation, split: str, metric: str, outcomes: Outcomes | None) -> tuple[list[str], np.ndarray]:
    table = outcomes(run.cell_id) if outcomes is not None else None
    if table is None or metric not in table.columns or "id" not in table.columns:
        raise Missing(f"no per-example {metric} of seed {run.seed} (predictions.parquet)")
    table = table.set_index(table["id"].astype(str)).sort_index()
    if not table.index.is_unique:
        raise Missing(f"test example ids of seed {run.seed} are not unique")
    values = table[metric].to_numpy(dtype=np.float64)
    recorded = run.value(split, metric)
    mean = float(values.mean())
    if recorded is None or not math.isclose(mean, recorded, rel_tol=AGREES, abs_tol=AGREES):
        raise Missing(
            f"the per-example {metric} of seed {run.seed} averages to {mean:.6g}, its record says {recorded}: "
            "another split, or averaged otherwise"
        )
    return list(table.index), values
