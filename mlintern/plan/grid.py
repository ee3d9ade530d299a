"""The plan of a study: which cells, and the composed configuration of each."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.config import Config
from mlintern.config.keys import check_override
from mlintern.core.errors import UserError
from mlintern.core.roots import CONF, COORDINATES
from mlintern.plan.cell_plan import LEVELS, CellPlan, Composes, read_spec
from mlintern.plan.controls import controls
from mlintern.plan.design import claimed_interactions, points
from mlintern.plan.sensitivity import sensitivity_cells
from mlintern.spec.paper_spec import Factor, option_name


def option_of(overrides: Sequence[str], group: str) -> str | None:
    """The option that the overrides choose for a group, if they do."""
    chosen = [o.split("=", 1)[1] for o in overrides if o.lstrip("+").split("=", 1)[0] == group and "=" in o]
    return chosen[-1].strip("'\"") if chosen else None


def names_a_cell(overrides: Sequence[str]) -> bool:
    """Do the overrides name a coordinate (model, data, ablation, protocol, seed)? Then one cell is asked for."""
    return any(option_of(overrides, name) is not None for name in COORDINATES)


def named_cell(composer: Composes, overrides: Sequence[str]) -> CellPlan:
    """The one cell that the overrides name, with the pack's defaults for what they leave out."""
    _check_one_option(overrides)
    config, choices = composer.compose(overrides)
    rest = tuple(o for o in overrides if not o.lstrip("+").startswith("paper="))
    levels = levels_of(composer.folder, choices, option_of(overrides, "ablation"))
    return CellPlan(choices["model"], levels, config.seed, config, rest)


def _check_one_option(overrides: Sequence[str]) -> None:
    """A list of options is several in one to Hydra, which lays the second over the first; a cell has one of each."""
    for group in ("model", "data", "protocol"):
        if (chosen := option_of(overrides, group)) and chosen.startswith("["):
            raise UserError(
                f"{group}={chosen}: a cell has one option of {group}; for several cells give {group}={chosen[1:-1]} "
                "and -m"
            )


def levels_of(pack: Path, choices: Mapping[str, str], ablation: str | None) -> dict[str, str]:
    """A cell's coordinates beside variant and seed: data, protocol, and the level of each factor that is varied.

    `ablation` is what was asked of the group: an option, or a list of them in brackets (which Hydra's choices leave
    out). An option that is no factor's level counts as a level of the factor `ablation`.
    """
    levels = {name: choices[name] for name in LEVELS if name in choices and name != "ablation"}
    text = ablation if ablation is not None else choices.get("ablation", "")
    options = [name.strip(" '\"") for name in text.strip("[]").split(",")]
    known = ablation_levels(pack)
    for option in options:
        if option and option != "null":
            factor, level = known.get(option, ("ablation", option))
            levels[factor] = level
    _check_where(pack, levels, choices)
    return levels


def _check_where(pack: Path, levels: Mapping[str, str], choices: Mapping[str, str]) -> None:
    """Refuse a factor's level where the factor is not for it, before a model is built with unknown keys."""
    there = {"variant": choices.get("model"), **levels}
    for factor in factors_of(pack):
        for name, level in factor.where.items() if factor.id in levels else ():
            if there.get(name) != level:
                group = "model" if name == "variant" else name
                raise UserError(
                    f"ablation={factor.id}_{levels[factor.id]}: is for {group}={level}; add {group}={level}"
                )


def ablation_levels(pack: Path) -> dict[str, tuple[str, str]]:
    """{option of the group ablation: (factor, level)} for the factors of the pack's spec."""
    return {
        option: (factor.id, level.id)
        for factor in factors_of(pack)
        for level in factor.levels
        if (option := ablation_option(pack, factor.id, level.id)) is not None
    }


