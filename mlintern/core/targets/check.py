"""Every `_target_` of a config: does it name a class or function that a config may build?

Prefixes alone do not hold: Hydra resolves `mlintern.engine.loop.os.system` by attributes, so a name must also be
*defined* where it is said to be. That is read off the source, because importing a module to look would run it.
"""

import difflib
import re
import types
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.core.targets import definitions, parts

ENGINE_PREFIXES = ("mlintern.engine.", "mlintern.data.", "torch.nn.", "torch.optim.")
"""What a trusted process may build: this tool's own parts and torch's."""

_LIBRARY = {
    "torch": r"nn\.[A-Z]\w*|nn\.functional\.[a-z]\w*|nn\.modules\.[a-z]\w*\.[A-Z]\w*|optim(\.[a-z_]+)?\.[A-Z]\w*",
    "torchvision": r"(models|ops|transforms)(\.\w+)*",
    "timm": r"create_model|(models|layers|loss|optim|scheduler)(\.\w+)*",
    "transformers": r"[A-Z]\w*(\.from_config)?|models(\.[a-z]\w*)+\.[A-Z]\w*|optimization\.\w+|get_\w*schedule\w*",
    "torchmetrics": r"(\w+\.)*\w+",
    "einops": r"layers\.torch\.[A-Z]\w*",
}
"""Of each library, the names that build a layer, a model, a loss, an optimizer, a schedule, a transform or a metric."""
_NEVER = re.compile(
    r"(from_pretrained|pipeline|register_\w+|DataParallel|DistributedDataParallel)$"
    r"|(^|_)(load|save|open|read|write|download|hub|fetch|push|exec|eval|file|url)(_|$)"
)
"""Names of what fetches, reads or writes, in whatever library: weights and data come through the configuration."""

TARGET = "_target_"
_DOTTED = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+", re.ASCII)
_IGNORABLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\\s]")
_CONTROL_VALUES: dict[str, tuple[object, ...]] = {
    "_partial_": (True, False),
    "_recursive_": (True, False),
    "_convert_": ("none", "partial", "object", "all"),
}
_ARGUMENTS = "_args_"


def check_targets(
    config: Mapping[str, Any], allowed_prefixes: Sequence[str], *, roots: Sequence[Path] | None = None
) -> None:
    """Raises UserError, naming the key, unless every target at any depth of this composed config may be built.

    `config` is a plain container with its interpolations resolved; a prefix ends in a dot, an entry of
    `allowed_prefixes` that does not is one whole target. `roots` are the folders whose modules the prefixes
    name (default: the working folder and the one that holds mlintern).
    """
    for path, message in target_problems(config, allowed_prefixes, roots):
        raise UserError(f"{'.'.join(str(step) for step in path)}: {message}")


