"""Arguments of what a configuration builds: each must be one that its class takes, as the class's source says.

A name that a class does not take would be told only by the worker that builds it, after data were prepared and audited.
Where the source does not say it (`**kwargs`, a constructor that a library inherits), nothing is said here either.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.core.targets import definitions
from mlintern.core.targets.check import TARGET

OF_HYDRA = frozenset({TARGET, "_partial_", "_recursive_", "_convert_", "_args_"})
REPLACEABLE = ("optimizer", "scheduler", "loss", "augment", "method")
"""Groups with one class, whose option a user may choose in place of the pack's."""


def taken(target: str, roots: Sequence[Path]) -> dict[str, str | None] | None:
    """{argument: default} of what a target names; None where its source does not say."""
    try:
        return definitions.arguments(definitions.find(target, roots), roots)
    except definitions.NotFound:
        return None


Argument = tuple[str, str, Any, dict[str, str | None]]
"""(dotted key, name of the class, value, {argument that the class takes: default})."""


def arguments(config: Mapping[str, Any], roots: Sequence[Path], path: str = "") -> Iterator[Argument]:
    """Every argument that a configuration gives a class whose source says what it takes."""
    target = config.get(TARGET)
    known = taken(target, roots) if isinstance(target, str) else None
    for key, value in config.items():
        here = f"{path}.{key}".lstrip(".")
        if known is not None and key not in OF_HYDRA:
            yield here, str(target).rpartition(".")[2], value, known
        if isinstance(value, Mapping) and (known is None or key in known):
            yield from arguments(value, roots, here)


def unknown(config: Mapping[str, Any], roots: Sequence[Path], path: str = "") -> Iterator[tuple[str, str, list[str]]]:
    """(dotted key, name of the class, what that takes) of each argument that its class does not take."""
    for key, name, _, known in arguments(config, roots, path):
        if key.rpartition(".")[2] not in known:
            yield key, name, list(known)


def check(config: Mapping[str, Any], roots: Sequence[Path]) -> None:
    """Raises UserError that names the first argument that its class does not take, and what that takes, or the first
    that is true or false in the class, and a word in the configuration: every word is true to Python, `no` too."""
    for key, name, value, known in arguments({k: v for k, v in config.items() if k != "paper"}, roots):
        said = key.rpartition(".")[2]
        if said not in known:
            close = difflib.get_close_matches(said, known, n=1)
            guess = f" did you mean {key.removesuffix(said)}{close[0]}?" if close else ""
            raise UserError(f"{key}: {name} takes no such argument;{guess} it takes {', '.join(known) or 'none'}")
        if isinstance(value, str) and known[said] in ("True", "False"):
            raise UserError(
                f"{key}={value}: is a text, and every text counts as true; {name} takes true or false (by default "
                f"{str(known[said]).lower()})"
            )


def replaced(config: Mapping[str, Any], overrides: Collection[str], roots: Sequence[Path]) -> list[tuple[str, str]]:
    """(dotted key, name of the class) of arguments that a pack gave its own choice of a part, where the user chose
    another one that does not take them. What the user says stays, and is for `check`."""
    keys = [override.lstrip("+").partition("=")[0] for override in overrides]
    found = []
    for group in (name for name in REPLACEABLE if name in keys and isinstance(config[name], Mapping)):
        for key, name, _ in unknown(config[group], roots, group):
            if key.count(".") == 1 and key not in keys:
                found.append((key, name))
    return found