def ablation_option(pack: Path, factor: str, level: str) -> str | None:
    """The option for a factor's level: `<factor>_<level>`, the same as a plain file name, or `<level>`; None where the
    pack has none of them.
    """
    options = {path.stem for root in (CONF, pack / "conf") for path in (root / "ablation").glob("*.yaml")}
    names = (f"{factor}_{level}", option_name(factor, level), level)
    return next((name for name in names if name in options), None)


@functools.cache
def factors_of(pack: Path) -> tuple[Factor, ...]:
    """What the paper's ablations vary; none where the pack's spec says none."""
    return tuple(read_spec(pack).ablations)


BLOCK = {"model", "data", "protocol", "ablation", "acknowledge", "factors", "design", "fraction", "interactions", "set"}
"""What a block of `paper.grid` may name."""


def study_cells(composer: Composes, overrides: Sequence[str]) -> list[CellPlan]:
    """Every cell of the pack's grid, or of the sections that `study.sections` names, for every seed, with the overrides
    applied to each."""
    base, choices = composer.compose(overrides)
    rest = [o for o in overrides if not o.lstrip("+").startswith("paper=")]
    cells: dict[tuple[str, ...], CellPlan] = {}
    set_by: dict[tuple[Any, ...], list[str]] = {}
    for section in base.study.sections or [""]:
        grid, seeds = _grid_of(composer.slug, base, section)
        blocks = list(grid)
        if not section:
            named = [*grid, *(block for part in sections_of(base).values() for block in part["grid"])]
            blocks += _unnamed_factors(composer.folder, named, choices, base.study.design)
        for block in blocks:
            own = _own_values(block)
            for chosen in _combinations(composer.folder, block, base.study.design):
                acknowledge = block.get("acknowledge", [])
                extra = [*own, *([f"audit.acknowledge=[{','.join(acknowledge)}]"] if acknowledge else [])]
                config, choices = composer.compose([*chosen, *extra, *rest])
                levels = levels_of(composer.folder, choices, option_of(chosen, "ablation"))
                if set_by.setdefault((choices["model"], *sorted(levels.items())), own) != own:
                    raise UserError(
                        f"paper.grid: {' '.join(chosen)} stands in two blocks that set different values; a cell of a "
                        "study has one configuration: name the difference as an ablation"
                    )
                for seed in seeds:
                    place = (*chosen, f"seed={seed}")
                    seeded, said = dataclasses.replace(config, seed=seed), (*place, *extra, *rest)
                    cells[place] = CellPlan(choices["model"], levels, seed, seeded, said, section)
    planned = list(cells.values())
    beside: list[CellPlan] = []
    if base.study.probe_assumptions:
        beside += sensitivity_cells(composer, planned)
    if base.study.controls:
        beside += controls(composer, planned)
    return [*planned, *beside]


def sections_of(config: Config) -> dict[str, dict[str, Any]]:
    """{name: {"grid", "seeds", …}} of the sections of the paper that the pack gives studies of their own."""
    found = config.paper.get("sections") or {}
    if not isinstance(found, Mapping) or not all(
        isinstance(part, Mapping) and "grid" in part for part in found.values()
    ):
        raise UserError("paper.sections: must be a mapping from the name of each section to its grid, seeds and claims")
    return dict(found)


def _grid_of(slug: str, base: Config, section: str) -> tuple[Sequence[Mapping[str, Any]], Sequence[int]]:
    """The blocks and the seeds of a section, or of the main study; raises UserError where there are none."""
    part: Mapping[str, Any] = base.paper
    key = "paper.grid"
    if section:
        known = sections_of(base)
        if section not in known:
            there = ", ".join(known) or "none"
            raise UserError(f"study.sections={section}: papers/{slug} has no such section (there are: {there})")
        part, key = known[section], f"paper.sections.{section}.grid"
    if not part.get("grid"):
        raise UserError(f"papers/{slug}/conf/paper/{slug}.yaml: {key}: names no cells to run")
    grid, seeds = part["grid"], part.get("seeds") or base.paper.get("seeds") or [0]
    if not isinstance(grid, list) or not all(isinstance(block, Mapping) for block in grid):
        raise UserError(f"{key}={grid}: must be a list of blocks, like [{{model: [net], data: [numbers]}}]")
    if not isinstance(seeds, list):
        raise UserError(f"{key.replace('grid', 'seeds')}={seeds}: must be a list of whole numbers, like [0, 1, 2]")
    return grid, base.study.seeds or seeds


