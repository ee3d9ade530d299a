"""What goes into a dynamic check and what comes out: plain types, no torch, for both sides of the sandbox."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

Status = Literal["PASS", "FAIL", "NOT_APPLICABLE"]
BATCH_SIZES = (1, 2, 7)


@dataclasses.dataclass(frozen=True)
class ModelCheck:
    """One thing that was tried on one variant or factor."""

    subject: str
    """The variant, or `factor level` for an ablation."""
    name: str
    status: Status
    reason: str
    """What was seen; for a FAIL also what to mend."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One input of a model, without its batch dimension."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    """A torch dtype; integers are drawn from 0 up to `high`, excluded."""
    high: int = 2


@dataclasses.dataclass(frozen=True)
class CheckedModel:
    """A model to be checked."""

    name: str
    target: str
    """Dotted class, e.g. `papers.<slug>.modules.Net`."""
    kwargs: Mapping[str, Any]
    inputs: tuple[Example, ...]
    loss: str = "cross_entropy"
    """`cross_entropy` (targets are class indices), `mse`, `bce` (with logits), `l1`, or `own` for a loss or a training
    method of the pack's: what only that can show is left to the rehearsal."""
    parameters: int | None = None
    """The count that the paper states; None when it states none."""
    parameters_tolerance: float = 0.0
    """Relative: 0.005 for a count that is given as `5.2k`."""
    published: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Arguments of the published model where `kwargs` are reduced ones: the stated count is that model's."""
    overfit_steps: int = 300


@dataclasses.dataclass(frozen=True)
class LevelChange:
    """An ablation level: it must change something in the module tree of its base."""

    name: str
    base: CheckedModel
    changed: CheckedModel


@dataclasses.dataclass(frozen=True)
class Models:
    """The job of `python -m mlintern.vet.dynamic`, which it reads as JSON."""

    variants: list[CheckedModel]
    factors: list[LevelChange]
    paths: list[str]
    """Folders that packages are imported from."""
