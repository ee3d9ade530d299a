"""Ranges and units of a composed configuration, checked before data are prepared and without torch.

What comes with the engine and can be made without torch (schedules, augmentations) is made here, and says itself what
it refuses; arguments of torch's classes and of the rest stand in a table. A pack's own classes check their own.
"""

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlintern.core.errors import UserError
from mlintern.core.ranges import NOT_NEGATIVE, POSITIVE, SHARE, Range
from mlintern.engine import schedules
from mlintern.engine.config import CellConfig

_WITHOUT_TORCH = ("mlintern.engine.schedules", "mlintern.engine.augments")
LARGEST_LR = 1000.0
"""No optimizer of torch's learns anything at a larger one: a unit is mistaken, or an exponent has lost its sign."""

_LR = Range(0, LARGEST_LR, open_low=True)
_OPTIMIZER = {
    "lr": _LR,
    "weight_decay": NOT_NEGATIVE,
    "momentum": SHARE,
    "dampening": Range(0, 1),
    "eps": NOT_NEGATIVE,
    "rho": SHARE,
    "lr_decay": NOT_NEGATIVE,
    "initial_accumulator_value": NOT_NEGATIVE,
    "momentum_decay": NOT_NEGATIVE,
    "max_iter": Range(1, whole=True),
    "history_size": Range(1, whole=True),
}
ARGUMENTS: dict[str, dict[str, Range]] = {
    "torch.optim.": _OPTIMIZER,
    "torch.optim.RMSprop": {"alpha": SHARE},
    "torch.nn.": {
        "label_smoothing": SHARE,
        "delta": POSITIVE,
        "beta": NOT_NEGATIVE,
        "margin": NOT_NEGATIVE,
        "p": Range(1, 2, whole=True),
    },
    "mlintern.engine.methods.Mixup": {"alpha": Range(0, open_low=True, fix="for no mixing use method=supervised")},
    "mlintern.data.preprocess.Scale": {"factor": POSITIVE},
    "mlintern.data.views.PermutePositions": {
        "length": Range(1, whole=True),
        "numpy_seed": Range(0, 2**32 - 1, whole=True),
    },
}
"""{target, or the beginning of targets that ends in a dot: {argument: what it may be}}; the longest that fits counts,
and those of the others that it does not name."""


def check_finite(plain: Mapping[str, Any]) -> None:
    """Raises UserError naming the first number of a plain configuration that is none."""
    for key, value in _numbers({name: group for name, group in plain.items() if name != "paper"}):
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{key}={value}: must be a finite number")


def check(config: CellConfig) -> None:
    """Ranges of the arguments of what is built; raises UserError naming the key."""
    parts = {name: getattr(config, name) for name in ("optimizer", "scheduler", "loss", "augment", "method")}
    parts |= {"data.preprocess": config.data.preprocess, "data.view": config.data.view}
    parts |= {f"metrics.{name}": item for name, item in config.metrics.items()}
    for where, part in parts.items():
        check_arguments(where, part)
        made_without_torch(where, part)
    _check_betas(config.optimizer)
    _check_weights(config.loss)
    _check_decay(config.optimizer)


def check_cell(config: CellConfig) -> None:
    """What the values of one cell must be to each other; raises UserError naming the keys."""
    batch, size = config.trainer.batch_size, config.data.train_size
    if (schedule := made_without_torch("scheduler", config.scheduler)) is not None:
        schedules.check(schedule, config.trainer.max_steps)
    if size is not None and batch > size:
        raise UserError(
            f"trainer.batch_size={batch}: data.train_size={size} leaves fewer training rows; use at most {size}"
        )


def notes(config: CellConfig) -> list[str]:
    """What is no mistake, and may not be what was meant."""
    every, last = config.trainer.eval_every, config.trainer.max_steps
    if every is not None and every > last:
        return [f"trainer.eval_every={every} is beyond trainer.max_steps={last}: evaluated at the end only"]
    return []


def check_arguments(where: str, part: Any) -> None:
    """Hold the arguments of one group's class against the table."""
    if not isinstance(part, Mapping):
        return
    target = str(part.get("_target_", ""))
    fitting = [name for name in ARGUMENTS if target == name or (name.endswith(".") and target.startswith(name))]
    known = {key: allowed for name in sorted(fitting, key=len) for key, allowed in ARGUMENTS[name].items()}
    for key, allowed in known.items():
        if part.get(key) is not None:
            allowed.check(f"{where}.{key}", part[key])


def made_without_torch(where: str, part: Any) -> Any:
    """The object of a group whose class needs no torch to be made; None for any other."""
    target = str(part.get("_target_", "")) if isinstance(part, Mapping) else ""
    module, _, name = target.rpartition(".")
    if module not in _WITHOUT_TORCH:
        return None
    made = getattr(importlib.import_module(module), name, None)
    arguments = {key: value for key, value in part.items() if not key.startswith("_")}
    if made is None:
        raise UserError(f"{where}: {target}: {module} has no {name}")
    try:
        return made(**arguments)
    except TypeError as error:
        said = str(error).replace(f"{name}.__init__() ", "")
        raise UserError(f"{where}: {target} cannot be built ({said}); check its keys") from None


def _check_betas(optimizer: Mapping[str, Any]) -> None:
    if not str(optimizer.get("_target_", "")).startswith("torch.optim.") or optimizer.get("betas") is None:
        return
    betas = optimizer["betas"]
    if not isinstance(betas, Sequence) or isinstance(betas, str) or len(betas) != 2 or not all(map(SHARE.holds, betas)):
        raise UserError(f"optimizer.betas={betas}: must be two numbers at least 0 and below 1, like [0.9,0.999]")


def _check_weights(loss: Any) -> None:
    if not isinstance(loss, Mapping) or not str(loss.get("_target_", "")).startswith("torch.nn."):
        return
    for key in ("weight", "pos_weight"):
        weights = loss.get(key)
        if weights is None:
            continue
        listed = isinstance(weights, Sequence) and not isinstance(weights, str)
        if not listed or not all(map(NOT_NEGATIVE.holds, weights)) or not any(weights):
            raise UserError(
                f"loss.{key}={weights}: must be a list of numbers at least 0, not all of them 0, like [1.0,2.5]"
            )


def _check_decay(optimizer: Mapping[str, Any]) -> None:
    """Where weights decay by lr x weight_decay a step, that is a share of them."""
    if str(optimizer.get("_target_", "")) not in ("torch.optim.SGD", "torch.optim.AdamW"):
        return
    lr, decay = optimizer.get("lr"), optimizer.get("weight_decay")
    if lr is not None and decay is not None and lr * decay >= 1:
        raise UserError(
            f"optimizer.weight_decay={decay}: with optimizer.lr={lr} each step takes all of a weight, and more; give "
            f"less than {1 / lr:g}"
        )


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything in nested mappings and lists."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for i, item in enumerate(value):
            yield from _numbers(item, f"{key}[{i}]")
    else:
        yield key, value
