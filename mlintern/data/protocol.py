"""The evaluation protocol: what preprocessing is fitted on, what a checkpoint is chosen on, when test is read."""

import dataclasses
from typing import Literal

from mlintern.core.errors import UserError

_WELL_KNOWN: dict[str, Literal["max", "min"]] = {"accuracy": "max", "loss": "min", "squared_error": "min"}
"""Ways of the engine's own; a metric of a pack's own that has such a name is asked where there is one."""


@dataclasses.dataclass(frozen=True)
class EvaluationProtocol:
    """One evaluation protocol (config group `protocol`)."""

    name: str
    """`clean`, `as_published`, or a pack's own name."""
    fit_on: tuple[str, ...]
    """Parts that preprocessing is fitted on."""
    valid_fraction: float
    """Share of the published training part that is held out for selection (stratified by class); 0 holds out none."""
    select_on: Literal["valid", "test", "last"]
    """Part whose metric chooses the checkpoint; `last` takes the final weights."""
    metric: str = "accuracy"
    """Metric that selection looks at."""
    mode: Literal["max", "min"] | None = None
    """Which way the metric is better: what the metric itself says (`higher_is_better`), so that nobody need."""
    split_seed: int = 0
    """Seed of the hold-out: the same for every cell, so that cells differ in training only."""

    def __post_init__(self) -> None:
        if not 0 <= self.valid_fraction < 1:
            raise UserError(f"protocol.valid_fraction={self.valid_fraction}: must be at least 0 and below 1")
        if self.select_on not in ("valid", "test", "last"):
            raise UserError(f"protocol.select_on={self.select_on}: choose valid, test or last")
        if self.mode not in ("max", "min", None):
            raise UserError(f"protocol.mode={self.mode}: choose max or min, or leave it out: the metric says it")
        if self.mode is None and self.metric in _WELL_KNOWN:
            object.__setattr__(self, "mode", _WELL_KNOWN[self.metric])
        if self.select_on == "valid" and self.valid_fraction == 0:
            raise UserError("protocol.select_on=valid needs protocol.valid_fraction above 0 (0.1, say)")
        unknown = set(self.fit_on) - {"train", "valid", "test"}
        if unknown or not self.fit_on:
            raise UserError(f"protocol.fit_on={list(self.fit_on)}: choose from train, valid, test")
