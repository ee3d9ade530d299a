"""A cell's training: built from its config, on the rows of train and valid, and what it tells when it is done.

Everything that is written goes to one folder, which is the trained code's own: the checkpoint, the chosen weights,
every step's loss, and what passed inside some. Nothing in it is a result yet: whoever started the training seals the
weights, lets them predict what they have not seen, and scores that (see `mlintern.engine.predict` and
`mlintern.engine.score`).
"""

import functools
import hashlib
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric

from mlintern.core.errors import UserError
from mlintern.core.records import record
from mlintern.core.targets.check import check_targets
from mlintern.engine import (
    ENGINE_VERSION,
    directions,
    divergence,
    initialise,
    losses,
    memory,
    probes,
    ranks,
    schedules,
    weights,
)
from mlintern.engine.checkpoint import CHECKPOINT_FILE, Cadence
from mlintern.engine.columns import write_table
from mlintern.engine.config import CellConfig
from mlintern.engine.evaluate import Evaluation, evaluate
from mlintern.engine.feed import LoaderFeed, Order, TensorFeed
from mlintern.engine.inside import Inside
from mlintern.engine.instantiate import allowed_prefixes, build, factory
from mlintern.engine.loop import Loop, Plan, State
from mlintern.engine.module import CellModule
from mlintern.engine.precision import Precision
from mlintern.engine.rows import Rows, dealt
from mlintern.engine.shards import Shards
from mlintern.engine.told import SELECTED_FILE, Told
from mlintern.engine.trial import Trial

Log = Callable[[int, str, Mapping[str, float]], None]
"""Takes (step, part, {name: value}) of an evaluation."""
Saved = Callable[[int, int, list[float], list[float]], None]
"""Takes (step, first, losses, learning rates): a checkpoint covers `step` steps, of which those from `first` on."""
STEPS_AT_ONCE = 5000


class BuiltCell:
    """A cell built from its composed config and the rows that training may see, ready to run.

    `sizes` are what a control's model is built with, which the data decide (see `mlintern.engine.controls`).
    """

    def __init__(
        self,
        config: CellConfig,
        rows: Mapping[str, Rows],
        sizes: Mapping[str, Any] | None = None,
        shards_rank: int = 0,
        world: int = 1,
    ):
        check_targets(config.plain(), allowed_prefixes(config.slug))
        self.config, self.rows, self.seed = config, rows, config.seed
        trainer, count = config.trainer, len(rows["train"])
        config.determinism.check_pins()
        config.determinism.apply()
        if trainer.accelerator == "cuda" and not torch.cuda.is_available():
            raise UserError("trainer.accelerator=cuda: torch finds no CUDA device here; use trainer=cpu")
        if trainer.batch_size > count:
            raise UserError(
                f"trainer.batch_size={trainer.batch_size}: there are {count} training rows; use that number or a "
                "smaller one"
            )
        device = 1 if world == 1 or trainer.accelerator == "cpu" else [shards_rank]
        self.precision = Precision(trainer.precision)
        self.fabric = Fabric(accelerator=trainer.accelerator, devices=device, precision=self.precision.name)
        self.inputs = {part: torch.from_numpy(of.inputs) for part, of in rows.items()}
        self.targets = {part: torch.from_numpy(of.targets) for part, of in rows.items()}
        self.targets["train"] = torch.from_numpy(dealt(config, rows["train"].targets))
        model = initialise.build(lambda: build(config.model, "model", **(sizes or {})), self.seed)
        self.parameters = sum(p.numel() for p in model.parameters())
        augment = build(config.augment, "augment") if config.augment else None
        order = Order(count, trainer.batch_size, self.seed, trainer.order)
        measures = [build(item, f"metrics.{name}") for name, item in config.metrics.items()]
        for name, item in zip(config.metrics, measures, strict=True):
            if not isinstance(getattr(item, "name", None), str):
                raise UserError(
                    f'metrics.{name}: {type(item).__name__} has no name; add `name = "{name}"` to the class'
                )
        self.metrics = [item for item in measures if not probes.is_probe(item)]
        self.probes = [item for item in measures if probes.is_probe(item)]
        self.protocol = directions.settled(config.protocol, self.metrics)
        self.eval_batch = trainer.eval_batch_size
        shards = Shards(trainer.shards, world, shards_rank)
        shards.check(model, order.batch_size)
        schedule = build(config.scheduler, "scheduler")
        schedules.check_factors(schedule, trainer.max_steps)
        self.module = CellModule(
            model,
            losses.make(config.loss),
            build(config.method, "method"),
            self.metrics,
            factory(config.optimizer, "optimizer"),
            schedule,
            self.seed,
            order.steps_per_epoch,
            trainer.max_steps,
        )
        self.plan = Plan(
            self.seed,
            trainer.max_steps,
            trainer.eval_every or trainer.max_steps,
            self.protocol,
            trainer.clip_norm,
            shards,
            self.precision,
            identity_of(config, rows),
        )
        fitted = self.trial(order).run()
        self.notes = fitted.notes
        self.module.criterion, self.module.share = fitted.criterion, fitted.share
        workers = config.data.num_workers
        if augment is None and workers == 0:
            x, y = self.inputs["train"].to(self.fabric.device), self.targets["train"].to(self.fabric.device)
            self.feed: TensorFeed | LoaderFeed = TensorFeed(x, y, order)
        else:
            arrays = self.inputs["train"].numpy(), self.targets["train"].numpy()
            self.feed = LoaderFeed(*arrays, order, self.seed, augment, workers)

    def trial(self, order: Order) -> Trial:
        """What is tried before the first step."""
        reached = self.plan.max_steps >= order.steps_per_epoch
        return Trial(
            self.module.model,
            self.module.criterion,
            self.module.method,
            self.metrics,
            self.inputs,
            self.targets,
            order.batch_size,
            (order.n % order.batch_size if reached else 0) or order.batch_size,
            self.eval_batch,
            self.plan.shards.count,
            self.precision,
            self.seed,
            self.fabric.device,
            self.config.model,
            max(self.config.data.classes or 0, (self.rows["train"].top or 0) + 1),
        )

    @property
    def loop_type(self) -> type[Loop]:
        """The loop of `trainer.strategy`."""
        if self.config.trainer.strategy != "fsdp":
            return Loop
        from mlintern.engine.fsdp import FullyShardedLoop

        return FullyShardedLoop

    def score(self, part: str, step: int) -> Evaluation:
        """Evaluate the model as it is on one of the parts that training may see."""
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


