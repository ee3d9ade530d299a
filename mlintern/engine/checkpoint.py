"""Checkpoints: one safetensors file with everything that the stateless recipe needs, at any step.

There is no generator state in it, because there is none: position and seed are enough. What is kept is the model, the
optimizer's tensors, the chosen weights so far, the losses, and a JSON note (step, evaluations, counters). No pickle.
"""

import time
from pathlib import Path
from typing import Any

import torch

from mlintern.engine import ENGINE_VERSION, live, weights
from mlintern.engine.source import is_equal
from mlintern.engine.trace import folded
from mlintern.errors import UserError

CHECKPOINT_FILE = "checkpoint.safetensors"
_SCALARS = (int, float, bool, str, type(None))


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """An optimizer's state as named tensors and JSON scalars; what is neither is refused by name."""
    tensors: dict[str, torch.Tensor] = {}
    scalars: dict[str, Any] = {}
    state = optimizer.state_dict()
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}/{name}"] = value
            elif isinstance(value, _SCALARS):
                scalars[f"{index}/{name}"] = value
            else:
                raise UserError(
                    f"optimizer {type(optimizer).__name__}: its state {name!r} is a {type(value).__name__}, which "
                    "cannot be checkpointed without pickle; keep tensors and numbers only"
                )
    groups = [
        {name: value for name, value in group.items() if isinstance(value, _SCALARS)} for group in state["param_groups"]
    ]
    return tensors, {"state": scalars, "groups": groups}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], scalars: dict[str, Any]
) -> None:
    """Put a saved state back into a freshly built optimizer."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in [*tensors.items(), *scalars["state"].items()]:
        index, entry = name.split("/", 1)
        state.setdefault(int(index), {})[entry] = value
    groups = optimizer.state_dict()["param_groups"]
    for group, saved in zip(groups, scalars["groups"], strict=True):
        group.update(saved)
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def save(
    path: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    selected: dict[str, torch.Tensor] | None,
    traced: dict[str, torch.Tensor],
    note: dict[str, Any],
) -> None:
    """Write a checkpoint, whole or not at all; `traced` is `losses` and `digests` [steps] of the steps so far."""
    state, scalars = optimizer_tensors(optimizer)
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"optimizer/{name}": tensor for name, tensor in state.items()}
    tensors |= {f"selected/{name}": tensor for name, tensor in (selected or {}).items()}
    tensors |= {f"trace/{name}": tensor for name, tensor in traced.items()}
    weights.save_tensors(path, tensors, {**note, "optimizer": scalars})


def is_of_this_code(path: Path) -> bool:
    """Was a checkpoint written by the engine's code that is here, or by code certified to make the same bits?"""
    _, note = weights.load_tensors(path)
    return is_equal(str(note.get("code")), ENGINE_VERSION)


def load(
    path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, torch.Tensor] | None, dict[str, torch.Tensor], dict[str, Any]]:
    """Read a checkpoint back into model and optimizer; returns the chosen weights so far, the trace and the note.

    Where a live snapshot continues it (see `live`), the run is where the snapshot is.
    """
    tensors, note = weights.load_tensors(path)
    by_kind: dict[str, dict[str, torch.Tensor]] = {"model": {}, "optimizer": {}, "selected": {}, "trace": {}}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        by_kind.setdefault(kind, {})[rest] = tensor
    if by_kind["trace"].keys() != {"losses", "digests"}:
        raise UserError(f"{path}: written by another version of mlintern; delete it and run again")
    if (newer := live.read(path.with_name(live.LIVE_FILE), note["step"])) is not None:
        note["step"], tensors, losses, digests = newer
        for name, tensor in tensors.items():
            kind, _, rest = name.partition("/")
            by_kind[kind][rest] = tensor
        traced = by_kind["trace"]
        traced["losses"] = torch.cat([traced["losses"], losses])
        traced["digests"] = torch.cat([traced["digests"], torch.from_numpy(folded(digests.numpy()))])
    model.load_state_dict(by_kind["model"])
    restore_optimizer(optimizer, by_kind["optimizer"], note.pop("optimizer"))
    return by_kind["selected"] or None, by_kind["trace"], note


class Cadence:
    """When to write the next checkpoint: every `seconds`, and never so often that writing takes over 5 % of the time.

    The clock decides only when a checkpoint is written, never what a step computes, so it cannot change a bit.
    """

    def __init__(self, seconds: float):
        self.seconds, self._cost, self._last = seconds, 0.0, time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._last >= max(self.seconds, 20 * self._cost)

    def affordable(self) -> bool:
        """May one be written before its time, within the 5 %?"""
        return time.monotonic() - self._last >= 20 * self._cost

    def wrote(self, cost: float) -> None:
        """Note that a checkpoint took `cost` seconds to write."""
        self._cost, self._last = cost, time.monotonic()
