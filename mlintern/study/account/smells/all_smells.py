"""What a supervisor would ask about: every smell of a study, from its records and their files.

A smell is no verdict. Each names its evidence and the cheapest experiment that would settle it; the checks themselves
stand in `smell_scores`, `smell_curves`, `smell_examples` and, for studies with `study.controls=true`,
`smell_controls`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlintern.audit.report.audit_report import Severity
from mlintern.audit.report.kinds import Kind
from mlintern.core.records.record import RunRecord
from mlintern.engine import directions
from mlintern.plan.cell_plan import level_names
from mlintern.plan.controls import LEVEL, SHUFFLED
from mlintern.report.model.report import OtherProtocol, Smell, TableCell
from mlintern.spec.paper_spec import PaperSpec
from mlintern.study.account.smells import of_controls, of_curves, of_examples, of_scores
from mlintern.study.account.smells.of_curves import SeedCurve
from mlintern.study.account.smells.of_examples import Predicted
from mlintern.study.folders.audit_names import name_for

Tables = Callable[[str], "pd.DataFrame | None"]
"""Cell id to one of its files as a table; None where it is not kept."""
RANK = {"high": 0, "medium": 1, "low": 2}
_BEST = {"accuracy": 1.0, "squared_error": 0.0}


@dataclass(frozen=True)
class SeedGroup:
    """The finished runs of one variant and its levels, one per seed."""

    runs: tuple[RunRecord, ...]

    @property
    def coordinates(self) -> dict[str, Any]:
        return {"variant": self.runs[0]["variant"], **self.runs[0]["levels"]}

    @property
    def where(self) -> str:
        return " · ".join([self.runs[0]["variant"], *level_names(self.runs[0]["levels"])])

    def scores(self, split: str, metric: str) -> list[float]:
        """The metric at the chosen checkpoint, one per seed; empty unless every seed has it."""
        found = [run["metrics"].get(split, {}).get(metric) for run in self.runs]
        return [float(value) for value in found if value is not None] if None not in found else []

    def evaluated(self, split: str, metric: str) -> list[SeedCurve]:
        """The learning curves of the seeds that were evaluated on the way."""
        curves = []
        for run in self.runs:
            rows = [row for row in run.get("evaluations", []) if row.get("split") == split and metric in row]
            rows.sort(key=lambda row: row["step"])
            if rows:
                steps, values = tuple(int(row["step"]) for row in rows), tuple(float(row[metric]) for row in rows)
                curves.append(SeedCurve(run["seed"], steps, values))
        return curves


def find_smells(
    spec: PaperSpec,
    groups: Sequence[Sequence[RunRecord]],
    *,
    table: Sequence[TableCell],
    audits: Mapping[str, Mapping[str, Any]],
    outcomes: Tables,
    steps: Tables,
) -> list[Smell]:
    """Every smell of the study, worst first.

    `groups` are finished records, one group per variant and levels, one record per seed; `table` the paper's cells
    beside ours; `audits` audit.json by `<data>__<protocol>`; `outcomes` and `steps` read predictions.parquet and
    steps.parquet of a cell. What a file is missing for is not looked at.
    """
    everyone = [SeedGroup(tuple(runs)) for runs in groups if runs]
    studied = [group for group in everyone if LEVEL not in group.coordinates]
    higher = _directions(spec, studied)
    found: list[Smell | None] = []
    for group in studied:
        for metric in sorted(higher):
            found += _score_smells(group, metric, higher[metric], audits, outcomes)
        found += _curve_smells(group, higher, outcomes, steps)
    for metric in sorted(higher):
        values = {
            g.where: {run["seed"]: score for run, score in zip(g.runs, g.scores("test", metric), strict=False)}
            for g in studied
        }
        found += of_scores.hangs_on_one_seed(values, metric)
    for cell in table:
        found.append(_better_than_paper(cell, cell))
        found += [_better_than_paper(cell, other) for other in cell.others]
    found += _controls(studied, [group for group in everyone if LEVEL in group.coordinates], higher, outcomes)
    found += _unwired(studied)
    found += _test_readings(studied)
    found += _unseen_labels(studied)
    smells = [smell for smell in found if smell is not None]
    return sorted(smells, key=lambda smell: (RANK[smell.severity], smell.kind, smell.where))


def _controls(
    studied: Sequence[SeedGroup], controlled: Sequence[SeedGroup], higher: Mapping[str, bool], outcomes: Tables
) -> list[Smell | None]:
    """What the control cells give away of those beside them."""
    found: list[Smell | None] = []
    for control in controlled:
        name = str(control.coordinates[LEVEL])
        place = {key: level for key, level in control.runs[0]["levels"].items() if key != LEVEL}
        if name == SHUFFLED:
            for run in control.runs:
                examples = outcomes(run["cell_id"])
                if examples is not None and {"target", "prediction"} <= set(examples.columns) and len(examples):
                    predictions, targets = _values(examples["prediction"]), _values(examples["target"])
                    if targets.ndim == 1:
                        found.append(of_controls.learns_shuffled_labels(control.where, predictions, targets))
            continue
        for group in studied:
            if group.runs[0]["levels"] != place:
                continue
            for metric in sorted(higher):
                ours, simple = group.scores("test", metric), control.scores("test", metric)
                if ours and simple:
                    found.append(of_controls.no_better_than(group.where, metric, name, ours, simple[0], higher[metric]))
    return found


def _directions(spec: PaperSpec, groups: Sequence[SeedGroup]) -> dict[str, bool]:
    """Metric to whether higher is better, for the metrics that the records hold and whose direction is known.

    As the metric itself says, which is in a record's configuration; else as the paper's tables do.
    """
    known = {metric: best > 0 for metric, best in _BEST.items()}
    known |= {table.metric: table.better == "higher" for table in spec.tables}
    for group in groups:
        selection = group.runs[0].get("selection", {})
        if selection.get("metric") and selection.get("mode"):
            known[str(selection["metric"])] = selection["mode"] == "max"
        if config := group.runs[0].get("config"):
            known |= directions.known(config)
    recorded = {name for group in groups for name in group.runs[0]["metrics"].get("test", {})} - {"loss"}
    return {metric: known[metric] for metric in recorded if metric in known}


def _score_smells(
    group: SeedGroup, metric: str, higher: bool, audits: Mapping[str, Mapping[str, Any]], outcomes: Tables
) -> list[Smell | None]:
    where = group.where
    test, train, valid = (group.scores(split, metric) for split in ("test", "train", "valid"))
    if not test:
        return []
    weights = [run["weights_sha256"] for run in group.runs]
    found = [of_scores.zero_variance(where, metric, test, group.scores("test", "loss"), weights, _BEST.get(metric))]
    if valid and train and higher:
        on_the_way = [value for curve in group.evaluated("valid", metric) for value in curve.values]
        size = of_scores.examples_behind([*valid, *on_the_way])
        if size is not None:
            found.append(of_scores.above_train(where, metric, "valid", train, valid, size))
    found += _disagreeing(group, metric, outcomes)
    tested = _predicted(group, metric, outcomes)
    if tested is None:
        return found
    found.append(of_examples.below_constant_guess(where, metric, tested, higher))
    guess = of_examples.constant_guess(metric, tested.targets)
    if train and guess is not None:
        found.append(of_scores.train_test_gap(where, metric, train, test, float(guess.mean())))
    if train and metric == "accuracy":
        found.append(of_scores.above_train(where, metric, "test", train, test, tested.outcomes.shape[1]))
        levels = group.runs[0]["levels"]
        name = name_for(audits, levels)
        audit = {} if name is None else audits[name]
        share = _conflicting(audit)
        found.append(of_examples.above_label_ceiling(where, metric, tested.outcomes, float(np.mean(train)), share))
        if audit.get("ceiling"):
            found.append(of_examples.above_neighbour_ceiling(where, metric, tested.outcomes, audit["ceiling"]))
    return found


def _conflicting(audit: Mapping[str, Any]) -> float:
    """Share of test rows that stand in train with another label, chance repeats aside."""
    shares = [
        float(finding["fraction"])
        for finding in audit.get("findings", [])
        if finding["kind"] == Kind("label_conflict") and Severity.of(finding["severity"]) > Severity.INFO
    ]
    return max(shares, default=0.0)


def _tables(group: SeedGroup, metric: str, outcomes: Tables) -> list[tuple[RunRecord, pd.DataFrame]]:
    """The runs whose test examples are kept with this metric, target and prediction."""
    kept = []
    for run in group.runs:
        examples = outcomes(run["cell_id"])
        if examples is not None and {"id", "target", "prediction", metric} <= set(examples.columns) and len(examples):
            kept.append((run, examples.sort_values("id", ignore_index=True)))
    return kept


def _predicted(group: SeedGroup, metric: str, outcomes: Tables) -> Predicted | None:
    """The test examples over all seeds; None unless every seed has the same ones."""
    kept = [examples for _, examples in _tables(group, metric, outcomes)]
    if len(kept) != len(group.runs) or any(not examples["id"].equals(kept[0]["id"]) for examples in kept):
        return None
    scores = np.stack([examples[metric].to_numpy(dtype=np.float64) for examples in kept])
    if not np.isfinite(scores).all():
        return None
    predictions = np.stack([_values(examples["prediction"]) for examples in kept])
    return Predicted(scores, _values(kept[0]["target"]), predictions)


def _values(column: pd.Series) -> np.ndarray:
    """[n] of a column of numbers, [n, k] of one of lists (an example with many targets)."""
    values = column.to_numpy()
    return np.stack(list(values)) if values.dtype == object else values


def _disagreeing(group: SeedGroup, metric: str, outcomes: Tables) -> list[Smell | None]:
    found = []
    for run, examples in _tables(group, metric, outcomes):
        recorded = {split: values[metric] for split, values in run["metrics"].items() if metric in values}
        where = f"{group.where} · seed {run['seed']}"
        scores, targets = examples[metric].to_numpy(dtype=np.float64), _values(examples["target"])
        found.append(of_examples.not_its_examples(where, metric, recorded, scores, targets))
    return found


def _curve_smells(group: SeedGroup, higher: Mapping[str, bool], outcomes: Tables, steps: Tables) -> list[Smell | None]:
    traces = {run["seed"]: trace for run in group.runs if (trace := steps(run["cell_id"])) is not None}
    losses = {seed: trace["loss"].to_numpy() for seed, trace in traces.items()}
    found = [
        of_curves.flat_from_start(group.where, list(losses.values())),
        of_curves.loss_spikes(group.where, list(losses.items())),
    ]
    selection = group.runs[0].get("selection", {})
    metric = str(selection.get("metric", ""))
    if metric not in higher:
        return found
    for part in dict.fromkeys([str(selection.get("split", "")), "valid", "test", "train"]):
        curves = group.evaluated(part, metric)
        if curves:
            rates = [traces[c.seed]["lr"].to_numpy() if c.seed in traces else None for c in curves]
            found.append(of_curves.still_improving(group.where, metric, part, curves, higher[metric]))
            found.append(of_curves.leaps(group.where, metric, part, curves, rates))
            tested = _predicted(group, metric, outcomes)
            guess = of_examples.constant_guess(metric, tested.targets) if tested is not None else None
            if guess is not None:
                level = float(guess.mean())
                found.append(of_curves.saturates_at_start(group.where, metric, part, curves, level, higher[metric]))
            break
    return found


def _better_than_paper(cell: TableCell, side: TableCell | OtherProtocol) -> Smell | None:
    paper, ours = cell.paper, side.measured
    if ours is None or paper.mean is None or paper.bound is not None:
        return None
    decimals = len(f"{paper.mean:.10g}".partition(".")[2])
    levels = [str(part) for part in (cell.variant, cell.data, side.protocol, *cell.levels.values()) if part]
    return of_scores.better_than_paper(
        " · ".join(levels), paper.mean, paper.std, 0.5 * 10.0**-decimals, ours.values, cell.better == "higher"
    )


def _unwired(groups: Sequence[SeedGroup]) -> list[Smell]:
    """Pairs of cells that differ in one coordinate and in no score: the factor (or the variant) was not wired.

    Equal accuracies alone may be chance; equal test losses too, or equal losses at every training step, are not.
    Protocols pass: two that differ in the choice of a checkpoint alone train alike by design.
    """
    found = []
    for i, first in enumerate(groups):
        for second in groups[i + 1 :]:
            a, b = first.coordinates, second.coordinates
            apart = [key for key in {**a, **b} if a.get(key) != b.get(key)]
            if len(apart) != 1 or apart[0] == "protocol":
                continue
            key = apart[0]
            sides = [{run["seed"]: run for run in group.runs} for group in (first, second)]
            shared = sorted(set(sides[0]) & set(sides[1]))
            if shared and all(_alike(sides[0][seed], sides[1][seed]) for seed in shared):
                found.append(
                    Smell(
                        kind="changes_nothing",
                        severity="high",
                        where=f"{first.where} / {second.where}",
                        evidence=f"{key} {a.get(key, 'base')} and {key} {b.get(key, 'base')} give the "
                        f"same loss and scores to the last bit, over {len(shared)} "
                        f"seed{'s' if len(shared) > 1 else ''}: the change reaches neither training nor testing",
                        next_experiment="compare the two composed configurations, then the modules that they build",
                    )
                )
    return found


def _alike(a: RunRecord, b: RunRecord) -> bool:
    """Whether two runs scored the same on test by more than coincidence."""
    scores = [run["metrics"].get("test", {}) for run in (a, b)]
    return scores[0] == scores[1] and ("loss" in scores[0] or a["loss_chain_sha256"] == b["loss_chain_sha256"])


def _unseen_labels(groups: Sequence[SeedGroup]) -> list[Smell]:
    """One smell per dataset and part whose examples have classes that training never met."""
    found: dict[tuple[str, str], Smell] = {}
    for run in (run for group in groups for run in group.runs):
        for part, of in sorted(run.get("unseen_labels", {}).items()):
            where = f"{run['levels'].get('data', run['variant'])} · {part}"
            found.setdefault((where, part), of_scores.never_trained_on(where, part, of))
    return list(found.values())


def _test_readings(groups: Sequence[SeedGroup]) -> list[Smell | None]:
    """One smell per protocol, whatever the number of its cells."""
    by_protocol: dict[str, list[RunRecord]] = {}
    for group in groups:
        for run in group.runs:
            by_protocol.setdefault(str(run["levels"].get("protocol", "")), []).append(run)
    found = []
    for protocol, runs in sorted(by_protocol.items()):
        readings = [int(run.get("test_readings", 0)) for run in runs]
        again = [run for run, n in zip(runs, readings, strict=True) if n > 1]
        allowed = all(
            {Kind("selection_on_test"), Kind("test_reuse")} & set(run.get("audit", {}).get("acknowledged", []))
            for run in again
        )
        found.append(of_scores.read_again(f"protocol {protocol}" if protocol else "all cells", readings, allowed))
    return found
