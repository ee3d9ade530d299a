"""After composition: what is the user's is as conf/ and the command line alone have it.

The second wall behind `pack_yaml`: whatever a pack's files were taken to say before, their effect is looked at here,
before anything is built or run.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlintern.config.keys import OF_USERS, root_of
from mlintern.core import roots
from mlintern.core.errors import UserError
from mlintern.core.targets.check import TARGET

_OF_THE_RUN = ("overrides", "runtime", "searchpath")
"""Parts of `hydra` in which Hydra notes what it was asked."""
PROMISED = ("strict", "portable")
"""Determinism levels that a pack may ask for."""


def users_part(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What of a composed configuration (unresolved) is the user's."""
    found = {name: raw[name] for name in OF_USERS if name in raw}
    if isinstance(found.get("study"), Mapping):
        found["study"] = {name: value for name, value in found["study"].items() if name != "design"}
    if isinstance(found.get("hydra"), Mapping):
        hydra = {name: value for name, value in found["hydra"].items() if name not in _OF_THE_RUN}
        job = {name: value for name, value in hydra.get("job", {}).items() if name != "override_dirname"}
        found["hydra"] = {**hydra, "job": job}
    return found


def chooses_an_option(override: str) -> bool:
    """Does an override choose an option of a group (`logger=csv`), rather than set a value (`run.dir=x`)?"""
    key = override.lstrip("+~").partition("=")[0]
    return "/" in key or ("." not in key and (roots.CONF / key).is_dir())


def with_values(composed: DictConfig, overrides: Sequence[str]) -> dict[str, Any]:
    """A composed configuration, unresolved, with values set as Hydra sets them."""
    if overrides:
        from hydra._internal.config_loader_impl import ConfigLoaderImpl
        from hydra.core.override_parser.overrides_parser import OverridesParser

        composed = copy.deepcopy(composed)
        ConfigLoaderImpl._apply_overrides_to_config(OverridesParser.create().parse_overrides(list(overrides)), composed)
    raw: Any = OmegaConf.to_container(composed, resolve=False)
    return dict(raw)


def check_users_part(found: Any, alone: Any, slug: str, path: str = "") -> None:
    """Raises UserError, naming the key, where what was composed with the pack differs from what was without it."""
    if isinstance(found, Mapping) and isinstance(alone, Mapping):
        for key in [*found, *(key for key in alone if key not in found)]:
            check_users_part(found.get(key), alone.get(key), slug, f"{path}.{key}".lstrip("."))
    elif found != alone or type(found) is not type(alone):
        raise UserError(f"papers/{slug}/conf: sets {path}, which is the user's to set; remove it from the pack")


def check_hydras_targets(hydra: Any, slug: str, path: str = "hydra") -> None:
    """Raises UserError where a node of Hydra's own, which the main process builds, names code of a pack."""
    for key, value in _items(hydra):
        here = f"{path}.{key}"
        if key == TARGET and str(value).split(".")[0] == "papers":
            raise UserError(f"{here}={value}: code of a pack runs in its sandbox only, never as a part of Hydra")
        check_hydras_targets(value, slug, here)


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def check_overrides(overrides: Sequence[str]) -> None:
    """Raises UserError for an override of the user's that would take the pack's own folder away."""
    for override in overrides:
        if root_of(override) == "hydra" and override.lstrip("+~").startswith("hydra.searchpath"):
            raise UserError(f"{override}: the pack's folder stands there; put groups of your own into conf/")
