"""What Hydra and OmegaConf say of a mistake, as one line that names the key and suggests the nearest known one."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlintern.config import arguments
from mlintern.core import roots
from mlintern.core.errors import UserError


def search_path(pack: Path) -> str:
    """The Hydra override that adds a pack's groups."""
    folder = str(pack / "conf").replace("\\", "\\\\").replace("'", "\\'")
    return f"hydra.searchpath=['file://{folder}']"


def explain(error: BaseException, slug: str, packs: Path, overrides: Sequence[str] = ()) -> UserError:
    """A Hydra or OmegaConf error as one line that names the key and suggests the nearest known one."""
    text = str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            return cause
        cause = cause.__cause__
    if missing := re.search(r"Could not find '([^']+)'", text) or re.search(
        r"In '[^']+': Could not find '([^']+)'", text
    ):
        group, _, name = missing[1].rpartition("/")
        options = options_of(group, packs / slug)
        if not options:
            return UserError(f"{group}={name}: no such group; see conf/ and papers/{slug}/conf/ for those that exist")
        return UserError(f"{group}={name}: no such option;{_nearest(name, options)} choose {', '.join(options)}")
    if unknown := re.search(r"Could not override '([^']+)'", text):
        if unknown[1] in roots.COORDINATES:
            return UserError(f"{unknown[1]}: the pack has no options for it; see papers/{slug}/conf/ for what it has")
        if options := options_of(unknown[1], packs / slug):
            given = next((o for o in overrides if o.startswith(f"{unknown[1]}=")), f"{unknown[1]}={options[0]}")
            return UserError(f"{given}: none of this group is chosen so far; to add one, give +{given}")
        return unknown_key(unknown[1], packs / slug, overrides)
    if struct := re.search(r"Key '([^']+)' (?:is )?not in '(\w+)'", text):
        full = re.search(r"full_key: (\S+)", text)
        return UserError(f"{full[1] if full else struct[1]}: no such key; see `--cfg job` for all keys")
    if mandatory := re.search(r"Missing mandatory value: (\S+)", text):
        full = re.search(r"full_key: (\S+)", text)
        key = full[1] if full else mandatory[1]
        return UserError(f"{key}: no value; give {key}=…")
    if typed := re.search(r"Value '(.*)' of type '\w+' could not be converted to (\w+)", text):
        full = re.search(r"full_key: (\S+)", text)
        kinds = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false", "String": "text"}
        return UserError(f"{full[1] if full else 'value'}={typed[1]}: not {kinds.get(typed[2], typed[2])}")
    if none := re.search(r"Incompatible value 'None' for field of type '(\w+)'", text):
        kinds = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
        full = re.search(r"full_key: (\S+)", text)
        return UserError(f"{full[1] if full else 'value'}=null: needs {kinds.get(none[1], none[1])}")
    if re.search(r"Invalid type assigned: (list|ListConfig) is not a subclass of", text):
        full = re.search(r"full_key: (\S+)", text)
        return UserError(f"{full[1] if full else 'a key'}: is a list, and must be a mapping of keys to values")
    first = text.splitlines()[0] if text else type(error).__name__
    full = re.search(r"full_key: (\S+)", text)
    if full:
        return UserError(f"{full[1]}: {first}")
    return UserError(f"{first}; see `--cfg job` for the configuration and `--help` for examples")


def no_option(error: ValueError | AssertionError, overrides: Sequence[str]) -> UserError:
    """Hydra's complaint about a group's option that is no name, with the override that gave it."""
    numbers = [o for o in overrides if re.fullmatch(r"[^=.]*=\s*[\d.+-]+\s*", o)]
    said = next(iter(str(error).splitlines()), "") or "a defaults list that Hydra cannot read"
    return UserError(f"{', '.join(numbers) or ' '.join(overrides)}: {said}")


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
    close = _nearest(key, [*known, *(f"+{argument}" for argument in taken)])
    return UserError(f"{key}: no such key;{close} see `--cfg job` for all keys")


def _keys(pack: Path, choices: Sequence[str]) -> tuple[list[str], dict[str, tuple[str, str | None]]]:
    """(dotted keys and groups of the configuration that `choices` compose, {argument that its classes take beside
    those: (class, default)})."""
    from hydra import compose
    from hydra.errors import HydraException

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


def _nearest(name: str, known: Sequence[str]) -> str:
    """The known name that is most like this one, as a question; nothing where none is, or the name is too long."""
    close = difflib.get_close_matches(name, known, n=1) if len(name) < 100 else []
    return f" did you mean {close[0]}?" if close else ""
