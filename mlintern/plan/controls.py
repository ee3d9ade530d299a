"""`study.controls=true`: cells that ought to fail, or ought to be beaten, beside the study's own.

For each model and dataset of the grid, under its first protocol and first seed: the same training on shuffled labels.
For each dataset: a linear model and a constant one under the training of its first model. None of them takes part in
the paper's claims; `smell_controls` says what they give away.
"""

from collections.abc import Iterator, Sequence

from mlintern.plan.cell_plan import CellPlan, Composes

LEVEL = "control"
"""The coordinate of a control cell: `shuffled_labels`, `linear` or `constant`."""
SHUFFLED, LINEAR, CONSTANT = "shuffled_labels", "linear", "constant"
_SIMPLE = {LINEAR: "model=control_linear", CONSTANT: "model=control_constant"}
_LOSSES = ("CrossEntropyLoss", "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")
"""Losses that outputs [n, classes] or [n, 1] fit; a paper's own may want more than a simple model gives."""


def controls(composer: Composes, cells: Sequence[CellPlan]) -> Iterator[CellPlan]:
    """The control cells beside `cells`."""
    plain = [cell for cell in cells if set(cell.levels) <= {"data", "protocol"}]
    first: dict[tuple[str, str], CellPlan] = {}
    for cell in plain:
        first.setdefault((cell.variant, cell.levels.get("data", "")), cell)
    seen: set[str] = set()
    for (_, data), cell in first.items():
        yield _control(composer, cell, SHUFFLED, "+data.shuffle_labels=true")
        if data not in seen and cell.config.loss.target.endswith(_LOSSES):
            seen.add(data)
            for name, override in _SIMPLE.items():
                yield _control(composer, cell, name, override)


def _control(composer: Composes, cell: CellPlan, name: str, override: str) -> CellPlan:
    overrides = (*cell.overrides, override)
    config, _ = composer.compose(overrides)
    return CellPlan(cell.variant, {**cell.levels, LEVEL: name}, cell.seed, config, overrides, cell.section)
