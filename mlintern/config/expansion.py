"""How large a configuration becomes once its references are resolved; a few lines can ask for more than memory holds.

`a: ${b}${b}`, `b: ${c}${c}`, … doubles with each line, as anchors of YAML do. So sizes are added up before anything is
resolved.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlintern.core.errors import UserError

LARGEST = 2_000_000
"""Characters and values of a resolved configuration; the largest bundled one has a few thousand."""

_REFERENCE = re.compile(r"\$\{\s*(\.*)([^${}:]*?)\s*\}")


def check_expansion(config: Mapping[str, Any]) -> None:
    """Raises UserError, naming the key, where references of `config` (unresolved) go round or grow without bound."""
    sizes: dict[tuple[str, ...], int] = {}
    _size(config, (), config, sizes, set())


def _size(
    value: Any,
    path: tuple[str, ...],
    config: Mapping[str, Any],
    sizes: dict[tuple[str, ...], int],
    open_: set[tuple[str, ...]],
) -> int:
    """The size of the value at `path`; `open_` are the paths that are being added up."""
    if path in sizes:
        return sizes[path]
    if path in open_ or len(open_) > 200:
        raise UserError(f"{'.'.join(path)}: its references come round to itself; write the value out")
    open_.add(path)
    if isinstance(value, Mapping):
        total = 1 + sum(_size(inner, (*path, str(key)), config, sizes, open_) for key, inner in value.items())
    elif isinstance(value, list):
        total = 1 + sum(_size(inner, (*path, str(index)), config, sizes, open_) for index, inner in enumerate(value))
    elif isinstance(value, str):
        total = len(value) + 1
        for match in _REFERENCE.finditer(value):
            where = _place(match[1], match[2], path)
            found = _at(config, where)
            if found is not None:
                total += _size(found, where, config, sizes, open_)
    else:
        total = 1
    if total > LARGEST:
        raise UserError(f"{'.'.join(path) or 'the configuration'}: its references make it too large; write values out")
    open_.remove(path)
    sizes[path] = total
    return total


def _place(dots: str, name: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Where a reference points: from the top, or for leading dots from the mapping that holds it."""
    parts = tuple(part for part in re.split(r"[.\[\]]", name) if part)
    return (*path[: max(0, len(path) - len(dots))], *parts) if dots else parts


def _at(config: Any, path: Sequence[str]) -> Any:
    for part in path:
        if isinstance(config, Mapping):
            config = config.get(part)
        elif isinstance(config, list) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        else:
            return None
    return config
