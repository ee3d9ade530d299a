"""One cell, start to finish: build from config, train, choose, read test once, write the record.

The record (`run.json`) is written last; a folder without it is an unfinished run, and its checkpoint is where the
same command continues.
"""

import datetime
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric

from mlintern import environment, files, record
from mlintern.data.protocol import EvaluationProtocol
from mlintern.data.splits import Splits
from mlintern.engine import (
    ENGINE_VERSION,
    controls,
    initialise,
    loggers,
    memory,
    probes,
    ranks,
    schedules,
    seeding,
    weights,
)
from mlintern.engine.checkpoint import CHECKPOINT_FILE, Cadence
from mlintern.engine.determinism import Determinism
from mlintern.engine.evaluate import Evaluation, evaluate
from mlintern.engine.feed import LoaderFeed, Order, TensorFeed
from mlintern.engine.inside import Inside
from mlintern.engine.instantiate import allowed_prefixes, build, factory
from mlintern.engine.live import LIVE_FILE
from mlintern.engine.loop import Loop, Plan, State
from mlintern.engine.module import CellModule
from mlintern.engine.precision import Precision
from mlintern.engine.shards import Shards
from mlintern.engine.source import source_sha256
from mlintern.errors import UserError
from mlintern.vet.targets import check_targets

READINGS_FILE = "test_readings.jsonl"


