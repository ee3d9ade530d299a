"""A whole cell in one process: trained, scored and recorded, for code that is its own judge.

Vetting, the pricing of a leak and tests run cells so. A study does not: there the process that trains never has a row
of test, and the host scores (`mlintern.study.run.life`). The numbers are the same to the bit.
"""

import contextlib
import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlintern.core import environment, files
from mlintern.core.records import record
from mlintern.core.records.recorded_steps import read_losses
from mlintern.core.streams import guard
from mlintern.data.splits import Splits
from mlintern.engine import losses, probes, rows, weights
from mlintern.engine.assemble import assemble
from mlintern.engine.checkpoint import CHECKPOINT_FILE
from mlintern.engine.columns import write_table
from mlintern.engine.config import CellConfig
from mlintern.engine.evaluate import Evaluation, evaluate
from mlintern.engine.inside import Inside
from mlintern.engine.instantiate import build
from mlintern.engine.live import LIVE_FILE
from mlintern.engine.predict import Sealed
from mlintern.engine.rows import Rows
from mlintern.engine.told import SELECTED_FILE, TOLD_FILE
from mlintern.engine.training import train
from mlintern.loggers import open_log
from mlintern.loggers.log import Finished


def run_cell(
    config: CellConfig,
    splits: Splits,
    folder: Path,
    facts: Mapping[str, Any],
    on_progress: Callable[[int], None] = lambda step: None,
    should_stop: Callable[[], bool] = lambda: False,
    until: int | None = None,
    inside: Inside | None = None,
) -> record.RunRecord | None:
    """Train one cell in `folder` and write its record; continues from a checkpoint if there is one.

    With `until` below the cell's steps there is no record, and test is not read. `facts` are the record's fields that
    the caller knows. Raises Interrupted when asked to stop, UserError for a config that cannot be run.
    """
    started = _now()
    folder.mkdir(parents=True, exist_ok=True)
    parts = rows.of_splits(splits, rows.ignored(config))
    sizes = rows.sizes_of(config, splits, {name: part.inputs for name, part in parts.items()})
    alone = {"cell_id": folder.name, "slug": config.slug, "levels": {}}
    alone["variant"] = config.model.target.rpartition(".")[2] or "model"
    log = open_log(config.logger, config.trainer.max_steps, folder, {**alone, **facts, "config": config.plain()})
    log.start()
    looks: dict[str, dict[str, Any]] = {}

    def read_test(step: int, state: Mapping[str, torch.Tensor]) -> float:
        found = _Judge(config, state, sizes).score(parts["test"], step)
        looks[weights.weights_sha256(state)] = found.row(step, "test")
        log.evaluated(step, "test", {"loss": found.loss, **found.metrics})
        metric = config.protocol.metric
        return found.loss if metric == "loss" else found.metrics[metric]

    with contextlib.ExitStack() as unfinished:
        unfinished.callback(log.close)
        told = train(
            config,
            {name: part for name, part in parts.items() if name != "test"},
            folder,
            sizes=sizes,
            on_progress=on_progress,
            on_evaluated=log.evaluated,
            on_saved=log.saved if config.logger.wants_steps else None,
            read_test=read_test,
            should_stop=should_stop,
            until=until,
            inside=inside,
        )
        if told is None:
            return None
        unfinished.pop_all()
    state, _ = weights.load_tensors(folder / SELECTED_FILE)
    judge = _Judge(config, state, sizes)
    found = {name: judge.score(part, told.step) for name, part in _dealt(config, parts).items()}
    probed = {name: judge.probed(part, told.step) for name, part in parts.items() if name != "train"}
    readings = [looks[sha] for sha in looks]
    looks.setdefault(weights.weights_sha256(state), {})
    means = {part: {name: float(values.mean()) for name, values in of.items()} for part, of in probed.items()}
    (folder / SELECTED_FILE).replace(folder / record.WEIGHTS_FILE)
    write_predictions(folder, found["test"], splits, probed["test"])
    known = {
        "environment": dict(environment.environment_record()),
        "data": splits.fingerprints(),
        "weights_sha256": weights.weights_sha256(state),
        "test_readings": len(looks),
        "started": started,
        "finished": _now(),
    }
    metrics = {part: {"loss": e.loss, **e.metrics, **means.get(part, {})} for part, e in found.items()}
    result = record.seal(assemble(facts, config, told, metrics, readings, diverged_at(folder), known), folder)
    files.write_json(folder / record.RUN_FILE, result)
    log.finish(Finished(result, folder))
    for name in (CHECKPOINT_FILE, LIVE_FILE, TOLD_FILE):
        (folder / name).unlink(missing_ok=True)
    return result


class _Judge:
    """Scores weights with everything that the config names, the pack's own code included."""

    def __init__(self, config: CellConfig, state: Mapping[str, torch.Tensor], sizes: Mapping[str, Any]):
        self.sealed = Sealed(config, state, sizes)
        built = [build(item, f"metrics.{name}") for name, item in config.metrics.items()]
        self.metrics = [item for item in built if not probes.is_probe(item)]
        self.probes = [item for item in built if probes.is_probe(item)]
        self.loss = losses.make(config.loss)

    def _part(self, part: Rows) -> probes.Part:
        device = self.sealed.device
        notes = None if part.annotations is None else torch.from_numpy(np.ascontiguousarray(part.annotations))
        return probes.Part(
            torch.from_numpy(part.inputs).to(device),
            torch.from_numpy(part.targets).to(device),
            None if notes is None else notes.to(device),
        )

    def score(self, part: Rows, step: int) -> Evaluation:
        of, options = self._part(part), self._options(step)
        with guard.on(self.sealed.model, self.loss, *self.metrics):
            return evaluate(self.sealed.model, of.inputs, of.targets, self.loss, self.metrics, **options)

    def probed(self, part: Rows, step: int) -> dict[str, np.ndarray]:
        with guard.on(self.sealed.model, *self.probes):
            return probes.measure(self.probes, self.sealed.model, self._part(part), **self._options(step))

    def _options(self, step: int) -> dict[str, Any]:
        sealed = self.sealed
        return {"batch_size": sealed.batch_size, "seed": sealed.seed, "step": step, "precision": sealed.precision}


def write_predictions(folder: Path, test: Evaluation, splits: Splits, probed: Mapping[str, np.ndarray]) -> None:
    """predictions.parquet: what was predicted for every test example, and how it scored; a list of values where an
    example has many targets."""
    columns = {"id": splits.test.ids.astype(str), "target": splits.test.labels, "prediction": test.predictions}
    write_table(folder / record.PREDICTIONS_FILE, {**columns, **test.per_example, **probed})


def diverged_at(folder: Path) -> int | None:
    """The first step whose loss is not finite, from the losses of a run folder."""
    broken = np.flatnonzero(~np.isfinite(read_losses(folder)))
    return int(broken[0]) if len(broken) else None


def _dealt(config: CellConfig, parts: Mapping[str, Rows]) -> dict[str, Rows]:
    """The parts with the targets that the cell learns."""
    train = parts["train"]
    return {**parts, "train": Rows(train.inputs, rows.dealt(config, train.targets), train.annotations)}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
