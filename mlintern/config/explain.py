"""What is said of a mistake in an override or a composition: one line that names the key and the nearest known one.

What the schema knows is said before Hydra composes; what Hydra and OmegaConf find is named by what their errors carry.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from mlintern.config import arguments
from mlintern.config.keys import root_of
from mlintern.config.schema import Config
from mlintern.core import roots
from mlintern.core.errors import UserError
from mlintern.core.schema import field_names, group_at, guess
from mlintern.core.schema import unknown_key as not_in_schema

_OF_PACKS = ("model", "data", "ablation")
"""Groups whose options are all a pack's."""


def search_path(pack: Path) -> str:
    """The Hydra override that adds a pack's groups."""
    folder = str(pack / "conf").replace("\\", "\\\\").replace("'", "\\'")
    return f"hydra.searchpath=['file://{folder}']"


def check_keys(overrides: Sequence[str], pack: Path) -> None:
    """Raises UserError for an override of a key that the schema does not have, or of a group by a number."""
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        root, *rest = key.split(".")
        if root_of(override) == "hydra" or "@" in key or not key:
            continue
        if not rest and (options := options_of(root, pack)):
            if _is_number(value) and value not in options:
                raise UserError(f"{key}={value}: no such option; choose {', '.join(options)}")
            continue
        if not rest and root in _OF_PACKS and value not in ("", "null"):
            raise UserError(f"{key}: the pack has no options for it; see papers/{pack.name}/conf/ for what it has")
        if root not in field_names(Config):
            raise not_in_schema(Config, key)
        group = group_at(Config, [root])
        if group is not None and rest and rest[0] not in field_names(group):
            raise not_in_schema(group, key)


def explain(error: BaseException, pack: Path, overrides: Sequence[str] = ()) -> UserError:
    """An error of Hydra's or OmegaConf's as one line."""
    causes = list(_causes(error))
    if said := next((cause for cause in causes if isinstance(cause, UserError)), None):
        return said
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        options = options_of(group, pack)
        if not options:
            where = f"conf/ and papers/{pack.name}/conf/"
            return UserError(f"{group}={name}: no such group; see {where} for those that exist")
        return UserError(f"{group}={name}: no such option;{guess(name, options)} choose {', '.join(options)}")
    found = next((cause for cause in causes if isinstance(cause, OmegaConfBaseException)), None)
    key = found.full_key if found is not None else None
    if key and isinstance(found, ConfigKeyError | ConfigAttributeError) and isinstance(error, HydraException):
        return unknown_key(key, pack, overrides)
    if key and isinstance(found, MissingMandatoryValue):
        return UserError(f"{key}: no value; give {key}=…")
    for override in overrides if found is None else ():
        group = override.partition("=")[0]
        if group not in field_names(Config) and options_of(group, pack):
            return UserError(f"{override}: none of this group is chosen so far; to add one, give +{override}")
    first = next(iter(str(error).splitlines()), "") or type(error).__name__
    return UserError(f"{key}: {first}" if key else f"{first}; see `--cfg job` for the configuration, `--help` for more")


def options_of(group: str, pack: Path) -> list[str]:
    """Names of a group's options, in conf/ and in the pack."""
    return sorted({path.stem for root in (roots.CONF, pack / "conf") for path in (root / group).glob("*.yaml")})


def unknown_key(key: str, pack: Path, overrides: Sequence[str]) -> UserError:
    """What a key that an override names and the configuration lacks is told: the nearest, or that a class takes it."""
    known, taken = _keys(pack, [o for o in overrides if "." not in o.partition("=")[0]])
    value = next((o.partition("=")[2] for o in overrides if o.partition("=")[0] == key), "…")
    if key in taken:
        name, default = taken[key]
        so_far = "which nothing sets" if default is None else f"with the default {default}"
        return UserError(f"{key}: is an argument of {name} {so_far}, so far in no config; give +{key}={value}")
    close = guess(key, [*known, *(f"+{argument}" for argument in taken)])
    return UserError(f"{key}: no such key;{close} see `--cfg job` for all keys")


def _keys(pack: Path, choices: Sequence[str]) -> tuple[list[str], dict[str, tuple[str, str | None]]]:
    """(dotted keys and groups of the configuration that `choices` compose, {argument that its classes take beside
    those: (class, default)})."""
    from hydra import compose

    named = [o for o in choices if not o.lstrip("+").startswith("paper=")]
    plain: Any = None
    for given in (named, []):
        try:
            composed = compose("config", [search_path(pack), f"paper={pack.name}", *given])
        except (HydraException, OmegaConfBaseException, ValueError, AssertionError):
            continue
        plain = OmegaConf.to_container(composed, resolve=False)
        break
    known: list[str] = []
    taken: dict[str, tuple[str, str | None]] = {}
    folders = [pack.parent.parent, roots.ROOT]

    def walk(value: Any, prefix: str) -> None:
        for name, item in value.items():
            known.append(prefix + str(name))
            if isinstance(item, dict):
                walk(item, f"{prefix}{name}.")
        if isinstance(target := value.get("_target_"), str):
            for name, default in (arguments.taken(target, folders) or {}).items():
                if name not in value:
                    taken[prefix + name] = (target.rpartition(".")[2], default)

    walk(plain or {}, "")
    return known, taken


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
