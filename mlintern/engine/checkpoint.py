"""Checkpoints: one safetensors file with everything that the stateless recipe needs, at any step.

There is no generator state in it, because there is none: position and seed are enough. What is kept is the model, the
optimizer's tensors, the chosen weights so far, the losses, and a JSON note (step, evaluations, counters). No pickle.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mlintern.core.errors import Damaged, UserError
from mlintern.engine import ENGINE_VERSION, live, weights
from mlintern.engine.source import is_equal
from mlintern.engine.trace import folded

CHECKPOINT_FILE = "checkpoint.safetensors"
SEAL = "sha256"
_SCALARS = (int, float, bool, str, type(None))


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """An optimizer's state as named tensors and JSON scalars; what is neither, nor a list of them, is refused by name.

    A list is `[its length]` among the scalars, and its items stand below its name.
    """
    tensors: dict[str, torch.Tensor] = {}
    scalars: dict[str, Any] = {}
    state = optimizer.state_dict()

    def put(place: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            tensors[place] = value
        elif isinstance(value, _SCALARS):
            scalars[place] = value
        elif isinstance(value, list):
            scalars[place] = [len(value)]
            for number, item in enumerate(value):
                put(f"{place}/{number}", item)
        else:
            raise UserError(
                f"optimizer {type(optimizer).__name__}: its state {place.split('/')[1]!r} is a {type(value).__name__}, "
                "which cannot be checkpointed without pickle; keep tensors, numbers and lists of them"
            )

    for index, entries in state["state"].items():
        for name, value in entries.items():
            put(f"{index}/{name}", value)
    groups = [
        {name: value for name, value in group.items() if isinstance(value, _SCALARS)} for group in state["param_groups"]
    ]
    return tensors, {"state": scalars, "groups": groups}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], scalars: dict[str, Any]
) -> None:
    """Put a saved state back into a freshly built optimizer."""
    state: dict[int, dict[str, Any]] = {}
    values = {**tensors, **scalars["state"]}
    items = {f"{place}/{n}" for place, value in values.items() if isinstance(value, list) for n in range(value[0])}

    def got(place: str) -> Any:
        value = values[place]
        return [got(f"{place}/{n}") for n in range(value[0])] if isinstance(value, list) else value

    for place in (place for place in values if place not in items):
        index, entry = place.split("/", 1)
        state.setdefault(int(index), {})[entry] = got(place)
    groups = optimizer.state_dict()["param_groups"]
    for group, saved in zip(groups, scalars["groups"], strict=True):
        group.update(saved)
    optimizer.load_state_dict({"state": state, "param_groups": groups})


@dataclasses.dataclass
class Saved:
    """What a checkpoint holds, and its live snapshot where there is a newer one."""

    model: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    selected: dict[str, torch.Tensor]
    """The chosen weights so far; empty where none were chosen."""
    trace: dict[str, torch.Tensor]
    """`losses` and `digests` [steps] of the steps so far."""
    note: dict[str, Any]

    def put_into(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Put the state back into a freshly built model and optimizer."""
        model.load_state_dict(self.model)
        restore_optimizer(optimizer, self.optimizer, self.note["optimizer"])


def save(
    path: Path,
    identity: str,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    selected: dict[str, torch.Tensor] | None,
    traced: dict[str, torch.Tensor],
    note: dict[str, Any],
) -> None:
    """Write a checkpoint, whole or not at all, sealed; `identity` says which run it is of."""
    state, scalars = optimizer_tensors(optimizer)
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"optimizer/{name}": tensor for name, tensor in state.items()}
    tensors |= {f"selected/{name}": tensor for name, tensor in (selected or {}).items()}
    tensors |= {f"trace/{name}": tensor for name, tensor in traced.items()}
    note = {**note, "optimizer": scalars, "run": identity}
    weights.save_tensors(path, tensors, {**note, SEAL: _seal(tensors, note)})


def read(path: Path, identity: str, model: torch.nn.Module) -> Saved:
    """What a checkpoint of the run `identity` holds, from the live snapshot that continues it where there is one.

    Raises Damaged where it is not as it was written, or of another run; nothing is changed by then.
    """
    tensors, note = weights.load_tensors(path)
    if note.get(SEAL) != _seal(tensors, note):
        raise Damaged(f"{path}: was changed after it was written, or is of another version")
    if note["run"] != identity:
        raise Damaged(f"{path}: is of another run")
    if not is_equal(str(note["code"]), ENGINE_VERSION):
        raise Damaged(f"{path}: was written by other code of the engine")
    by_kind: dict[str, dict[str, torch.Tensor]] = {"model": {}, "optimizer": {}, "selected": {}, "trace": {}}
    _sort(tensors, by_kind)
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if {name: tensor.shape for name, tensor in by_kind["model"].items()} != expected:
        raise Damaged(f"{path}: is of another model")
    newer = live.read(path.with_name(live.LIVE_FILE), identity, note["step"])
    if newer is not None and {n for n in newer[1] if n.startswith("model/")} == {f"model/{n}" for n in expected}:
        note["step"], tensors, losses, digests = newer
        _sort(tensors, by_kind)
        traced = by_kind["trace"]
        traced["losses"] = torch.cat([traced["losses"], losses])
        traced["digests"] = torch.cat([traced["digests"], torch.from_numpy(folded(digests.numpy()))])
    return Saved(**by_kind, note=note)


def _sort(tensors: Mapping[str, torch.Tensor], by_kind: dict[str, dict[str, torch.Tensor]]) -> None:
    """Put tensors named `kind/name` where their kind belongs."""
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        by_kind[kind][rest] = tensor


def _seal(tensors: Mapping[str, torch.Tensor], note: Mapping[str, Any]) -> str:
    """Hash of everything in a checkpoint."""
    text = json.dumps({name: value for name, value in note.items() if name != SEAL}, sort_keys=True)
    return hashlib.sha256(f"{weights.weights_sha256(tensors)}:{text}".encode()).hexdigest()


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