class Cell:
    """A cell built from its composed config and its splits, ready to run."""

    def __init__(self, config: Mapping[str, Any], splits: Splits, shards_rank: int = 0, world: int = 1):
        check_targets(config, allowed_prefixes(config["paper"]["slug"]))
        self.config, self.splits = config, splits
        self.seed = seeding.check_seed(config["seed"])
        self.protocol = EvaluationProtocol(**{**config["protocol"], "fit_on": tuple(config["protocol"]["fit_on"])})
        trainer = config["trainer"]
        self.determinism = Determinism(**config["determinism"])
        self.determinism.check_pins()
        self.determinism.apply()
        if trainer["accelerator"] == "cuda" and not torch.cuda.is_available():
            raise UserError("trainer.accelerator=cuda: torch finds no CUDA device here; use trainer=cpu")
        if trainer["batch_size"] > len(splits.train):
            raise UserError(
                f"trainer.batch_size={trainer['batch_size']}: there are {len(splits.train)} training rows; "
                "use that number or a smaller one"
            )
        device = 1 if world == 1 or trainer["accelerator"] == "cpu" else [shards_rank]
        self.precision = Precision(trainer["precision"])
        self.fabric = Fabric(accelerator=trainer["accelerator"], devices=device, precision=self.precision.name)
        self.inputs = {part: to_inputs(features) for part, features in splits.transformed().items()}
        self.targets = {part: to_targets(examples.labels) for part, examples in splits.parts().items()}
        if config["data"].get("shuffle_labels"):
            dealt = controls.shuffled(self.targets["train"], seeding.generator(self.seed, "control"))
            self.targets["train"] = dealt
        sizes = controls.sizes(splits, self.inputs) if controls.is_control(config["model"]) else {}
        model = initialise.build(lambda: build(config["model"], "model", **sizes), self.seed)
        self.parameters = sum(p.numel() for p in model.parameters())
        augment = build(config["augment"], "augment") if config["augment"] else None
        order = Order(len(splits.train), trainer["batch_size"], self.seed, trainer["order"])
        measures = [build(item, f"metrics.{name}") for name, item in config["metrics"].items()]
        self.metrics = [item for item in measures if not probes.is_probe(item)]
        self.probes = [item for item in measures if probes.is_probe(item)]
        known = [*(metric.name for metric in self.metrics), "loss"]
        if self.protocol.metric not in known:
            raise UserError(f"protocol.metric={self.protocol.metric}: choose {', '.join(known)}")
        self.eval_batch = trainer["eval_batch_size"]
        shards = Shards(trainer["shards"], world, shards_rank)
        shards.check(model, order.batch_size)
        schedule = build(config["scheduler"], "scheduler")
        schedules.check_factors(schedule, trainer["max_steps"])
        self.module = CellModule(
            model,
            build(config["loss"], "loss"),
            build(config["method"], "method"),
            self.metrics,
            factory(config["optimizer"], "optimizer"),
            schedule,
            self.seed,
            order.steps_per_epoch,
            trainer["max_steps"],
        )
        self.plan = Plan(
            self.seed,
            trainer["max_steps"],
            trainer["eval_every"] or trainer["max_steps"],
            self.protocol,
            trainer["clip_norm"],
            shards,
            self.precision,
        )
        device = self.fabric.device
        workers = config["data"]["num_workers"]
        if augment is None and workers == 0:
            x, y = self.inputs["train"].to(device), self.targets["train"].to(device)
            self.feed: TensorFeed | LoaderFeed = TensorFeed(x, y, order)
        else:
            arrays = self.inputs["train"].numpy(), self.targets["train"].numpy()
            self.feed = LoaderFeed(*arrays, order, self.seed, augment, workers)
        self.readings: set[str] = set()

    @property
    def loop_type(self) -> type[Loop]:
        """The loop of `trainer.strategy`."""
        if self.config["trainer"]["strategy"] != "fsdp":
            return Loop
        from mlintern.engine.fsdp import FullyShardedLoop

        return FullyShardedLoop

    def score(self, part: str, step: int) -> Evaluation:
        """Evaluate the model as it is on one part; a look at test is counted by the weights that took it."""
        if part == "test":
            self.readings.add(weights.weights_sha256(self.module.model.state_dict()))
        device = self.fabric.device
        return evaluate(
            self.module.model,
            self.inputs[part].to(device),
            self.targets[part].to(device),
            self.module.criterion,
            self.metrics,
            batch_size=self.eval_batch,
            seed=self.seed,
            step=step,
            precision=self.precision,
        )

    def probed(self, part: str, step: int) -> dict[str, np.ndarray]:
        """{probe: [n]} of the model as it is on one part."""
        if not self.probes:
            return {}
        options: dict[str, Any] = {"seed": self.seed, "step": step, "precision": self.precision}
        return probes.measure(
            self.probes, self.module.model, self.probe_part(part), batch_size=self.eval_batch, **options
        )

    def drawn(self, step: int) -> dict[str, np.ndarray]:
        """Maps of some test examples, for the report."""
        options: dict[str, Any] = {"seed": self.seed, "step": step, "precision": self.precision}
        return probes.maps(self.probes, self.module.model, self.probe_part("test"), **options) if self.probes else {}

    def probe_part(self, part: str) -> probes.Part:
        """One part as probes get it."""
        device, notes = self.fabric.device, self.splits.parts()[part].annotations
        annotations = None if notes is None else torch.from_numpy(np.ascontiguousarray(notes)).to(device)
        return probes.Part(self.inputs[part].to(device), self.targets[part].to(device), annotations)

    def seen_while_training(self) -> list[str]:
        """Parts evaluated on the way: train, the hold-out, and test only where the protocol chooses on it."""
        parts = ["train", *(["valid"] if self.splits.valid is not None else [])]
        return [*parts, "test"] if self.protocol.select_on == "test" else parts


def to_inputs(features: np.ndarray) -> torch.Tensor:
    """Features [n, ...] as torch sees them: real numbers as float32, whole numbers (token ids) as int64."""
    return torch.from_numpy(
        np.ascontiguousarray(features.astype(np.float32 if features.dtype.kind == "f" else np.int64))
    )


def to_targets(labels: np.ndarray) -> torch.Tensor:
    """Class indices as int64, regression targets as float32."""
    if labels.dtype.kind not in "iubf":
        raise UserError(f"data: labels of type {labels.dtype}; give class indices or numbers")
    return torch.from_numpy(np.ascontiguousarray(labels.astype(np.float32 if labels.dtype.kind == "f" else np.int64)))