def identity_of(config: CellConfig, rows: Mapping[str, Rows]) -> str:
    """Which run a checkpoint is of: what determines it, and a look at the rows; not on how many processes it runs."""
    one = config.plain() | {"trainer": {**config.trainer.plain(), "strategy": "replicated"}}
    looks = hashlib.sha256()
    for name in sorted(rows):
        for values in (rows[name].inputs, rows[name].targets):
            looks.update(f"{name}:{values.dtype}:{values.shape};".encode())
            looks.update(np.ascontiguousarray(values[:64]).tobytes() + np.ascontiguousarray(values[-64:]).tobytes())
    return record.stable_hash([record.determinants(one, ENGINE_VERSION), looks.hexdigest()])


def train(
    config: CellConfig,
    rows: Mapping[str, Rows],
    folder: Path,
    *,
    sizes: Mapping[str, Any] | None = None,
    on_progress: Callable[[int], None] = lambda step: None,
    on_evaluated: Log = lambda step, part, values: None,
    on_saved: Saved | None = None,
    read_test: Callable[[int, Mapping[str, torch.Tensor]], float] | None = None,
    say: Callable[[str], None] = warnings.warn,
    should_stop: Callable[[], bool] = lambda: False,
    until: int | None = None,
    inside: Inside | None = None,
) -> Told | None:
    """Train one cell in `folder` and write what it tells; continues from a checkpoint if there is one.

    With `until` below the cell's steps, only steps.parquet and inside.parquet are written, and nothing is told.
    `inside` says which steps' insides are kept, and how much of them. Where training goes on, `on_evaluated` and
    `on_saved` (at most STEPS_AT_ONCE steps at a time) are told again what is behind it. `read_test` is given a step and
    its weights and answers with the score on test, for a protocol that chooses on it. Raises Interrupted when asked to
    stop, UserError for a config that cannot be run.
    """
    memory.reset_peak()
    cell = BuiltCell(config, rows, sizes, world=config.trainer.devices)
    for note in cell.notes:
        say(note)

    def scores(step: int) -> dict[str, Evaluation]:
        return {part: cell.score(part, step) for part in rows}

    sent = 0

    def saved(state: State) -> None:
        nonlocal sent
        if on_saved is not None:
            losses = state.trace.losses()
            for first in range(sent, len(losses), STEPS_AT_ONCE):
                piece = losses[first : first + STEPS_AT_ONCE].tolist()
                sent = first + len(piece)
                on_saved(sent, first, piece, learning_rates(loop, first, sent))

    loop = cell.loop_type(
        cell.fabric,
        cell.module,
        cell.feed,
        scores,
        cell.plan,
        folder / CHECKPOINT_FILE,
        Cadence(config.run.checkpoint_seconds),
        on_progress,
        on_evaluated,
        should_stop,
        inside or Inside(),
        read_test,
        saved,
        say,
    )
    along = functools.partial(_along, config, dict(rows), sizes, folder / CHECKPOINT_FILE, until)
    with ranks.started(config.trainer.devices, config.trainer.accelerator, along):
        state = loop.run(until)
    write_steps(folder, state, loop)
    if until is not None and state.step < cell.plan.max_steps:
        return None
    final = state.selected if state.selected is not None else weights.snapshot(cell.module.model)
    weights.save_tensors(folder / SELECTED_FILE, final, {"selected_step": state.selected_step})
    told = Told(
        steps=state.step,
        step=state.selected_step if state.selected_step is not None else state.step,
        value=state.best,
        history=state.history,
        loss_chain_sha256=state.trace.link.hex(),
        wall_s=round(state.wall_s, 3),
        peak_memory_bytes=memory.peak_bytes(),
        parameters=cell.parameters,
        probes=[probe.name for probe in cell.probes],
        cause=_cause(config, rows, sizes, state),
    )
    told.write(folder)
    return told


