"""`study.probe_assumptions=true`: what the paper leaves unsaid, as sensitivity cells.

Each assumed setting of the spec was given a value and alternatives. For every one of those the cell that the setting
is for is run once more with that value, so that the report can say how much hangs on the guess.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from mlintern.claims.observation import same
from mlintern.config import Config
from mlintern.config.keys import check_override
from mlintern.core.errors import UserError
from mlintern.core.schema import field_names
from mlintern.plan.cell_plan import CellPlan, Composes, read_spec
from mlintern.spec.sourced import AssumedSetting

LEVEL = "probe"
"""The coordinate of a sensitivity cell, as records have it: `optimizer.lr=0.003`. No probe; the name is older."""


_NO_RESULT = ("paper", "study", "run", "logger", "llm", "env", "sandbox")
"""Groups that hang no result on a value: no alternative counts."""


def sensitivity_cells(composer: Composes, cells: Sequence[CellPlan]) -> Iterator[CellPlan]:
    """The sensitivity cells beside `cells`. Raises UserError naming a setting whose alternative cannot be composed."""
    for setting in read_spec(composer.folder).unsaid:
        if setting.in_config:
            for value in setting.locator.probe_range:
                yield from cells_with(composer, setting, value, cells)


def _cells_of(setting: AssumedSetting, cells: Sequence[CellPlan]) -> list[CellPlan]:
    """The cells of one place, all its seeds, that the setting is for: the first place of the plan that fits."""
    fitting = [
        cell
        for cell in cells
        if "ablation" not in cell.levels
        and all(
            same(level, {"variant": cell.variant, "section": cell.section, **cell.levels}.get(name))
            for name, level in setting.where.items()
        )
    ]
    return [cell for cell in fitting if (cell.variant, cell.levels) == (fitting[0].variant, fitting[0].levels)]


def cells_with(
    composer: Composes, setting: AssumedSetting, value: Any, cells: Sequence[CellPlan]
) -> Iterator[CellPlan]:
    """The sensitivity cells of one alternative, beside `cells`; none where it changes nothing.

    Raises UserError if it cannot be composed.
    """
    for cell in _cells_of(setting, cells):
        override = check_override(f"{setting.key}={_text(value)}", "study.probe_assumptions")
        overrides = (*cell.overrides, override)
        try:
            config, _ = composer.compose(overrides)
        except UserError as error:
            raise UserError(f"study.probe_assumptions: {override}: {error}") from error
        groups = [name for name in field_names(Config) if name not in _NO_RESULT]
        if any(getattr(config, name) != getattr(cell.config, name) for name in groups):
            yield CellPlan(cell.variant, {**cell.levels, LEVEL: override}, cell.seed, config, overrides, cell.section)


def _text(value: Any) -> str:
    """A value as an override spells it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{','.join(map(_text, value))}]" if isinstance(value, list) else str(value)
