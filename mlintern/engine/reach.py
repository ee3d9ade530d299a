"""What a step's gradient reaches: a weight that no optimizer has stays as it was initialised, and nothing says so.

torch lists a module's weights by how they are kept: layers in a plain list and tensors that are no `nn.Parameter` are
in none, so that a model computes with them, and nothing ever trains, saves or seals them.
"""

from collections.abc import Iterator

import torch
from torch import nn

from mlintern.core.errors import UserError

NAMED = 3
"""Weights that a note names."""


def check(loss: torch.Tensor, model: nn.Module, trained: frozenset[str], *others: object) -> None:
    """Refuse a loss computed from weights that are none of the model's `trained` parameters, by name.

    `others` are what else the step is made of: the loss and the method, whose own weights no optimizer has either.
    """
    known = {id(p) for name, p in model.named_parameters(remove_duplicate=False) if name in trained}
    kept = {id(tensor) for owner in (*model.modules(), *others) for tensor in _kept(owner)}
    for leaf in _leaves(loss):
        if id(leaf) not in known and (isinstance(leaf, nn.Parameter) or id(leaf) in kept):
            raise UserError(
                f"model: the loss is computed from a weight {list(leaf.shape)} that the model does not list as its "
                "own, so that nothing would train it; make layers in __init__ and keep them in nn.ModuleList (no plain "
                "list), tensors in nn.Parameter, and what loss or method learn in the model"
            )


def without_gradient(model: nn.Module) -> set[str]:
    """Names of the parameters that are to be trained and have no gradient."""
    return {name for name, p in model.named_parameters() if p.requires_grad and p.grad is None}


def notes(never: set[str]) -> list[str]:
    """A note on parameters that no gradient reached; none where there are none."""
    if not never:
        return []
    named = sorted(never)
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return [
        f"model: no gradient reaches {', '.join(named[:NAMED])}{more} in a step, so that they stay as initialised; if "
        "that is meant, requires_grad_(False) says so"
    ]


def _leaves(loss: torch.Tensor) -> Iterator[torch.Tensor]:
    """Every tensor that a backward pass from the loss would give a gradient."""
    seen, waiting = set(), [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            yield leaf
        waiting += [before for before, _ in node.next_functions]


def _kept(owner: object) -> Iterator[torch.Tensor]:
    """Tensors among an object's attributes, in their lists and dictionaries too."""
    for value in getattr(owner, "__dict__", {}).values():
        several = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
        yield from (item for item in several if isinstance(item, torch.Tensor))