def _cause(config: CellConfig, rows: Mapping[str, Rows], sizes: Mapping[str, Any] | None, state: State) -> str:
    """Why the loss ceased to be finite, as `Told.cause`; the first steps are done once more to see it."""
    if (step := state.trace.diverged_at) is None:
        return ""
    found = divergence.by_losses(state.trace.losses(), step)
    if found == "growth" or step >= divergence.FEW or config.trainer.devices > 1:
        return found
    cell = BuiltCell(divergence.quiet(config), rows, sizes)
    return divergence.Replay(cell.fabric, cell.module, cell.feed, lambda step: {}, cell.plan).cause(step) or found


def _along(
    config: CellConfig,
    rows: Mapping[str, Rows],
    sizes: Mapping[str, Any] | None,
    checkpoint: Path,
    until: int | None,
    rank: int,
    size: int,
) -> Callable[[], object]:
    """The training of a further rank, which keeps no score and writes nothing."""
    cell = BuiltCell(config, rows, sizes, rank, size)
    loop = cell.loop_type(cell.fabric, cell.module, cell.feed, lambda step: {}, cell.plan, checkpoint)
    return lambda: loop.run(until)


def learning_rates(loop: Loop, start: int, stop: int) -> list[float]:
    """The first parameter group's learning rate at the steps start … stop-1."""
    return [loop.schedule.factor(step, loop.plan.max_steps) * loop.base_lrs[0] for step in range(start, stop)]


def write_steps(folder: Path, state: State, loop: Loop) -> None:
    """steps.parquet: loss, learning rate, chain and weights of every step; inside.parquet: what passed in some."""
    losses = state.trace.losses()
    steps = {
        "step": np.arange(len(losses), dtype=np.int64),
        "loss": losses,
        "lr": np.array(learning_rates(loop, 0, len(losses)), dtype=np.float64),
        "chain": state.trace.links,
        "weights": state.trace.digests(),
    }
    write_table(folder / record.STEPS_FILE, steps)
    if loop.inside is not None:
        loop.inside.write(folder / record.INSIDE_FILE)


def seconds_per_step(
    config: CellConfig,
    rows: Mapping[str, Rows],
    sizes: Mapping[str, Any] | None = None,
    unseen: int = 0,
    steps: int = 4,
) -> dict[str, float]:
    """Time a few steps and one evaluation batch of a cell, for the plan's estimate; nothing is written or kept.

    `unseen` is how many rows are predicted beside those that training sees.
    """
    cell = BuiltCell(config, rows, sizes)
    loop = Loop(cell.fabric, cell.module, cell.feed, lambda step: {}, cell.plan)
    cell.module.train()
    batches = list(cell.feed.batches(0, steps + 1))
    loop.train_step(batches[0], 0)  # the first step pays for allocations
    began = time.perf_counter()
    for step, batch in enumerate(batches[1:], 1):
        loop.train_step(batch, step)
    per_step = (time.perf_counter() - began) / steps
    count = min(cell.eval_batch, len(rows["train"]))
    began = time.perf_counter()
    evaluate(
        cell.module.model,
        cell.inputs["train"][:count].to(cell.fabric.device),
        cell.targets["train"][:count].to(cell.fabric.device),
        cell.module.criterion,
        cell.metrics,
        batch_size=count,
        seed=cell.seed,
        step=0,
        precision=cell.precision,
    )
    per_row = (time.perf_counter() - began) / count
    evaluations = -(-cell.plan.max_steps // cell.plan.eval_every)
    seen = sum(map(len, rows.values()))
    read = seen + (unseen if cell.protocol.select_on == "test" else 0)
    return {
        "train_s": per_step * cell.plan.max_steps,
        "evaluate_s": per_row * (evaluations * read + seen + unseen),
    }
