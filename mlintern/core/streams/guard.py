"""The guard: generated code draws from the engine's streams or not at all.

Within a step, torch's default generator belongs to dropout, which has the step's key. Whatever else draws from it there
(`torch.randn_like` in a variational layer, say) would shift the units that dropout drops, so every such draw gets a
stream of its own, keyed by the step and its turn in it, and the default generator is put back. Draws from the global
generators of numpy and `random`, and from the system's entropy, are no function of anything that is recorded: they
are refused by name, and the message says what to use instead.

While the guard is on, the drawing functions are replaced by ones that ask whether a step is being computed; code that
runs between steps (loggers, metrics, progress) and code with a generator of its own is passed through. What a pack
imported by name (`from torch import randn`) is replaced where the pack holds it. Nothing else is touched, so that a
step without draws costs what it cost.
"""

import contextlib
import functools
import os
import random
import secrets
import sys
import threading
import uuid
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from mlintern.core.errors import UserError
from mlintern.core.streams import seeding

_TORCH = (
    "rand randn randint randperm normal bernoulli multinomial poisson binomial rand_like randn_like randint_like "
    "_standard_gamma _sample_dirichlet"
).split()
_TENSOR = (
    "normal_ uniform_ bernoulli_ exponential_ log_normal_ cauchy_ geometric_ random_ bernoulli multinomial".split()
)
_REFUSED: tuple[tuple[Any, Sequence[str]], ...] = (
    (torch, ("manual_seed", "seed")),
    (np.random, [n for n in np.random.mtrand.__all__ if n not in ("RandomState", "BitGenerator", "get_state")]),
    (np.random, ("default_rng",)),
    (random, [n for n in random.__all__ if n not in ("Random", "SystemRandom", "getstate")]),
    (os, ("urandom", "getrandom")),
    (uuid, ("uuid1", "uuid4")),
    (secrets, [n for n in secrets.__all__ if n not in ("SystemRandom", "compare_digest")]),
)
_LIBRARIES = "torch numpy lightning builtins mlintern functools typing abc collections".split()


class Streams:
    """Which stream generated code draws from right now, if any; one per process."""

    def __init__(self) -> None:
        self.key: tuple[Any, ...] | None = None
        """(seed, name, *counters) while a step or an evaluation is computed."""
        self.turn = 0
        self.thread = 0

    def of(self, seed: int, name: str, *counters: int) -> "_Within":
        """A context in which generated code draws from this stream."""
        return _Within(self, (seed, name, *counters))

    def drawing(self) -> bool:
        """Is generated code running? Not between steps, and not in other threads (a logger's, say)."""
        return self.key is not None and threading.get_ident() == self.thread

    def next_key(self) -> tuple[Any, ...]:
        """The key of the next draw: its turn in the block."""
        assert self.key is not None
        self.turn += 1
        return (*self.key, "draw", self.turn)


class _Within:
    """One block's stream; a class, because a generator-based context costs as much as the rest of a step's guard."""

    __slots__ = ("_before", "_key", "_streams")

    def __init__(self, streams: Streams, key: tuple[Any, ...]):
        self._streams, self._key = streams, key

    def __enter__(self) -> None:
        streams = self._streams
        self._before = streams.key, streams.turn, streams.thread
        streams.key, streams.turn, streams.thread = self._key, 0, threading.get_ident()

    def __exit__(self, *_: object) -> None:
        streams = self._streams
        streams.key, streams.turn, streams.thread = self._before


STREAMS = Streams()


_INHERITED = object()


