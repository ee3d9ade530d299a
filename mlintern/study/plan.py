"""The plan of a study: which cells, and the composed configuration of each."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.config import COORDINATES, Composer
from mlintern.errors import UserError

LEVELS: tuple[str, ...] = ("data", "protocol", "ablation")
"""Coordinates beside variant and seed."""


@dataclasses.dataclass(frozen=True)
class CellPlan:
    """One cell to run: variant x levels x seed."""

    variant: str
    levels: Mapping[str, str]
    """{"data", "protocol", and "ablation" where one is chosen}."""
    seed: int
    config: Mapping[str, Any]
    overrides: tuple[str, ...]
    """What reproduces the cell on the command line, beside `paper=`."""

    @property
    def name(self) -> str:
        """How messages call it: `cnn · mnist1d · clean · seed 0`."""
        return " · ".join([self.variant, *self.levels.values(), f"seed {self.seed}"])

    @property
    def acknowledged(self) -> tuple[str, ...]:
        return tuple(self.config["audit"]["acknowledge"])


def dataset_name(config: Mapping[str, Any]) -> str:
    """A prepared dataset is named after what it was built from, so that views of it share one copy."""
    from mlintern.record import stable_hash

    source = config["data"].get("source")
    if not isinstance(source, Mapping) or "_target_" not in source:
        raise UserError(f"data.source: the dataset {config['data'].get('name')!r} does not say what it is built from")
    return f"{str(source['_target_']).rsplit('.', 1)[-1].lower()}-{stable_hash(source, 'data.source')[:8]}"


def dataset_folder(data_dir: Path, slug: str, config: Mapping[str, Any], overrides: Sequence[str]) -> Path:
    """Where a cell's prepared data are: data/<slug>/ is what the pack's own study uses and what DVC tracks; data built
    from an overridden source go beside it, so that trying something leaves the tracked folder as it was.
    """
    own = not any(override.lstrip("+~").startswith("data.source") for override in overrides)
    return data_dir.absolute() / (slug if own else f"{slug}.overridden") / dataset_name(config)


def option_of(overrides: Sequence[str], group: str) -> str | None:
    """The option that the overrides choose for a group, if they do."""
    chosen = [o.split("=", 1)[1] for o in overrides if o.lstrip("+").split("=", 1)[0] == group and "=" in o]
    return chosen[-1].strip("'\"") if chosen else None


def names_a_cell(overrides: Sequence[str]) -> bool:
    """Do the overrides name a coordinate (model, data, ablation, protocol, seed)? Then one cell is asked for."""
    return any(option_of(overrides, name) is not None for name in COORDINATES)


def single(composer: Composer, overrides: Sequence[str]) -> CellPlan:
    """The one cell that the overrides name, with the pack's defaults for what they leave out."""
    config, choices = composer.compose(overrides)
    levels = {name: choices[name] for name in LEVELS if name in choices}
    rest = tuple(o for o in overrides if not o.lstrip("+").startswith("paper="))
    return CellPlan(choices["model"], levels, config["seed"], config, rest)


def study(composer: Composer, overrides: Sequence[str]) -> list[CellPlan]:
    """Every cell of the pack's grid, for every seed, with the overrides applied to each."""
    base, _ = composer.compose(overrides)
    seeds = base["study"]["seeds"] or base["paper"].get("seeds") or [0]
    grid = base["paper"].get("grid")
    if not grid:
        raise UserError(f"papers/{composer.slug}/conf/paper/{composer.slug}.yaml: paper.grid: names no cells to run")
    rest = [o for o in overrides if not o.lstrip("+").startswith("paper=")]
    cells: dict[tuple[str, ...], CellPlan] = {}
    for block in grid:
        acknowledge = block.get("acknowledge", [])
        unknown = set(block) - {*COORDINATES, "acknowledge"} | ({"seed"} & set(block))
        if unknown or "model" not in block or "data" not in block:
            raise UserError(
                "paper.grid: a block names model, data and, if it likes, protocol, ablation and acknowledge; "
                f"not {sorted(unknown)}"
            )
        names = [name for name in COORDINATES if name in block]
        for options in itertools.product(*(block[name] for name in names)):
            chosen = [f"{name}={option}" for name, option in zip(names, options, strict=True)]
            extra = [f"audit.acknowledge=[{','.join(acknowledge)}]"] if acknowledge else []
            config, choices = composer.compose([*chosen, *extra, *rest])
            levels = {name: choices[name] for name in LEVELS if name in choices}
            for seed in seeds:
                place = (*chosen, f"seed={seed}")
                seeded = {**config, "seed": seed}
                cells[place] = CellPlan(choices["model"], levels, seed, seeded, (*place, *extra, *rest))
    return list(cells.values())
