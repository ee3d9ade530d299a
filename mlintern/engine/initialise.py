"""Initial weights that depend on the seed and the parameter's name, not on what else the model holds.

A module's constructor may draw as it likes (`nn.Linear`, `nn.init.*`, `nn.Parameter(torch.randn(...))`). The model is
built twice: the first pass learns which parameter each draw ends up in, the second sets the generator to
key(seed, "init", that parameter's name, its how-manieth draw) just before the draw. So adding an unused layer, or a
stray draw elsewhere, leaves every other weight as it was.
"""

import functools
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from mlintern.core.errors import UserError
from mlintern.core.streams import guard, seeding

_IN_PLACE = {
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
    torch.Tensor.bernoulli_,
    torch.Tensor.exponential_,
    torch.Tensor.log_normal_,
    torch.Tensor.cauchy_,
    torch.Tensor.geometric_,
    torch.Tensor.random_,
}
_FACTORIES = {torch.rand, torch.randn, torch.randint, torch.randperm, torch.normal, torch.bernoulli, torch.multinomial}
_FACTORIES |= {torch.rand_like, torch.randn_like, torch.randint_like}


_INITIALISERS = {name: getattr(nn.init, name) for name in dir(nn.init) if name.endswith("_") and name[0] != "_"}


class _Draws(TorchFunctionMode):
    """Sees every random call of a constructor; calls `before(i)` ahead of the i-th one and keeps the tensor it fills.

    A function of torch.nn.init counts as one draw, whatever it draws inside: several fill buffers first, and their
    number of draws depends on chance. While the mode is on, torch.nn.init holds stand-ins that say so.
    """

    on: "_Draws | None" = None
    """The mode that sees draws right now."""

    def __init__(self, before: Callable[[int], None] | None = None):
        super().__init__()
        self.before = before
        self.targets: list[torch.Tensor] = []
        self.inside = False

    def __enter__(self) -> Any:
        _Draws.on = self
        for name, stand_in in _STAND_INS.items():
            setattr(nn.init, name, stand_in)
        return super().__enter__()

    def __exit__(self, *problem: Any) -> None:
        super().__exit__(*problem)
        _Draws.on = None
        for name, function in _INITIALISERS.items():
            setattr(nn.init, name, function)

    def drawing(self, draw: Callable[[], Any], filled: torch.Tensor | None) -> Any:
        """Make one draw, keyed, unless it is part of another."""
        if self.inside:
            return draw()
        if self.before is not None:
            self.before(len(self.targets))
        self.inside = True
        try:
            result = draw()
        finally:
            self.inside = False
        self.targets.append(result if filled is None else filled)
        return result

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _IN_PLACE:
            return self.drawing(lambda: func(*args, **kwargs), args[0])
        if func in _FACTORIES:
            return self.drawing(lambda: func(*args, **kwargs), None)
        return func(*args, **kwargs)


def _stand_in(function: Callable[..., Any]) -> Callable[..., Any]:
    """An initialiser that is one draw while a mode sees draws, and else what it always was."""

    @functools.wraps(function)
    def initialiser(*args: Any, **kwargs: Any) -> Any:
        if _Draws.on is None:
            return function(*args, **kwargs)
        filled = args[0] if args else kwargs.get("tensor")
        return _Draws.on.drawing(lambda: function(*args, **kwargs), filled)

    return initialiser


_STAND_INS = {name: _stand_in(function) for name, function in _INITIALISERS.items()}
_BY_FUNCTION = {function: _STAND_INS[name] for name, function in _INITIALISERS.items()}


def _replace_imported(model: nn.Module) -> bool:
    """Put the stand-ins where the model's own code imported initialisers by name; did it?

    They stay there: outside of a constructor they are the functions that they stand for.
    """
    found = False
    for module in guard.written([model]):
        for name, value in list(vars(module).items()):
            if isinstance(value, Hashable) and value in _BY_FUNCTION:
                setattr(module, name, _BY_FUNCTION[value])
                found = True
    return found


def _owners(model: nn.Module) -> dict[int, str]:
    """{address of storage: name} of every parameter and buffer; a tied parameter goes by its first name."""
    named = [*model.named_parameters(), *model.named_buffers()]
    owners: dict[int, str] = {}
    for name, tensor in named:
        owners.setdefault(tensor.untyped_storage().data_ptr(), name)
    return owners


def build(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a model with initial weights keyed by (seed, parameter name).

    `make` constructs the module; it is called twice and must construct the same thing both times.
    Raises UserError if it does not, or if what it builds is not an nn.Module.
    """
    with seeding.fork_torch(seed, "init", "first-pass"), _Draws() as first:
        model = make()
    if not isinstance(model, nn.Module):
        raise UserError(f"model: {type(model).__name__} is not a torch.nn.Module; a variant must be one")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise UserError(
                f"model: {name} has no size before the first batch, and weights are made before it; say the size, with "
                "nn.Linear and its kind in place of nn.LazyLinear"
            )
    if _replace_imported(model):
        return build(make, seed)
    owners = _owners(model)
    names = [owners.get(target.untyped_storage().data_ptr(), "") for target in first.targets]
    seen: Counter[str] = Counter()
    keys: list[tuple[str, int]] = []
    for name in names:  # a draw that ends in no parameter (a scaled randn, say) is keyed by its turn among such draws
        keys.append((name, seen[name]))
        seen[name] += 1

    def before(i: int) -> None:
        if i >= len(keys):
            raise UserError("model: its constructor draws differently each time it is called; it must not")
        seeding.reseed_default(seed, "init", *keys[i])

    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    with (
        guard.on(model, torch_draws=False),
        guard.STREAMS.of(seed, "init"),
        seeding.fork_torch(seed, "init", "second-pass"),
        _Draws(before) as second,
    ):
        del model, first
        model = make()
    if len(second.targets) != len(keys) or shapes != {k: tuple(v.shape) for k, v in model.state_dict().items()}:
        raise UserError("model: its constructor builds something else each time it is called; it must not")
    return model
