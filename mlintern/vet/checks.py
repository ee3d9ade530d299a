"""What goes into a dynamic check and what comes out: plain types, no torch, for both sides of the sandbox."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

Status = Literal["PASS", "FAIL", "NOT_APPLICABLE"]
BATCH_SIZES = (1, 2, 7)


@dataclasses.dataclass(frozen=True)
class Check:
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
class Variant:
    """A model to be checked."""

    name: str
    target: str
    """Dotted class, e.g. `papers.<slug>.modules.Net`."""
    kwargs: Mapping[str, Any]
    inputs: tuple[Example, ...]
    loss: str = "cross_entropy"
    """`cross_entropy` (targets are class indices), `mse`, `bce` (with logits), `l1`, or `own` for a loss or a training
    method of the pack's: what only that can show is left to the rehearsal."""
    output_shape: tuple[int, ...] | None = None
    """Expected output without the batch dimension; None when it is not known."""
    parameters: int | None = None
    """The count that the paper states; None when it states none."""
    parameters_tolerance: float = 0.0
    """Relative: 0.005 for a count that is given as `5.2k`."""
    published: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Arguments of the published model where `kwargs` are reduced ones: the stated count is that model's."""
    overfit_steps: int = 300


@dataclasses.dataclass(frozen=True)
class Factor:
    """An ablation level: what it may change in the module tree of its base."""

    name: str
    base: Variant
    changed: Variant
    expect: tuple[str, ...] = ()
    """fnmatch patterns of the modules that the level is about; empty when any change will do."""


def job(variants: list[Variant], factors: list[Factor], paths: list[str]) -> dict[str, Any]:
    """The JSON that `python -m mlintern.vet.dynamic` reads; `paths` are the folders that packages are imported from."""
    return {
        "variants": [dataclasses.asdict(variant) for variant in variants],
        "factors": [dataclasses.asdict(factor) for factor in factors],
        "paths": paths,
    }


def variant_from(data: Mapping[str, Any]) -> Variant:
    """A Variant out of its JSON."""
    inputs = tuple(Example(**{**example, "shape": tuple(example["shape"])}) for example in data["inputs"])
    output = data.get("output_shape")
    return Variant(**{**data, "inputs": inputs, "output_shape": tuple(output) if output is not None else None})


def factor_from(data: Mapping[str, Any]) -> Factor:
    """A Factor out of its JSON."""
    return Factor(
        data["name"], variant_from(data["base"]), variant_from(data["changed"]), tuple(data.get("expect", ()))
    )