def target_problems(
    value: Any,
    allowed_prefixes: Sequence[str],
    roots: Sequence[Path] | None = None,
    path: tuple[str | int, ...] = (),
    by_name: bool = False,
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(path, what is wrong) for every target, and every key of Hydra's own, that may not stand in a config.

    `by_name`: targets are judged by their names alone, and need not exist.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            here = (*path, key)
            if (problem := key_problem(key)) is not None:
                yield here, problem
            elif key == TARGET or (isinstance(key, str) and key.endswith("." + TARGET)):
                if (problem := target_problem(inner, allowed_prefixes, roots, by_name)) is not None:
                    yield here, problem
            elif key in _CONTROL_VALUES and inner not in _CONTROL_VALUES[key]:
                yield here, f"{key} must be one of {', '.join(str(v) for v in _CONTROL_VALUES[key])}"
            elif key == _ARGUMENTS and not isinstance(inner, (list, tuple)):
                yield here, f"{key} must be a list of the arguments in order"
            else:
                yield from target_problems(inner, allowed_prefixes, roots, here, by_name)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from target_problems(inner, allowed_prefixes, roots, (*path, index), by_name)
    elif not (value is None or isinstance(value, (str, int, float, bool, bytes))):
        yield path, f"holds an object of type {type(value).__name__}; a config holds plain values"


def targets_in(value: Any) -> Iterator[str]:
    """Every target at any depth of a config whose targets were checked."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == TARGET:
                yield inner
            else:
                yield from targets_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from targets_in(inner)
    elif not isinstance(value, (str, int, float, bool, bytes, types.NoneType)):
        raise TypeError(f"{type(value).__name__}: a config that was checked holds plain values")


def key_problem(key: object) -> str | None:
    """What is wrong with a key: lookalikes of Hydra's own keys, and those of them that a config may not use."""
    if not isinstance(key, str):
        return None
    folded = _IGNORABLE.sub("", unicodedata.normalize("NFKC", key)).lower()
    last = folded.rsplit(".", 1)[-1]
    if not key.isascii() or (last.strip("_") == "target" and last.startswith("_") and key.rsplit(".", 1)[-1] != TARGET):
        return f"the key {key!r} looks like another one; use plain ASCII names"
    known = (TARGET, _ARGUMENTS, *_CONTROL_VALUES)
    if re.fullmatch(r"_\w+_", last) and last not in known:
        return f"the key {key!r} is Hydra's own and not allowed here; name the arguments"
    return None


def target_problem(
    target: object, allowed_prefixes: Sequence[str], roots: Sequence[Path] | None = None, by_name: bool = False
) -> str | None:
    """Why this target may not be built, or None."""
    if not isinstance(target, str):
        return f"{TARGET} must be text, not {type(target).__name__}"
    if "$" in target:
        return f"{TARGET}: {target} is computed; write the name out"
    if not _DOTTED.fullmatch(target) or len(target) > 300:
        return f"{TARGET}: {target[:300]!r} is no dotted name of a class or function"
    if target in allowed_prefixes:
        return None  # allowed by its whole name
    if not any(prefix.endswith(".") and target.startswith(prefix) for prefix in allowed_prefixes):
        return f"{TARGET}: {target} is outside what a config may build ({', '.join(allowed_prefixes)})"
    top, _, rest = target.partition(".")
    if top in _LIBRARY and (not re.fullmatch(_LIBRARY[top], rest, re.ASCII) or _NEVER.search(rest.rsplit(".", 1)[-1])):
        return f"{TARGET}: {target} is not among the names of {top} that a config may build"
    module = target.rpartition(".")[0]
    if top == "mlintern" and not parts.is_part(module):
        those = ", ".join([*sorted(parts.NAMED), *parts.ROOMS])
        return f"{TARGET}: {target} is no part to build with; those stand in {those}"
    if by_name:
        return None
    folders = list(roots) if roots is not None else [Path.cwd(), Path(__file__).resolve().parents[3]]
    if top == "mlintern" and (found := parts.fault(module, folders)):
        return f"{TARGET}: {target} cannot be a part: {found}"
    return _undefined(target, allowed_prefixes, folders)


def _undefined(target: str, allowed_prefixes: Sequence[str], roots: Sequence[Path]) -> str | None:
    """Why `target` is not defined where it is said to be, or None."""
    if target.endswith(".from_config"):
        target = target.rpartition(".")[0]
    try:
        definitions.find(target, roots)
    except definitions.NotFound as error:
        if (origin := _imported(target, roots)) and target_problem(origin, allowed_prefixes, roots) is None:
            return None
        if target.split(".")[0] in ("transformers", "torchvision", "timm") and "not a class" in str(error):
            return None  # their packages make names as they are asked for; the sandbox will say
        return f"{TARGET}: {error}{_nearest(target, roots)}"
    return None


def _imported(target: str, roots: Sequence[Path]) -> str | None:
    """The name that `target` has in another package, where its module imports it from one."""
    place = definitions.place_of(target, roots)
    origin = definitions.origin_of(*place) if place else None
    return origin if origin and origin.split(".")[0] != target.split(".")[0] else None


def _nearest(target: str, roots: Sequence[Path]) -> str:
    if (place := definitions.place_of(target, roots)) is None:
        return ""
    module, name = place
    close = difflib.get_close_matches(name, definitions.names_in(module), n=1)
    return f"; did you mean {module.name}.{close[0]}?" if close else ""
