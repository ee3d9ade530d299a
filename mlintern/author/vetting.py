"""Vetting a draft: the policy file by file, composition against schema and spec, then its models in the sandbox.

Nothing of a draft is imported here. Its code runs only in the sandbox, and only once the policy holds for every file. A
pack that passes still runs in the sandbox alone, until a human approves it.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.author.forms import ModelInput
from mlintern.errors import UserError
from mlintern.sandbox import Backend
from mlintern.sourced import CodeCount, PaperCount, SettingBase
from mlintern.spec import PaperSpec, Variant
from mlintern.vet.checks import Example, Factor
from mlintern.vet.checks import Variant as Model
from mlintern.vet.run import check_models, check_pack

_LOSSES = {"CrossEntropyLoss": "cross_entropy", "MSELoss": "mse", "BCEWithLogitsLoss": "bce", "L1Loss": "l1"}
_MOST_PROBLEMS = 40


def vet_pack(pack: Path, spec: PaperSpec, inputs: Sequence[ModelInput], backend: Backend = "auto") -> list[str]:
    """Every reason not to use the draft `pack` (a folder papers/<slug>), each naming file, key or check.

    Raises UserError where this machine offers no sandbox.
    """
    refused = check_pack(pack)
    if refused:
        return [str(refusal) for refusal in refused[:_MOST_PROBLEMS]]
    with Drafts(pack) as drafts:
        problems = list(_compositions(drafts, spec)) or list(settings_that_differ(drafts.compose, spec))
        if problems:
            return problems[:_MOST_PROBLEMS]
        variants, factors, missing = _models(drafts, spec, inputs)
    if missing:
        return missing
    checks = check_models(variants, factors, project=pack.parent.parent, pack=pack, backend=backend)
    return [f"{check.subject}: {check.name}: {check.reason}" for check in checks if check.status == "FAIL"]


class Drafts:
    """Composes configurations of a pack that does not stand in papers/ yet."""

    def __init__(self, pack: Path):
        self.pack, self.slug = pack, pack.name
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Drafts":
        from hydra import initialize_config_dir

        from mlintern.config import CONF, no_environment

        self._stack.enter_context(no_environment())
        self._stack.enter_context(initialize_config_dir(str(CONF), version_base="1.3"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def compose(self, overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
        """The checked configuration and {group: option}; raises UserError naming the key."""
        from hydra import compose
        from hydra.errors import HydraException
        from omegaconf import open_dict
        from omegaconf.errors import OmegaConfBaseException

        from mlintern.config import check, explain

        folder = str((self.pack / "conf").resolve()).replace("\\", "\\\\").replace("'", "\\'")
        given = [f"hydra.searchpath=['file://{folder}']", f"paper={self.slug}", *overrides]
        try:
            config = compose("config", given, return_hydra_config=True)
            choices = {k: str(v) for k, v in config.hydra.runtime.choices.items() if v is not None}
            with open_dict(config):
                del config["hydra"]
        except (HydraException, OmegaConfBaseException) as error:
            raise explain(error, self.slug) from error
        return check(config, self.slug), choices


def settings_that_differ(compose: Any, spec: PaperSpec) -> Iterator[str]:
    """Settings of the spec whose composed value is another one; a reduced setting must have its reduced value.

    `compose` is `Drafts.compose` or `Composer.compose`: overrides in, (configuration, choices) out.
    """
    composed: dict[tuple[str, ...], tuple[dict[str, Any], dict[str, str]]] = {}
    reduced = {(r.key, _frozen(r.where)): r.reduced for r in spec.scale.reductions}
    for setting in spec.settings:
        if not setting.in_config:
            continue
        overrides = overrides_of(setting, spec)
        try:
            if overrides not in composed:
                composed[overrides] = compose(overrides)
        except UserError as error:
            yield f"{setting.key} ({' '.join(overrides)}): {error}"
            continue
        config, choices = composed[overrides]
        expected = reduced.get((setting.key, _frozen(setting.where)), setting.value)
        found = choices.get(setting.key, _MISSING) if "." not in setting.key else _at(config, setting.key)
        if found is _MISSING:
            yield f"{setting.key}: the spec gives {expected!r}, the composed configuration has no such key"
        elif found != expected:
            yield f"{setting.key} ({' '.join(overrides)}): the spec gives {expected!r}, the configuration {found!r}"


def overrides_of(setting: SettingBase, spec: PaperSpec) -> tuple[str, ...]:
    """The Hydra overrides that compose a cell which the setting is for."""
    factors = {factor.id for factor in spec.ablations}
    given = []
    for coordinate, level in setting.where.items():
        if coordinate in factors:
            given.append(f"ablation={coordinate}_{level}")
        else:
            given.append(f"{'model' if coordinate == 'variant' else coordinate}={level}")
    if "variant" not in setting.where and setting.key.startswith("model.") and spec.variants:
        given.append(f"model={spec.variants[0].id}")
    return tuple(given)


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


def _compositions(drafts: Drafts, spec: PaperSpec) -> Iterator[str]:
    """What does not compose: the defaults, and with them every variant, available dataset and level of a factor."""
    try:
        drafts.compose([])
    except UserError as error:
        yield f"conf/paper/{drafts.slug}.yaml: {error}"
        return
    wanted = [f"model={variant.id}" for variant in spec.variants]
    wanted += [f"data={dataset.id}" for dataset in spec.datasets if dataset.available]
    wanted += [f"ablation={factor.id}_{level.id}" for factor in spec.ablations for level in factor.levels]
    for override in wanted:
        try:
            drafts.compose([override])
        except UserError as error:
            yield f"{override}: {error}"


def _models(
    drafts: Drafts, spec: PaperSpec, inputs: Sequence[ModelInput]
) -> tuple[list[Model], list[Factor], list[str]]:
    """(variants to run, ablation levels to run, what is missing for it)."""
    known = {given.variant: given for given in inputs}
    missing = [f"inputs: none given for variant {v.id}; say shape and type" for v in spec.variants if v.id not in known]
    if missing:
        return [], [], missing
    bad = [f"inputs of {given.variant}: shapes hold whole numbers above 0" for given in inputs if min(given.shape) < 1]
    if bad:
        return [], [], bad
    models = {v.id: _model(v, drafts.compose([f"model={v.id}"])[0], known[v.id]) for v in spec.variants}
    factors = []
    base, choices = drafts.compose([])
    default = choices.get("model", "")
    if default in models:
        chosen = next(v for v in spec.variants if v.id == default)
        for factor in spec.ablations:
            for level in factor.levels:
                if level.id == factor.base or not any(key.split(".")[0] == "model" for key in level.overrides):
                    continue
                changed, _ = drafts.compose([f"ablation={factor.id}_{level.id}"])
                name = f"{factor.id} {level.id}"
                factors.append(
                    Factor(name, _model(chosen, base, known[default]), _model(chosen, changed, known[default]))
                )
    return list(models.values()), factors, []


def _model(variant: Variant, config: Mapping[str, Any], given: ModelInput) -> Model:
    arguments = dict(config["model"])
    target = arguments.pop("_target_")
    loss = _LOSSES.get(str(config["loss"].get("_target_", "")).rsplit(".", 1)[-1], "mse")
    count = variant.parameters
    return Model(
        name=variant.id,
        target=target,
        kwargs=arguments,
        inputs=(Example(tuple(given.shape), given.dtype, given.high),),
        loss=loss,
        classes=config["data"].get("classes"),
        parameters=count.value if isinstance(count, PaperCount | CodeCount) else None,
    )
