"""The evaluation protocol: what preprocessing is fitted on, what a checkpoint is chosen on, when test is read."""

import dataclasses
from typing import Annotated, ClassVar, Literal

from mlintern.core.errors import UserError
from mlintern.core.ranges import SHARE, Range
from mlintern.core.schema import Group, Number, Whole
from mlintern.core.streams.seeding import MAX_SEED

_WELL_KNOWN: dict[str, Literal["max", "min"]] = {"accuracy": "max", "loss": "min", "squared_error": "min"}
"""Ways of the engine's own; a metric of a pack's own that has such a name is asked where there is one."""


@dataclasses.dataclass(frozen=True)
class EvaluationProtocol(Group):
    """One evaluation protocol (config group `protocol`)."""

    KEY: ClassVar[str] = "protocol"

    name: str
    """`clean`, `as_published`, or a pack's own name."""
    fit_on: tuple[str, ...]
    """Parts that preprocessing is fitted on."""
    valid_fraction: Annotated[Number, SHARE]
    """Share of the published training part that is held out for selection (stratified by class); 0 holds out none."""
    select_on: Literal["valid", "test", "last"]
    """Part whose metric chooses the checkpoint; `last` takes the final weights."""
    metric: str = "accuracy"
    """Metric that selection looks at."""
    mode: Literal["max", "min"] | None = None
    """Which way the metric is better: what the metric itself says (`higher_is_better`), so that nobody need."""
    split_seed: Annotated[Whole, Range(0, MAX_SEED, whole=True)] = 0
    """Seed of the hold-out: the same for every cell, so that cells differ in training only."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.select_on == "valid" and self.valid_fraction == 0:
            raise UserError("protocol.select_on=valid needs protocol.valid_fraction above 0 (0.1, say)")
        unknown = set(self.fit_on) - {"train", "valid", "test"}
        if unknown or not self.fit_on:
            raise UserError(f"protocol.fit_on={list(self.fit_on)}: choose from train, valid, test")

    @property
    def direction(self) -> Literal["max", "min"] | None:
        """Which way the metric is better: as the configuration has it, else as metrics of that name are."""
        return self.mode or _WELL_KNOWN.get(self.metric)
