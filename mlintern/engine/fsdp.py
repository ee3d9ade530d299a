"""`trainer.strategy=fsdp`: parameters, gradients and optimizer state divided among the processes, for models too large
for one.

Every process trains its own shard of each global batch, as with `replicated`; torch's `fully_shard` (FSDP2) gathers a
layer's parameters when they are needed and sums its gradients over the processes. Rank 0 keeps a whole copy of the
weights besides, which it evaluates, digests and checkpoints, so that a run may be continued under either strategy.

The sums are torch's, in an order of its own: bits are repeated on the same number of processes, and agree with those of
one process to rounding only. That is why the strategy and its processes are part of a cell's id. Lightning's own FSDP
strategies run on GPUs alone; this one is the same mechanism, on CPUs too.
"""

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from mlintern.core.errors import UserError
from mlintern.engine.buffers import Buffers
from mlintern.engine.digest import StateDigest
from mlintern.engine.feed import Batch
from mlintern.engine.loop import Loop, State
from mlintern.engine.module import CellModule
from mlintern.engine.weights import Held

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
_FROM_WHOLE = StateDictOptions(full_state_dict=True)


class FullyShardedLoop(Loop):
    """The loop over a divided copy of the model; `model` and `plain_optimizer` stay whole, for everything but steps."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.needs_closure:
            name = type(self.plain_optimizer).__name__
            raise UserError(f"trainer.strategy=fsdp: {name} steps with a closure; use trainer.strategy=replicated")
        self.inside = None  # what passes in a layer is spread over the processes
        self.may_snapshot = self.wants_snapshot = False
        self.asked_to_stop = self.should_stop
        self.should_stop = lambda: self.agreed(self.asked_to_stop())

    def run(self, until: int | None = None) -> State:
        """As `Loop.run`, on every rank of a process group, which must have been started."""
        self.restore()  # on every rank, into the whole model and its optimizer
        self.divide()
        restore, self.restore = self.restore, lambda: None  # type: ignore[method-assign]
        try:
            state = super().run(until)
        finally:
            self.restore = restore  # type: ignore[method-assign]
        self.gather()
        return state

    def divide(self) -> None:
        """Make the divided copy from the whole model, and its optimizer with the state that there is."""
        world = self.plan.shards.world
        device = self.fabric.device
        mesh = init_device_mesh(device.type, (world,))
        self.divided = copy.deepcopy(self.whole_module())
        for layer in layers(self.divided.model):
            fully_shard(layer, mesh=mesh)
        fully_shard(self.divided.model, mesh=mesh)
        for part in self.divided.model.modules():
            if isinstance(part, FSDPModule):
                part.set_force_sum_reduction_for_comms(True)  # gloo has no other
                part.set_gradient_divide_factor(1.0)  # shards bring weighted losses: their gradients are summed
        self.divided_optimizer = self.divided.make_optimizer(self.divided.model.parameters())
        if self.state.step:
            set_optimizer_state_dict(
                self.divided.model,
                self.divided_optimizer,
                optim_state_dict=named(self.model, self.plain_optimizer),
                options=_FROM_WHOLE,
            )
        self.parameters = [p for p in self.divided.model.parameters() if p.requires_grad]
        self.training_step = self.divided.training_step
        self.digest = StateDigest(Parts(self.divided.model))
        self.divided.train()

    def whole_module(self) -> CellModule:
        """The module that Fabric was given."""
        module = self.module.module
        assert isinstance(module, CellModule)
        return module

    def train_step(self, batch: Batch, step: int) -> torch.Tensor:
        """One optimizer step on one global batch; returns its loss, the same on every rank."""
        factor = self.schedule.factor(step, self.plan.max_steps)
        for group, lr in zip(self.divided_optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = lr * factor
        loss = self.gradients(batch)
        self.divided_optimizer.step()
        self.divided_optimizer.zero_grad(set_to_none=True)
        return loss

    def gradients(self, batch: Batch) -> torch.Tensor:
        """Loss of one global batch, its clipped gradients left, divided, on the parameters."""
        shards = self.plan.shards
        pieces = shards.split(batch)
        piece = pieces[shards.rank]
        buffers = Buffers(self.divided.model)
        buffers.start_shard()
        if not (weight := self.share(piece, batch)):
            raise UserError(
                f"trainer.strategy=fsdp: nothing of shard {shards.rank} of a batch counts in the loss (every label is "
                "ignored); use trainer.strategy=replicated or a larger trainer.batch_size"
            )
        loss = self.backward(piece, shards.rank, weight).float()
        buffers.end_shard()
        buffers.join(shards.gather_copies(buffers.copies), [len(one.inputs) for one in pieces])
        torch.distributed.all_reduce(loss)
        if self.plan.clip_norm is not None:
            self.clip(self.plan.clip_norm)
        return loss

    def clip(self, limit: float) -> None:
        """As `loop.clip_gradients`, the squares summed over the processes."""
        gradients = [local(p.grad) for p in self.divided.model.parameters() if p.grad is not None]
        total = torch.zeros((), dtype=torch.float64, device=self.fabric.device)
        for gradient in gradients:
            total += gradient.double().square().sum()
        torch.distributed.all_reduce(total)
        norm = math.sqrt(float(total)) if torch.isfinite(total) else math.inf
        if norm > limit:
            for gradient in gradients:
                gradient.mul_(limit / norm)

    def step_digest(self) -> list[int] | torch.Tensor:
        """[groups] numbers below 2^64: the digests of every rank's part, added up, each times a number of its own."""
        mine = self.digest()
        if not isinstance(mine, torch.Tensor):
            mine = torch.tensor(mine, dtype=torch.uint64)
        total = mine.view(torch.int64) * (2 * self.plan.shards.rank + 1)
        torch.distributed.all_reduce(total)
        summed = total.view(torch.uint64)
        return summed.tolist() if summed.device.type == "cpu" else summed

    def evaluate_and_select(self) -> None:
        """As `Loop.evaluate_and_select`, on the whole model, brought up to date."""
        self.gather()
        super().evaluate_and_select()

    def gather(self) -> None:
        """Bring the whole model up to date; every rank must take part."""
        values = get_model_state_dict(self.divided.model, options=_WHOLE)
        if self.plan.shards.rank == 0:
            self.model.load_state_dict(values)

    def due(self) -> bool:
        return self.agreed(super().due())

    def agreed(self, wanted: bool) -> bool:
        """What rank 0 wants, on every rank: clocks and signals are its alone."""
        flag = torch.tensor([wanted], dtype=torch.uint8, device=self.fabric.device)
        torch.distributed.broadcast(flag, 0)
        return bool(flag.item())

    def save(self) -> None:
        """Write a whole checkpoint; every rank gives its part of it."""
        self.gather()
        state = get_optimizer_state_dict(self.divided.model, self.divided_optimizer, options=_WHOLE)
        if self.plan.shards.rank == 0:
            self.plain_optimizer.load_state_dict(numbered(self.model, state, self.plain_optimizer))
            super().save()