def _combinations(pack: Path, block: Mapping[str, Any], design: str) -> Iterator[list[str]]:
    """The overrides of every combination that a block of a grid names; raises UserError for a block that is off."""
    if unknown := sorted(set(block) - BLOCK):
        raise UserError(f"paper.grid: a block may name {', '.join(sorted(BLOCK))}; not {unknown}")
    if "model" not in block or "data" not in block:
        raise UserError("paper.grid: a block must name model and data")
    if "factors" in block and "ablation" in block:
        raise UserError("paper.grid: a block names either factors (a design over them) or ablation (options)")
    given = {name: block[name] for name in COORDINATES if name in block}
    for name, options in given.items():
        if not isinstance(options, list):
            raise UserError(f"paper.grid: {name}={options}: must be a list of options, like [{options}]")
    if "factors" in block:
        given["ablation"] = _options_of_block(pack, block, design)
    for options in itertools.product(*given.values()):
        pairs = zip(given, options, strict=True)
        yield [f"{name}={option}" for name, option in pairs if option is not None]


def _own_values(block: Mapping[str, Any]) -> list[str]:
    """A block's `set`: overrides for its cells alone.

    Raises UserError for one that would choose other cells, or decide what only the user decides.
    """
    own = [check_override(str(override), "paper.grid: set") for override in block.get("set", [])]
    for override in own:
        if override.partition("=")[0] in (*COORDINATES, "paper"):
            raise UserError(f"paper.grid: set: {override}: would choose other cells; write it like optimizer=sgd")
    return own


def _unnamed_factors(
    pack: Path, grid: Sequence[Mapping[str, Any]], choices: Mapping[str, str], design: str
) -> list[dict[str, Any]]:
    """A block for the factors of the spec where no block of the grid says anything of ablations: the paper's default
    model on its default data, under the study's design."""
    if any("factors" in block or "ablation" in block for block in grid) or not factors_of(pack) or design == "none":
        return []
    block = {"model": [choices["model"]], "data": [choices["data"]], "factors": [f.id for f in factors_of(pack)]}
    return [{**block, "protocol": [choices["protocol"]]}]


def _options_of_block(pack: Path, block: Mapping[str, Any], default: str) -> list[str | None]:
    """Options of the group ablation for a block's factors and design; None is the base, which has no option."""
    known = {factor.id: factor for factor in factors_of(pack)}
    if missing := [name for name in block["factors"] if name not in known]:
        names = ", ".join(known) or "none"
        where = f"papers/{pack.name}/spec.yaml"
        raise UserError(f"paper.grid: factors: {missing[0]!r} is not a factor of {where} ({names})")
    factors = [known[name] for name in block["factors"]]
    claimed = [names for names in claimed_interactions(read_spec(pack)) if set(names) <= set(block["factors"])]
    asked = [tuple(names) for names in block.get("interactions", [])]
    design = block.get("design", default)
    found: list[str | None] = []
    for point in points(factors, design, [*asked, *claimed], float(block.get("fraction", 0.5))):
        options = []
        for name, level in point.items():
            if level == known[name].base:
                continue
            option = ablation_option(pack, name, level)
            if option is None:
                file = f"papers/{pack.name}/conf/ablation/{name}_{level}.yaml"
                raise UserError(f"{file}: missing, though spec.yaml has the level; write what it changes")
            options.append(option)
        found.append(None if not options else options[0] if len(options) == 1 else f"[{','.join(options)}]")
    return found