def run_cell(
    config: Mapping[str, Any],
    splits: Splits,
    folder: Path,
    facts: Mapping[str, Any],
    on_progress: Callable[[int], None] = lambda step: None,
    should_stop: Callable[[], bool] = lambda: False,
    until: int | None = None,
    inside: Inside | None = None,
) -> record.RunRecord | None:
    """Train one cell in `folder` and write its record; continues from a checkpoint if there is one.

    With `until` below the cell's steps, only steps.parquet and inside.parquet are written, there is no record, and test
    is not read. `inside` says which steps' insides are kept, and how much of them.

    `facts` are the record's fields that the caller knows: cell_id, slug, variant, levels, overrides, git, pack_sha256,
    audit. Raises Interrupted when asked to stop, UserError for a config that cannot be run.
    """
    started = _now()
    memory.reset_peak()
    cell = Cell(config, splits, world=config["trainer"]["devices"])
    logger = loggers.make(config["logger"], folder)
    readings = folder / READINGS_FILE
    if readings.exists():
        cell.readings |= {json.loads(line) for line in readings.read_text().splitlines()}

    def scores(step: int) -> dict[str, Evaluation]:
        found = {part: cell.score(part, step) for part in cell.seen_while_training()}
        if "test" in found:
            _note_readings(readings, cell.readings)
        return found

    loop = cell.loop_type(
        cell.fabric,
        cell.module,
        cell.feed,
        scores,
        cell.plan,
        folder / CHECKPOINT_FILE,
        Cadence(config["run"]["checkpoint_seconds"]),
        on_progress,
        logger.log,
        should_stop,
        inside or Inside(),
    )
    with ranks.started(config, splits, folder / CHECKPOINT_FILE, until):
        state = loop.run(until)
    write_steps(folder, state, loop)
    if until is not None and state.step < cell.plan.max_steps:
        return None
    final = state.selected if state.selected is not None else weights.snapshot(cell.module.model)
    step = state.selected_step if state.selected_step is not None else state.step
    cell.module.model.load_state_dict(final)
    metrics = _measured(cell, loop, splits, step, folder)
    weights.save_tensors(folder / record.WEIGHTS_FILE, final, {"selected_step": state.selected_step})
    result = _record(cell, splits, state, final, step, facts)
    result["metrics"] = _finite(metrics)
    result["wall_s"] = round(state.wall_s, 3)
    result["peak_memory_bytes"] = memory.peak_bytes()
    result["started"], result["finished"] = started, _now()
    logger.close(metrics)
    files.write_json(folder / record.RUN_FILE, result)
    for name in (CHECKPOINT_FILE, LIVE_FILE):
        (folder / name).unlink(missing_ok=True)
    return result


def _measured(cell: Cell, loop: Loop, splits: Splits, step: int, folder: Path) -> dict[str, dict[str, float]]:
    """{part: {metric: value}} of the chosen weights; per-example outcomes and maps are written beside the record."""
    with loop.guarded():
        found = {part: cell.score(part, step) for part in splits.parts()}
    _note_readings(folder / READINGS_FILE, cell.readings)
    with loop.guarded():
        probed = {part: cell.probed(part, step) for part in found if part != "train"}
        drawn = cell.drawn(step)
    means = {part: {name: float(values.mean()) for name, values in of.items()} for part, of in probed.items()}
    write_predictions(folder, found["test"], splits, probed["test"])
    if drawn:
        with files.atomic_path(folder / record.MAPS_FILE) as draft, open(draft, "wb") as handle:
            np.savez(handle, **drawn)  # type: ignore[arg-type]
    return {part: {"loss": e.loss, **e.metrics, **means.get(part, {})} for part, e in found.items()}


def _record(
    cell: Cell, splits: Splits, state: State, final: Mapping[str, torch.Tensor], step: int, facts: Mapping[str, Any]
) -> record.RunRecord:
    """What is known of a cell once it is trained, its metrics and times aside."""
    diverged = state.trace.diverged_at
    result: record.RunRecord = {
        **facts,  # type: ignore[typeddict-item]
        "status": "finished" if diverged is None else "diverged",
        "message": ""
        if diverged is None
        else f"the loss is not finite from step {diverged} on; try a lower learning rate",
        "seed": cell.seed,
        "config": dict(cell.config),
        "environment": dict(environment.environment_record()),
        "engine": {"version": ENGINE_VERSION, "files": source_sha256()},
        "data": splits.fingerprints(),
        "streams": seeding.stream_heads(cell.seed),
        "loss_chain_sha256": state.trace.link.hex(),
        "weights_sha256": weights.weights_sha256(final),
        "evaluations": [_finite(row) for row in state.history],
        "selection": {
            "split": cell.protocol.select_on,
            "metric": cell.protocol.metric,
            "mode": cell.protocol.mode,
            "step": step,
            "value": state.best,
        },
        "test_readings": len(cell.readings),
        "parameters": cell.parameters,
    }
    if cell.probes:
        result["probes"] = [probe.name for probe in cell.probes]
    return result