class Parts(Held):
    """The tensors of this process's part of a divided model."""

    def tensors(self) -> list[torch.Tensor]:
        return [local(tensor) for tensor in super().tensors()]


def layers(model: nn.Module) -> Iterator[nn.Module]:
    """The modules that are gathered one at a time: the members of module lists, as a transformer's blocks are.

    The rest is gathered for the whole step. Members of a member stay part of it.
    """
    for child in model.children():
        if isinstance(child, nn.ModuleList):
            yield from (member for member in child if any(p.requires_grad for p in member.parameters()))
        else:
            yield from layers(child)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part of a divided tensor."""
    return tensor.to_local() if isinstance(tensor, torch.distributed.tensor.DTensor) else tensor


def named(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """An optimizer's state by the parameters' names, as torch's distributed checkpoints have it."""
    names = [name for name, _ in model.named_parameters()]
    state = optimizer.state_dict()
    groups = [{**group, "params": [names[i] for i in group["params"]]} for group in state["param_groups"]]
    return {"state": {names[i]: entry for i, entry in state["state"].items()}, "param_groups": groups}


def numbered(model: nn.Module, state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The inverse of `named`, for an optimizer over the whole model."""
    index = {name: i for i, (name, _) in enumerate(model.named_parameters())}
    groups = optimizer.state_dict()["param_groups"]
    for group, given in zip(groups, state["param_groups"], strict=True):
        group.update({key: value for key, value in given.items() if key != "params"})
    return {"state": {index[name]: entry for name, entry in state["state"].items()}, "param_groups": groups}
