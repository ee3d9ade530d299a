"""What Hydra and OmegaConf say of a mistake, as one line that names the key and suggests the nearest known one."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlintern import config
from mlintern.errors import UserError


def search_path(pack: Path) -> str:
    """The Hydra override that adds a pack's groups."""
    folder = str(pack / "conf").replace("\\", "\\\\").replace("'", "\\'")
    return f"hydra.searchpath=['file://{folder}']"


def explain(error: BaseException, slug: str, packs: Path) -> UserError:
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
        if unknown[1] in config.COORDINATES:
            return UserError(f"{unknown[1]}: the pack has no options for it; see papers/{slug}/conf/ for what it has")
        return UserError(
            f"{unknown[1]}: no such key;{_nearest(unknown[1], known_keys(slug, packs))} see `--cfg job` for all keys"
        )
    if struct := re.search(r"Key '([^']+)' (?:is )?not in '(\w+)'", text):
        full = re.search(r"full_key: (\S+)", text)
        return UserError(f"{full[1] if full else struct[1]}: no such key; see `--cfg job` for all keys")
    if mandatory := re.search(r"Missing mandatory value: (\S+)", text):
        return UserError(f"{mandatory[1]}: no value; give {mandatory[1]}=…")
    if typed := re.search(r"Value '(.*)' of type '\w+' could not be converted to (\w+)", text):
        full = re.search(r"full_key: (\S+)", text)
        kinds = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false", "String": "text"}
        return UserError(f"{full[1] if full else 'value'}={typed[1]}: not {kinds.get(typed[2], typed[2])}")
    if none := re.search(r"Incompatible value 'None' for field of type '(\w+)'", text):
        kinds = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
        full = re.search(r"full_key: (\S+)", text)
        return UserError(f"{full[1] if full else 'value'}=null: needs {kinds.get(none[1], none[1])}")
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
    return sorted({path.stem for root in (config.CONF, pack / "conf") for path in (root / group).glob("*.yaml")})


def known_keys(slug: str, packs: Path) -> list[str]:
    """Dotted keys of the pack's default configuration, and the groups."""
    from hydra import compose
    from hydra.errors import HydraException

    try:
        plain = OmegaConf.to_container(compose("config", [search_path(packs / slug), f"paper={slug}"]), resolve=False)
    except (HydraException, OmegaConfBaseException, ValueError):
        return []

    def walk(value: Any, prefix: str) -> Iterator[str]:
        for name, item in value.items():
            yield prefix + name
            if isinstance(item, dict):
                yield from walk(item, f"{prefix}{name}.")

    return list(walk(plain, ""))


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" did you mean {close[0]}?" if close else ""