class _Replacements:
    """Drawing functions that stand in for the real ones, and the way back."""

    def __init__(self) -> None:
        self.instead: dict[Any, Callable[..., Any]] = {}
        self._places: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, by: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Replace `owner.name` by what `by` makes of it, unless it is not there or a guard is on already."""
        original = getattr(owner, name, None)
        if original is not None and original not in _STANDING_IN:
            self.instead[original] = by(original)
            _STANDING_IN.add(self.instead[original])
            self._set(owner, name, self.instead[original])

    def put_by_name(self, module: Any) -> None:
        """Replace what a module imported by name."""
        for name, value in list(vars(module).items()):
            if isinstance(value, Hashable) and value in self.instead:
                self._set(module, name, self.instead[value])

    def _set(self, owner: Any, name: str, value: Any) -> None:
        self._places.append((owner, name, vars(owner).get(name, _INHERITED)))
        setattr(owner, name, value)

    def undo(self) -> None:
        for owner, name, original in reversed(self._places):
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        _STANDING_IN.difference_update(self.instead.values())


_STANDING_IN: set[Callable[..., Any]] = set()


@contextlib.contextmanager
def on(*parts: object, torch_draws: bool = True) -> Iterator[None]:
    """Guard the block. `parts` (model, loss, method, …) say in which modules by-name imports are looked for.

    Without `torch_draws`, torch's are left as they are: while a model is initialised they have keys of their own.
    """
    replacements = _Replacements()
    try:
        if torch_draws:
            for name in _TORCH:
                replacements.put(torch, name, _forked)
            for name in _TENSOR:
                replacements.put(torch.Tensor, name, _forked)
        for owner, names in _REFUSED:
            for name in names:
                replacements.put(owner, name, functools.partial(_refused, name=f"{owner.__name__}.{name}"))
        for module in written(parts):
            replacements.put_by_name(module)
        yield
    finally:
        replacements.undo()


@contextlib.contextmanager
def of_data(part: object, key: str) -> Iterator[None]:
    """Guard what is done to data (`key`: data.preprocess, data.view), which has no step and no stream to draw from.

    Every draw from a global generator is refused, torch's too; one that gets at a generator by another way is known by
    the state that it leaves.
    """
    replacements = _Replacements()
    before = _global_states()
    try:
        with STREAMS.of(0, "data"):
            named = [*_REFUSED, (torch, _TORCH), (torch.Tensor, _TENSOR)]
            for owner, names in named:
                for name in names:
                    says = f"{owner.__name__}.{name}"
                    replacements.put(owner, name, functools.partial(_refused_of_data, name=says, key=key))
            for module in written((part,)):
                replacements.put_by_name(module)
            yield
    finally:
        replacements.undo()
    if _global_states() != before:
        raise UserError(_of_data(f"{key}: {type(part).__name__} draws from a global generator"))


def _global_states() -> list[bytes]:
    """What the global generators of torch, numpy and Python are at."""
    state: Any = np.random.get_state()  # noqa: NPY002 - what others' code may have drawn from
    torchs = torch.default_generator.get_state().numpy().tobytes()
    return [torchs, state[1].tobytes(), repr(state[2:]).encode(), repr(random.getstate()).encode()]


def _of_data(what: str) -> str:
    return (
        f"{what}; what is done to data must be a function of them and of its configuration: draw from "
        "np.random.default_rng(seed), with a seed among its keys"
    )


def _refused_of_data(draw: Callable[..., Any], name: str, key: str) -> Callable[..., Any]:
    """`draw`, refused unless it is given a generator or a seed."""

    @functools.wraps(draw)
    def refusing(*args: Any, **kwargs: Any) -> Any:
        seeded = name.endswith("default_rng") and (args[0] if args else kwargs.get("seed")) is not None
        if seeded or kwargs.get("generator") is not None or not STREAMS.drawing():
            return draw(*args, **kwargs)
        frame = sys._getframe(1)
        where = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        raise UserError(_of_data(f"{key}: {where}: {name} draws from a global generator"))

    return refusing


def written(parts: Sequence[object]) -> list[Any]:
    """The modules of code that somebody wrote for this run: those of its parts' classes, libraries left out."""
    classes = {type(part) for part in parts}
    classes |= {type(module) for part in parts if isinstance(part, torch.nn.Module) for module in part.modules()}
    names = {base.__module__ for kind in classes for base in kind.__mro__}
    return [sys.modules[n] for n in sorted(names) if n.split(".")[0] not in _LIBRARIES and n in sys.modules]


def _forked(draw: Callable[..., Any]) -> Callable[..., Any]:
    """`draw` on a stream of its own, where a step is being computed and no generator is given."""

    @functools.wraps(draw)
    def keyed(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("generator") is not None or not STREAMS.drawing():
            return draw(*args, **kwargs)
        with seeding.fork_torch(*STREAMS.next_key()):
            return draw(*args, **kwargs)

    return keyed


def _refused(draw: Callable[..., Any], name: str) -> Callable[..., Any]:
    """`draw`, refused where a step is being computed; a generator that is given a seed is not refused."""

    @functools.wraps(draw)
    def refusing(*args: Any, **kwargs: Any) -> Any:
        seeded = name.endswith("default_rng") and (args[0] if args else kwargs.get("seed")) is not None
        if seeded or not STREAMS.drawing():
            return draw(*args, **kwargs)
        frame = sys._getframe(1)
        where = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        raise UserError(
            f"{where}: {name} is no function of the run's seed and step; draw with torch, which the engine keys by "
            "step, or from the generator that a method or an augmentation is given"
        )

    return refusing