def write_steps(folder: Path, state: State, loop: Loop) -> None:
    """steps.parquet: loss, learning rate, chain and weights of every step; inside.parquet: what passed in some."""
    losses = state.trace.losses()
    factors = [loop.schedule.factor(step, loop.plan.max_steps) for step in range(len(losses))]
    steps = {
        "step": np.arange(len(losses), dtype=np.int64),
        "loss": losses,
        "lr": np.array(factors, dtype=np.float64) * loop.base_lrs[0],
        "chain": state.trace.links,
        "weights": state.trace.digests(),
    }
    _write_table(folder / record.STEPS_FILE, steps)
    if loop.inside is not None:
        loop.inside.write(folder / record.INSIDE_FILE)


def write_predictions(folder: Path, test: Evaluation, splits: Splits, probed: Mapping[str, np.ndarray]) -> None:
    """predictions.parquet: what was predicted for every test example, and how it scored; a list of values where an
    example has many targets."""
    columns = {"id": splits.test.ids.astype(str), "target": splits.test.labels, "prediction": test.predictions}
    _write_table(folder / record.PREDICTIONS_FILE, {**columns, **test.per_example, **probed})


def _write_table(path: Path, columns: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with files.atomic_path(path) as draft:
        pq.write_table(pa.table({name: _column(values) for name, values in columns.items()}), draft)


def _column(values: Any) -> Any:
    """A column of a table: values [n] as they are, [n, ...] as lists."""
    import pyarrow as pa

    if not isinstance(values, np.ndarray) or values.ndim == 1:
        return values
    flat = values.reshape(len(values), -1)
    return flat[:, 0] if flat.shape[1] == 1 else pa.FixedSizeListArray.from_arrays(flat.reshape(-1), flat.shape[1])


def _note_readings(path: Path, readings: set[str]) -> None:
    """Keep which weights have looked at test, so that a second look survives a kill and is shown."""
    files.write_text(path, "".join(json.dumps(sha) + "\n" for sha in sorted(readings)))


def _finite(value: Any) -> Any:
    """JSON has no NaN: a value that is not finite is left out and the record's status says why."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items() if not (isinstance(v, float) and not np.isfinite(v))}
    return value


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def seconds_per_step(config: Mapping[str, Any], splits: Splits, steps: int = 4) -> dict[str, float]:
    """Time a few steps and one evaluation batch of a cell, for the plan's estimate; nothing is written or kept."""
    cell = Cell(config, splits)
    loop = Loop(cell.fabric, cell.module, cell.feed, lambda step: {}, cell.plan)
    cell.module.train()
    batches = list(cell.feed.batches(0, steps + 1))
    loop.train_step(batches[0], 0)  # the first step pays for allocations
    began = time.perf_counter()
    for step, batch in enumerate(batches[1:], 1):
        loop.train_step(batch, step)
    per_step = (time.perf_counter() - began) / steps
    rows = min(cell.eval_batch, len(cell.inputs["train"]))
    began = time.perf_counter()
    evaluate(
        cell.module.model,
        cell.inputs["train"][:rows].to(cell.fabric.device),
        cell.targets["train"][:rows].to(cell.fabric.device),
        cell.module.criterion,
        cell.metrics,
        batch_size=rows,
        seed=cell.seed,
        step=0,
        precision=cell.precision,
    )
    per_row = (time.perf_counter() - began) / rows
    evaluations = -(-cell.plan.max_steps // cell.plan.eval_every)
    seen = sum(len(cell.inputs[part]) for part in cell.seen_while_training())
    return {
        "train_s": per_step * cell.plan.max_steps,
        "evaluate_s": per_row * (evaluations * seen + sum(map(len, cell.inputs.values()))),
    }
