"""Weights as bytes: hashing them and keeping them without pickle."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mlintern.core import files
from mlintern.core.errors import Damaged, UserError
from mlintern.core.records import packed

MOST_BYTES = 1 << 40
_MEND = "delete it and run again"


def weights_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """sha256 over names, types, shapes and bytes of a state dict, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()


class Held:
    """The tensors of a model's state dict, looked up where the modules hold them: a fraction of `state_dict()`'s cost.

    They are looked up anew at every call: `module.buffer = …` and `parameter.data = …` put others in their place.
    """

    def __init__(self, model: torch.nn.Module):
        self.names: list[str] = []
        self._places: list[tuple[dict[str, Any], str]] = []
        self._model = model
        for prefix, module in model.named_modules(remove_duplicate=False):
            persistent = [name for name in module._buffers if name not in module._non_persistent_buffers_set]
            for holder, names in ((module._parameters, list(module._parameters)), (module._buffers, persistent)):
                kept = [name for name in names if holder[name] is not None]
                self.names += [f"{prefix}.{name}" if prefix else name for name in kept]
                self._places += [(holder, name) for name in kept]
        state = {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
        self._by_place = set(self.names) == set(state)  # not so where a module writes its state dict by itself
        if not self._by_place:
            self.names = list(state)

    def tensors(self) -> list[torch.Tensor]:
        """The tensors now, in the order of `names`; a module that shares one with another lends it twice."""
        if self._by_place:
            return [holder[name] for holder, name in self._places]
        state = self._model.state_dict()
        return [state[name] for name in self.names]


def snapshot(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the model's state that later steps do not change."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], note: Mapping[str, Any]) -> None:
    """One safetensors file with a JSON note in its header, written whole or not at all."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with files.atomic_path(path) as draft:
        try:
            save_file(plain, draft, metadata={"note": json.dumps(note, sort_keys=True)})
        except SafetensorError as error:  # how the library reports a full disk
            raise UserError(f"cannot write {path}: {error}; free some space or choose another folder") from error


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and note of a file written by `save_tensors`; Damaged names the file if it is broken or no plain one."""
    from safetensors import safe_open

    packed.tensors(path, MOST_BYTES, _MEND)
    try:
        with safe_open(path, framework="pt") as handle:
            note = json.loads((handle.metadata() or {})["note"])
        if not isinstance(note, dict):
            raise KeyError("note")
        return load_file(path), note
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise Damaged(f"{path}: not a readable checkpoint ({error}); {_MEND}") from None
