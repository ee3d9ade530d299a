"""The training loop: one, fixed, over Lightning Fabric, short enough to read at one sitting.

A step is a pure function of (weights, optimizer state, step number): the batch is looked up, the default generators
are set to the step's key, and nothing that happens between steps (evaluation, checkpoints, progress, loggers) leaves a
trace in the next one. That is what makes kill and resume, validation and logging free of consequences.
"""

import contextlib
import dataclasses
import inspect
import math
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric

from mlintern.core.errors import Damaged, Interrupted, UserError
from mlintern.core.records import record
from mlintern.core.streams import guard, seeding
from mlintern.data.protocol import EvaluationProtocol
from mlintern.engine import checkpoint, live, source, weights
from mlintern.engine.digest import StateDigest
from mlintern.engine.evaluate import Evaluation
from mlintern.engine.feed import Batch, LoaderFeed, TensorFeed
from mlintern.engine.inside import Inside
from mlintern.engine.module import CellModule
from mlintern.engine.precision import Precision
from mlintern.engine.selection import better
from mlintern.engine.shards import Shards
from mlintern.engine.trace import FLUSH_EVERY, Trace


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the loop is asked to do."""

    seed: int
    max_steps: int
    eval_every: int
    """Steps between evaluations; the last step is always evaluated."""
    protocol: EvaluationProtocol
    clip_norm: float | None = None
    """Largest global gradient norm, or None for no clipping."""
    shards: Shards = dataclasses.field(default_factory=Shards)
    precision: Precision = dataclasses.field(default_factory=Precision)
    identity: str = ""
    """Which run this is, so that no other's checkpoint is taken up."""


@dataclasses.dataclass
class State:
    """Where a run is. Everything in it is in the checkpoint."""

    step: int = 0
    """Steps done, which is batches processed: also the position in the data."""
    trace: Trace = dataclasses.field(default_factory=Trace)
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """Learning curve: one row per evaluation and part."""
    best: float | None = None
    selected_step: int | None = None
    selected: dict[str, torch.Tensor] | None = None
    """Weights of the chosen checkpoint so far."""
    wall_s: float = 0.0
    """Seconds of training so far, over all sittings."""


def needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Whether `step` cannot be called without a closure, as that of L-BFGS and of extragradient methods."""
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


_NOTHING_LEARNS = (
    "loss: no parameter of the model has a gradient from it, so that nothing would be learned; leave detach(), item(), "
    "no_grad() and argmax out of model, loss and method"
)


class Loop:
    """Runs one cell's training from its checkpoint, or from the start, to the last step."""

    def __init__(
        self,
        fabric: Fabric,
        module: CellModule,
        feed: TensorFeed | LoaderFeed,
        evaluate: Callable[[int], dict[str, Evaluation]],
        plan: Plan,
        checkpoint_path: Path | None = None,
        cadence: checkpoint.Cadence | None = None,
        on_progress: Callable[[int], None] = lambda step: None,
        on_evaluated: Callable[[int, str, dict[str, float]], None] = lambda step, part, values: None,
        should_stop: Callable[[], bool] = lambda: False,
        inside: Inside | None = None,
        read_test: Callable[[int, dict[str, torch.Tensor]], float] | None = None,
        on_saved: Callable[[State], None] = lambda state: None,
        say: Callable[[str], None] = warnings.warn,
    ):
        self.fabric, self.plan, self.feed, self.evaluate = fabric, plan, feed, evaluate
        self.model = module.model
        criterion = getattr(module.criterion, "inner", module.criterion)
        self.parts = (module.model, criterion, module.method, module.schedule, feed.augment, *module.metrics)
        self.share = module.share
        self.schedule = module.schedule
        self.plain_optimizer = module.make_optimizer(module.model.parameters())
        self.needs_closure = needs_closure(self.plain_optimizer)
        self.module, self.optimizer = fabric.setup(module, self.plain_optimizer)
        # not through Fabric's wrapper: with one device per process it adds nothing but a search at every access
        self.training_step = module.training_step
        self.has_own_zero_grad = type(self.plain_optimizer).zero_grad is not torch.optim.Optimizer.zero_grad
        self.all_parameters = list(module.model.parameters())
        self.parameters = [p for p in module.model.parameters() if p.requires_grad]
        self.base_lrs = [group["lr"] for group in self.plain_optimizer.param_groups]
        self.checkpoint_path, self.cadence = checkpoint_path, cadence or checkpoint.Cadence(math.inf)
        self.on_progress, self.on_evaluated, self.should_stop = on_progress, on_evaluated, should_stop
        self.read_test, self.on_saved, self.say = read_test, on_saved, say
        self.inside = inside if plan.shards.rank == 0 else None
        self.digest = StateDigest(module.model)
        self.may_snapshot = (
            checkpoint_path is not None and plan.shards.rank == 0 and math.isfinite(self.cadence.seconds)
        )
        self.wants_snapshot = self.may_snapshot
        self.snapshot: live.Snapshot | None = None
        self.shard = 0
        self.state = State()

    def run(self, until: int | None = None) -> State:
        """Train to `plan.max_steps`, or until the loss is no longer finite; raises Interrupted when asked to stop.

        `until` ends earlier without changing what any step computes (a schedule still runs to `plan.max_steps`).
        """
        self.restore()
        state = self.state
        last = min(self.plan.max_steps, until or self.plan.max_steps)
        began = time.monotonic() - state.wall_s
        self.module.train()
        with self.guarded():
            self.train(last, began)
        state.trace.flush()
        state.wall_s = time.monotonic() - began
        return state

    def guarded(self) -> contextlib.AbstractContextManager[None]:
        """The guard over everything that the pack brought to this run."""
        return guard.on(*self.parts)

    def train(self, last: int, began: float) -> None:
        """The steps from where the run is to step `last`."""
        state, plan = self.state, self.plan
        for batch in self.feed.batches(state.step, last):
            if self.inside is not None and self.inside.wanted(state.step):
                loss = self.watched_step(batch, state.step, self.inside)
            else:
                loss = self.train_step(batch, state.step)
            noted = loss.item() if loss.device.type == "cpu" else loss  # a GPU is not asked to wait
            digest = self.step_digest()
            state.trace.append(noted, digest)
            state.step += 1
            if state.step % FLUSH_EVERY == 0:
                state.trace.flush()
                if state.trace.diverged_at is not None:
                    break
            evaluated = state.step % plan.eval_every == 0 or state.step == plan.max_steps
            if evaluated:
                self.evaluate_and_select()
            self.keep(noted, digest, evaluated)
            self.on_progress(state.step)
            if (stop := self.should_stop()) or self.due():
                state.wall_s = time.monotonic() - began
                self.save()
                if stop:
                    raise Interrupted

    def step_digest(self) -> list[int] | torch.Tensor:
        """Digest of the weights as the step left them."""
        return self.digest()

    def keep(self, loss: float | torch.Tensor, digest: list[int] | torch.Tensor, evaluated: bool) -> None:
        """Copy the step that was done into the live snapshot, if there is one that its checkpoint still fits."""
        if self.snapshot is not None:
            # what an evaluation chose is in the next checkpoint, and so is state of another shape
            if evaluated or not self.snapshot.step_done(self.state.step, loss, digest):
                self.snapshot, self.wants_snapshot = None, True

    def due(self) -> bool:
        """Is it time for a checkpoint, or is one wanted for a snapshot to continue, and affordable?"""
        return self.cadence.due() or (self.wants_snapshot and self.cadence.affordable())

    def train_step(self, batch: Batch, step: int) -> torch.Tensor:
        """One optimizer step on one global batch; returns its loss (scalar, detached, on its device)."""
        factor = self.schedule.factor(step, self.plan.max_steps)
        for group, lr in zip(self.plain_optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = lr * factor
        if self.needs_closure:
            loss = self.step_with_closure(batch)
        else:
            loss = self.gradients(batch)
            self.optimizer.step()
        self.drop_gradients()
        return loss

    def gradients(self, batch: Batch) -> torch.Tensor:
        """Loss of one global batch, its clipped gradients left on the parameters."""
        if self.plan.shards.count == 1:
            loss = self.backward(batch, 0, 1.0)
        else:
            loss = self.plan.shards.step(batch, self.model, self.parameters, self.backward, self.share)
        if self.plan.clip_norm is not None:
            clip_gradients(self.parameters, self.plan.clip_norm)
        return loss

    def drop_gradients(self) -> None:
        """`zero_grad`, which an optimizer may have made its own; torch's costs more in bookkeeping than in work."""
        if self.has_own_zero_grad:
            self.plain_optimizer.zero_grad(set_to_none=True)
        for parameter in self.all_parameters:
            parameter.grad = None

    def step_with_closure(self, batch: Batch) -> torch.Tensor:
        """A step of an optimizer that asks for gradients at points of its own; the loss is that of the first point."""
        losses: list[torch.Tensor] = []

        def closure() -> torch.Tensor:
            self.drop_gradients()
            losses.append(self.gradients(batch))
            return losses[-1]

        self.optimizer.step(closure)
        if not losses:
            raise UserError(f"optimizer: {type(self.plain_optimizer).__name__}.step never called its closure; call it")
        return losses[0]

    def watched_step(self, batch: Batch, step: int, inside: Inside) -> torch.Tensor:
        """`train_step`, with what passes in it taken down; the bits are the same."""
        with inside.watching(step, self.model, self.plain_optimizer, lambda: self.shard == 0):
            self.feed.take_down(step, batch, inside)
            loss = self.train_step(batch, step)
            inside.note("loss", "loss", loss)
        return loss

    def backward(self, piece: Batch, shard: int, weight: float) -> torch.Tensor:
        """Back-propagate one shard's weighted loss under the shard's own dropout key."""
        step, self.shard = self.state.step, shard
        seeding.reseed_default(self.plan.seed, "dropout", step, shard)
        with guard.STREAMS.of(self.plan.seed, "step", step, shard):
            if self.plan.precision.plain:
                loss = self.training_step(piece, step, shard)
            else:
                piece = Batch(*map(self.plan.precision.cast, piece))
                with self.plan.precision.context(piece.inputs.device):
                    loss = self.training_step(piece, step, shard)
        if not loss.requires_grad:
            raise UserError(_NOTHING_LEARNS)
        if weight != 1.0:
            loss = loss * weight
        self.fabric.backward(loss)
        if step == 0 and all(parameter.grad is None for parameter in self.parameters):
            raise UserError(_NOTHING_LEARNS)
        return loss.detach()

    def evaluate_and_select(self) -> None:
        """Evaluate the parts that the protocol lets training see, and keep the weights if they are the best so far."""
        state, protocol = self.state, self.plan.protocol
        state.trace.flush()
        for split, evaluation in self.evaluate(state.step).items():
            state.history.append(evaluation.row(state.step, split))
            self.on_evaluated(state.step, split, {"loss": evaluation.loss, **evaluation.metrics})
            if split == protocol.select_on:
                self.consider(evaluation.loss if protocol.metric == "loss" else evaluation.metrics[protocol.metric])
        if protocol.select_on == "test" and self.read_test is not None:
            self.consider(self.read_test(state.step, weights.snapshot(self.model)))

    def consider(self, value: float) -> None:
        """Keep the weights if what they score is the best so far."""
        state = self.state
        if better(value, state.best, self.plan.protocol.direction):
            state.best, state.selected_step = value, state.step
            state.selected = weights.snapshot(self.model)

    def save(self) -> None:
        """Write a checkpoint of where the run is, whole or not at all."""
        if self.checkpoint_path is None or self.plan.shards.rank != 0:
            return
        began, state = time.monotonic(), self.state
        state.trace.flush()
        note = {
            "step": state.step,
            "history": [{**row, "loss": repr(row["loss"])} for row in state.history],  # JSON has no NaN
            "best": state.best,
            "selected_step": state.selected_step,
            "wall_s": state.wall_s,
            "code": source.source_hash(),
        }
        if self.inside is not None:  # before the checkpoint, which says that the steps before it are done
            self.inside.write(self.checkpoint_path.with_name(record.INSIDE_FILE))
            note["inside"] = self.inside.sha256()
        traced = {"losses": torch.from_numpy(state.trace.losses()), "digests": torch.from_numpy(state.trace.digests())}
        run = self.plan.identity
        checkpoint.save(self.checkpoint_path, run, self.model, self.plain_optimizer, state.selected, traced, note)
        if self.may_snapshot and live.Snapshot.possible(self.model, self.plain_optimizer):
            path, groups = self.checkpoint_path.with_name(live.LIVE_FILE), len(self.digest())
            self.snapshot = live.Snapshot(path, run, self.model, self.plain_optimizer, groups, state.step)
        self.wants_snapshot = False
        self.cadence.wrote(time.monotonic() - began)
        self.on_saved(state)

    def restore(self) -> None:
        """Continue from the checkpoint if there is one, and tell again what it holds.

        One that is not as it was written, of another run, or of other code of the engine (a run has
        the bits of one state of it) is said and not taken up: training starts anew.
        """
        if self.checkpoint_path is None or not os.path.lexists(self.checkpoint_path):
            return
        try:
            saved = checkpoint.read(self.checkpoint_path, self.plan.identity, self.model)
            if self.inside is not None:
                beside = self.checkpoint_path.with_name(record.INSIDE_FILE)
                self.inside.restore(beside, saved.note["step"], saved.note.get("inside"))
        except Damaged as error:
            self.say(f"{error}: training starts anew")
            return
        saved.put_into(self.model, self.plain_optimizer)
        traced, note = saved.trace, saved.note
        self.state = State(
            step=note["step"],
            trace=Trace(traced["losses"].numpy(), traced["digests"].numpy()),
            history=[{**row, "loss": float(row["loss"])} for row in note["history"]],
            best=note["best"],
            selected_step=note["selected_step"],
            selected=saved.selected or None,
            wall_s=note["wall_s"],
        )
        for row in self.state.history:
            values = {name: value for name, value in row.items() if name not in ("step", "split")}
            self.on_evaluated(row["step"], row["split"], values)
        self.on_saved(self.state)


def clip_gradients(parameters: list[torch.nn.Parameter], limit: float) -> None:
    """Scale all gradients down so that their global 2-norm is at most `limit`.

    The squares are summed in double precision, parameter by parameter, and the root is taken by the C library's
    correctly rounded `sqrt`: torch's vectorised one is not the same on every CPU.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    total = sum(float(g.double().square().sum()) for g in gradients)
    norm = math.sqrt(total) if math.isfinite(total) else math.inf
    if norm > limit:
        for gradient in gradients:
            gradient.mul_(limit / norm)
