"""Vetting a draft: the policy file by file, composition against schema and spec, then its models in the sandbox.

Nothing of a draft is imported here. Its code runs only in the sandbox, and only once the policy holds for every file. A
pack that passes still runs in the sandbox alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.author.draft import planned
from mlintern.author.forms import ModelInput
from mlintern.claims.observation import same
from mlintern.config import Composer, Config
from mlintern.core.errors import UserError
from mlintern.core.schema import plain
from mlintern.plan.cell_plan import CellPlan
from mlintern.plan.grid import sections_of, study_cells
from mlintern.sandbox.limits import Backend
from mlintern.spec.paper_spec import PaperSpec, Reduction, Variant, option_name
from mlintern.spec.sourced import CodeCount, PaperCount, SettingBase
from mlintern.vet.checks import CheckedModel, Example, LevelChange
from mlintern.vet.run import check_models, check_pack, rehearse

_LOSSES = {"CrossEntropyLoss": "cross_entropy", "MSELoss": "mse", "BCEWithLogitsLoss": "bce", "L1Loss": "l1"}
_MOST_PROBLEMS = 40
_ROUNDED_COUNT = 0.05


def vet_pack(pack: Path, spec: PaperSpec, inputs: Sequence[ModelInput], backend: Backend = "auto") -> list[str]:
    """Every reason not to use the draft `pack` (a folder papers/<slug>), each naming file, key or check.

    Raises UserError where this machine offers no sandbox.
    """
    pack = pack.resolve()  # the sandbox has another working folder
    refused = check_pack(pack)
    if refused:
        return [str(refusal) for refusal in refused[:_MOST_PROBLEMS]]
    with Composer(pack.name, pack.parent) as drafts:
        problems = list(_compositions(drafts, spec))
        if not problems:
            cells, problems = planned_cells(drafts)
        if not problems:  # without a plan, every claim would lack its runs
            problems += settings_that_differ(drafts.compose, spec, cells)
            problems += levels_that_differ(drafts.compose, spec)
            problems += planned.without_runs(spec, cells)
        if problems:
            return problems[:_MOST_PROBLEMS]
        variants, factors, missing = _models(drafts, spec, inputs)
    if missing:
        return missing
    project = pack.parent.parent
    checks = check_models(variants, factors, project=project, pack=pack, backend=backend)
    if not any(check.status == "FAIL" for check in checks):
        checks += rehearse(_rehearsed(cells), project=project, pack=pack, backend=backend)
    return [f"{check.subject}: {check.name}: {check.reason}" for check in checks if check.status == "FAIL"]


def planned_cells(drafts: Composer) -> tuple[list[CellPlan], list[str]]:
    """(one cell of each combination that the study runs, what is wrong with the plan)."""
    try:
        cells = study_cells(drafts, [])
        for name in sections_of(cells[0].config):
            cells += study_cells(drafts, [f"study.sections=[{name}]"])
    except UserError as error:
        return [], [str(error)]
    return one_of_each(cells), []


def one_of_each(cells: Sequence[CellPlan]) -> list[CellPlan]:
    """The first cell of each combination, whatever its seed."""
    return list({(c.section, c.variant, *sorted(c.levels.items())): c for c in reversed(cells)}.values())[::-1]


def _rehearsed(cells: Sequence[CellPlan]) -> list[dict[str, Any]]:
    """The cells as the rehearsal reads them; each variant is overfitted once per dataset, ablations only run."""
    tried: set[tuple[str, str]] = set()
    jobs = []
    for cell in cells:
        place = (cell.variant, cell.levels.get("data", ""))
        jobs.append(
            {
                "name": cell.name.rsplit(" · seed", 1)[0],
                "config": cell.config,
                "overfit": place not in tried and not varied(cell),
            }
        )
        if not varied(cell):
            tried.add(place)
    return jobs


def settings_that_differ(compose: Any, spec: PaperSpec, cells: Sequence[CellPlan] = ()) -> Iterator[str]:
    """Settings of the spec whose composed value is another one; a reduced setting must have its reduced value.

    `compose` is `Composer.compose`: overrides in, (configuration, choices) out. A setting with
    coordinates is looked for in the planned cells that have them (an ablation's own key aside), for the grid may set
    values for a combination; where none has them, in what their options compose to. In a cell that two settings of a
    key hold for, the one with more coordinates counts.
    """
    composed: dict[tuple[str, ...], tuple[Config, dict[str, str]]] = {}
    reduced = {(r.key, _frozen(r.where)): r.reduced for r in spec.scale.reductions}
    for setting in spec.settings:
        if not setting.in_config:
            continue
        expected = reduced.get((setting.key, _frozen(setting.where)), setting.value)
        for overrides in _cells_with(setting, spec, cells) or [overrides_of(setting, spec)]:
            try:
                if overrides not in composed:
                    composed[overrides] = compose(overrides)
            except UserError as error:
                yield f"{setting.key} ({' '.join(overrides)}): {error}"
                break
            config, choices = composed[overrides]
            found = choices.get(setting.key, _MISSING) if "." not in setting.key else _at(plain(config), setting.key)
            if found is _MISSING:
                where = f"{setting.key} ({' '.join(overrides)})"
                yield f"{where}: the spec gives {expected!r}, the composed configuration has no such key"
            elif found != expected:
                yield f"{setting.key} ({' '.join(overrides)}): the spec gives {expected!r}, the configuration {found!r}"
            else:
                continue
            break


def _cells_with(setting: SettingBase, spec: PaperSpec, cells: Sequence[CellPlan]) -> list[tuple[str, ...]]:
    """The overrides of the planned cells that a setting with coordinates speaks of."""
    if not setting.where:
        return []
    changes = {(f.id, level.id): level.overrides for f in spec.ablations for level in f.levels}
    alike = [other.where for other in spec.settings if other.in_config and other.key == setting.key]
    closer = [where for where in alike if where.items() > setting.where.items()]
    found = []
    for cell in cells:
        at: dict[str, Any] = {factor.id: factor.base for factor in spec.ablations}
        at |= {"variant": cell.variant, "section": cell.section, **cell.levels}
        if any(setting.key in changes.get(item, {}) and item[0] not in setting.where for item in cell.levels.items()):
            continue
        if any(all(same(level, at.get(name)) for name, level in where.items()) for where in closer):
            continue
        if all(same(level, at.get(name)) for name, level in setting.where.items()):
            found.append(tuple(o for o in cell.overrides if not o.startswith("seed=")))
    return found


def varied(cell: CellPlan) -> bool:
    """Whether an ablation changes the cell."""
    return bool(set(cell.levels) - {"data", "protocol"})


def levels_that_differ(compose: Any, spec: PaperSpec) -> Iterator[str]:
    """Levels of factors that change something other than what the spec says they change, or do not change it.

    The base level's values must be those of the default configuration: it is the same model.
    """
    for factor in spec.ablations:
        there = _choices(factor.where)
        base, base_choices = compose(there)
        for level in factor.levels:
            option = f"ablation={option_name(factor.id, level.id)}"
            config, choices = compose([*there, option])
            for key, value in level.overrides.items():
                found = choices.get(key, _MISSING) if "." not in key else _at(plain(config), key)
                if found is _MISSING or found != value:
                    shown = "no such key" if found is _MISSING else repr(found)
                    yield f"{option}: the spec says {key} becomes {value!r}, the configuration has {shown}"
                before = base_choices.get(key, _MISSING) if "." not in key else _at(plain(base), key)
                if level.id == factor.base and before != value:
                    yield (
                        f"{option}: this is the base level, but the default configuration has {key}: "
                        f"{None if before is _MISSING else before!r}, not {value!r}"
                    )
            for key in _differing(plain(base), plain(config)):
                if not any(key == given or key.startswith(f"{given}.") for given in level.overrides):
                    yield f"{option}: also changes {key}, which the spec's level does not; change only what it names"


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Dotted keys whose values differ; the group `ablation` itself is where levels may keep notes."""
    flat = [dict(_flat(config)) for config in (one, other)]
    keys = sorted(flat[0].keys() | flat[1].keys())
    return [k for k in keys if k.split(".")[0] != "ablation" and flat[0].get(k, _MISSING) != flat[1].get(k, _MISSING)]


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def overrides_of(setting: SettingBase, spec: PaperSpec) -> tuple[str, ...]:
    """The Hydra overrides that compose a cell which the setting is for."""
    factors = {factor.id for factor in spec.ablations}
    given = _choices({name: level for name, level in setting.where.items() if name not in factors})
    given += [f"ablation={option_name(name, str(level))}" for name, level in setting.where.items() if name in factors]
    if "variant" not in setting.where and setting.key.startswith("model.") and spec.variants:
        given.append(f"model={spec.variants[0].id}")
    return tuple(given)


def _choices(where: Mapping[str, Any]) -> list[str]:
    """The overrides that choose coordinates; a section has none, for it is a set of cells."""
    group = {"variant": "model"}
    return [f"{group.get(name, name)}={level}" for name, level in where.items() if name != "section"]


_MISSING = object()


def _at(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _frozen(where: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(where.items()))


def _compositions(drafts: Composer, spec: PaperSpec) -> Iterator[str]:
    """What does not compose: the defaults, and with them every variant, available dataset and level of a factor."""
    try:
        drafts.compose([])
    except UserError as error:
        yield f"conf/paper/{drafts.slug}.yaml: {error}"
        return
    wanted = [f"model={variant.id}" for variant in spec.variants]
    wanted += [f"data={dataset.id}" for dataset in spec.datasets if dataset.available]
    tried = [[override] for override in wanted]
    for factor in spec.ablations:
        there = _choices(factor.where)
        tried += [[*there, f"ablation={option_name(factor.id, level.id)}"] for level in factor.levels]
    for overrides in tried:
        try:
            drafts.compose(overrides)
        except UserError as error:
            yield f"{' '.join(overrides)}: {error}"


def _models(
    drafts: Composer, spec: PaperSpec, inputs: Sequence[ModelInput]
) -> tuple[list[CheckedModel], list[LevelChange], list[str]]:
    """(variants to run, ablation levels to run, what is missing for it)."""
    known = {given.variant: given for given in inputs}
    missing = [f"inputs: none given for variant {v.id}; say shape and type" for v in spec.variants if v.id not in known]
    if missing:
        return [], [], missing
    bad = [f"inputs of {given.variant}: shapes hold whole numbers above 0" for given in inputs if min(given.shape) < 1]
    if bad:
        return [], [], bad
    models = {v.id: model_of(v, drafts.compose([f"model={v.id}"])[0], known[v.id], spec) for v in spec.variants}
    factors = []
    for factor in spec.ablations:
        there = _choices(factor.where)
        base, choices = drafts.compose(there)
        chosen = next((v for v in spec.variants if v.id == choices.get("model")), None)
        if chosen is None:
            continue
        for level in factor.levels:
            if level.id == factor.base or not any(key.split(".")[0] == "model" for key in level.overrides):
                continue
            changed, _ = drafts.compose([*there, f"ablation={option_name(factor.id, level.id)}"])
            one, other = (model_of(chosen, config, known[chosen.id], spec) for config in (base, changed))
            factors.append(LevelChange(f"{factor.id} {level.id}", one, other))
    return list(models.values()), factors, []


def model_of(variant: Variant, config: Config, given: ModelInput, spec: PaperSpec) -> CheckedModel:
    """One variant as the dynamic checks take it, with the published sizes of what the study reduces."""
    arguments = dict(config.model)
    target = arguments.pop("_target_")
    loss = _LOSSES.get(config.loss.target.rsplit(".", 1)[-1], "own")
    if config.method.target != "mlintern.engine.methods.Supervised":
        loss = "own"
    count = variant.parameters
    stated = count.value if isinstance(count, PaperCount | CodeCount) else None
    published = {
        reduction.key.rpartition(".")[2]: reduction.published
        for reduction in spec.scale.reductions
        if reduction.where in ({}, {"variant": variant.id})
        and (reduction.key.startswith("model.") or _sizes_too(reduction, arguments))
    }
    return CheckedModel(
        name=variant.id,
        target=target,
        kwargs=arguments,
        inputs=(Example(tuple(given.shape), given.dtype, given.high),),
        loss=loss,
        parameters=stated,
        parameters_tolerance=_rounding(stated),
        published={name: value for name, value in published.items() if name in arguments},
    )


def _sizes_too(reduction: Reduction, arguments: Mapping[str, Any]) -> bool:
    """Whether a size of the data that was reduced (a vocabulary) is an argument of the model as well."""
    group, _, name = reduction.key.rpartition(".")
    return group.startswith("data") and name in arguments and same(arguments[name], reduction.reduced)


def _rounding(count: int | None) -> float:
    """How far a model may be from a stated count, relative: not at all from one that is spelled out to its digits.

    A rounded one (65 million) hangs on other rounded sizes, such as a vocabulary of about 37000: within 5 %.
    """
    digits = str(count or 1)
    return _ROUNDED_COUNT if digits.endswith("00") else 0.0
