"""What can be seen of a model from outside: its module tree, and the state that it shares with others of its kind."""

import sys
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn


def module_tree(model: nn.Module) -> dict[str, str]:
    """{name: what it is} for every module, its plain attributes (under the name and a dot), parameters and buffers."""
    found = {n or "(model)": f"{type(m).__name__}({m.extra_repr()})" for n, m in model.named_modules()}
    found.update({name: f"parameter {tuple(parameter.shape)}" for name, parameter in model.named_parameters()})
    found.update({name: f"buffer {tuple(buffer.shape)}" for name, buffer in model.named_buffers()})
    for name, module in model.named_modules():
        plain = {
            k: v for k, v in vars(module).items() if isinstance(v, (bool, int, float, str)) and not k.startswith("_")
        }
        found[f"{name}." if name else "(model)."] = repr(sorted(plain.items()))
    return found


def shared_state(modules: list[str]) -> Iterator[tuple[str, str]]:
    """(name, content) of the globals of these loaded modules and of the attributes of their classes and functions."""
    for name in modules:
        for key, value in vars(sys.modules[name]).items():
            if key.startswith("__") or isinstance(value, types.ModuleType):
                continue
            if isinstance(value, (type, types.FunctionType)):
                if value.__module__ != name:
                    continue
                for inner, content in vars(value).items():
                    if not inner.startswith("__") and not callable(content):
                        yield f"{key}.{inner}", _snapshot(content)
            else:
                yield key, _snapshot(value)


def _snapshot(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"tensor {tuple(value.shape)} {value.detach().double().sum().item()!r}"
    return repr(value)
