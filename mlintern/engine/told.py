"""What the process of a training tells of itself: the part of a record that nobody else can know.

It is written by code that runs beside the pack's, and is read as such: sizes and types are checked, what can be had
another way is, and what cannot is marked in the record as told by the worker.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.core.plain import parse_json, read_plain

TOLD_FILE = "told.json"
SELECTED_FILE = "selected.safetensors"
"""The chosen weights, as training left them: sealed when they are copied to where the record is."""
MOST_BYTES = 64 << 20
_MEND = "delete the cell's folder and run again"

_GUARD = "guard its logarithms, roots, divisions and exponentials (clamp, eps)"
CAUSES = {
    "outputs": f"the model's outputs were not finite though its weights were; in the model, {_GUARD}",
    "loss": f"the model's outputs were finite; in the loss, {_GUARD}",
    "gradients": "the step before had gradients that are not finite of a loss that is, as a root or a norm at 0 gives; "
    f"in model and loss, {_GUARD}",
    "update": "the step before made weights that are not finite of gradients that are; lower the learning rate "
    "(optimizer.lr), or raise the optimizer's eps",
    "growth": "loss or weights had grown a hundredfold before; try a lower learning rate (optimizer.lr), or clip "
    "gradients (trainer.clip_norm)",
    "sudden": "the loss had not grown before, so that a lower learning rate may change nothing; in model and loss, "
    f"{_GUARD}",
}
"""What came first where a loss is not finite, and what to do; see `mlintern.engine.divergence`."""


def why(step: int, cause: str) -> str:
    """What a record says of a loss that is not finite from `step` on."""
    first = "in the first step, at the initial weights" if step == 0 else f"from step {step} on"
    return f"the loss is not finite {first}" + (f": {CAUSES[cause]}" if cause in CAUSES else "")


@dataclasses.dataclass(frozen=True)
class Told:
    """How a training went, by its own account."""

    steps: int
    """Steps done."""
    step: int
    """The step whose weights were chosen."""
    value: float | None
    """What they were chosen for; None where the last weights are taken."""
    history: list[dict[str, Any]]
    """Learning curve: one row per evaluation and part that training may see."""
    loss_chain_sha256: str
    wall_s: float
    peak_memory_bytes: int
    parameters: int
    probes: list[str]
    """Names of the probes among `metrics`."""
    cause: str = ""
    """Why the loss ceased to be finite, one of `CAUSES`; empty where it did not, or where that is not known."""

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all; numbers that JSON does not have are text."""
        files.write_json(folder / TOLD_FILE, plain(self))


def plain(told: Told) -> dict[str, Any]:
    """As JSON has it."""
    value: dict[str, Any] = _spelt(dataclasses.asdict(told))
    return value


def read(folder: Path) -> Told:
    """What a training told; raises UserError where that is not readable as such."""
    path = folder / TOLD_FILE
    return from_plain(parse_json(read_plain(path, MOST_BYTES, mend=_MEND), path, _MEND), path)


def from_plain(value: Any, path: Path) -> Told:
    """The inverse of `plain`; raises UserError that names `path`."""
    try:
        told = Told(**{name: _number(item) for name, item in value.items()})
        if not isinstance(told.history, list):
            raise ValueError("history")
        told = dataclasses.replace(told, history=[_row(row) for row in told.history])
        for name, fits in _FITS.items():
            if not fits(getattr(told, name)):
                raise ValueError(name)
        return told
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise UserError(f"{path}: not what a training tells ({str(error)[:200]}); {_MEND}") from None


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _amount(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


_FITS: dict[str, Callable[[Any], bool]] = {
    "steps": _count,
    "step": _count,
    "value": lambda value: value is None or _amount(value),
    "loss_chain_sha256": lambda text: isinstance(text, str) and re.fullmatch("[0-9a-f]{64}", text) is not None,
    "wall_s": _amount,
    "peak_memory_bytes": _count,
    "parameters": _count,
    "cause": lambda name: name == "" or name in CAUSES,
    "probes": lambda names: isinstance(names, list) and all(isinstance(name, str) for name in names),
}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of a learning curve: a step, a part, and numbers."""
    step, split = row["step"], row["split"]
    if type(step) is not int or split not in ("train", "valid"):
        raise ValueError("history")
    rest = {str(name): _number(value) for name, value in row.items() if name not in ("step", "split")}
    if not all(isinstance(value, float) for value in rest.values()):
        raise ValueError("history")
    return {"step": step, "split": split, **rest}


def _spelt(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {name: _spelt(item) for name, item in value.items()}
    return [_spelt(item) for item in value] if isinstance(value, list) else value


def _number(value: Any) -> Any:
    return float(value) if value in ("nan", "inf", "-inf") else value
