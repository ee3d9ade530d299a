"""Every `_target_` of a config: does it name a class or function that a config may build?

Prefixes alone do not hold: Hydra resolves `mlintern.engine.loop.os.system` by attributes, so a name must also be
*defined* where it is said to be. That is read off the source, because importing a module to look would run it.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.errors import UserError
from mlintern.vet import rules, text

ENGINE_PREFIXES = ("mlintern.engine.", "mlintern.data.", "torch.nn.", "torch.optim.")
"""What any config may build, beside its own pack's modules (`papers.<slug>.`)."""

TARGET = "_target_"
_DOTTED = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+", re.ASCII)
_IGNORABLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\\s]")
_DEEPEST_REEXPORT = 5
_LARGEST_MODULE = 2_000_000  # bytes of a library's file
_CONTROL_VALUES: dict[str, tuple[object, ...]] = {
    "_partial_": (True, False),
    "_recursive_": (True, False),
    "_convert_": ("none", "partial", "object", "all"),
}


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
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(path, what is wrong) for every target, and every key of Hydra's own, that may not stand in a config."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            here = (*path, key)
            if (problem := key_problem(key)) is not None:
                yield here, problem
            elif key == TARGET or (isinstance(key, str) and key.endswith("." + TARGET)):
                if (problem := target_problem(inner, allowed_prefixes, roots)) is not None:
                    yield here, problem
            elif key in _CONTROL_VALUES and inner not in _CONTROL_VALUES[key]:
                yield here, f"{key} must be one of {', '.join(str(v) for v in _CONTROL_VALUES[key])}"
            else:
                yield from target_problems(inner, allowed_prefixes, roots, here)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from target_problems(inner, allowed_prefixes, roots, (*path, index))
    elif not (value is None or isinstance(value, (str, int, float, bool, bytes))):
        yield path, f"holds an object of type {type(value).__name__}; a config holds plain values"


def key_problem(key: object) -> str | None:
    """What is wrong with a key: lookalikes of Hydra's own keys, and those of them that a config may not use."""
    if not isinstance(key, str):
        return None
    folded = _IGNORABLE.sub("", unicodedata.normalize("NFKC", key)).lower()
    last = folded.rsplit(".", 1)[-1]
    if not key.isascii() or (last.strip("_") == "target" and last.startswith("_") and key.rsplit(".", 1)[-1] != TARGET):
        return f"the key {key!r} looks like another one; use plain ASCII names"
    if re.fullmatch(r"_\w+_", last) and last != TARGET and last not in _CONTROL_VALUES:
        return f"the key {key!r} is Hydra's own and not allowed here; name the arguments"
    return None


def target_problem(target: object, allowed_prefixes: Sequence[str], roots: Sequence[Path] | None = None) -> str | None:
    """Why this target may not be built, or None."""
    if not isinstance(target, str):
        return f"{TARGET} must be text, not {type(target).__name__}"
    if "$" in target:
        return f"{TARGET}: {target} is computed; write the name out"
    if not _DOTTED.fullmatch(target):
        return f"{TARGET}: {target!r} is no dotted name of a class or function"
    if target in allowed_prefixes:
        return None  # allowed by its whole name
    if not any(prefix.endswith(".") and target.startswith(prefix) for prefix in allowed_prefixes):
        return f"{TARGET}: {target} is outside what a config may build ({', '.join(allowed_prefixes)})"
    if target.split(".")[0] in rules.LIBRARIES and (found := rules.name_problem(target, "model")) is not None:
        return f"{TARGET}: {found[1]}"
    folders = list(roots) if roots is not None else [Path.cwd(), Path(__file__).resolve().parents[2]]
    return _undefined(target, folders)


def _undefined(target: str, roots: Sequence[Path], depth: int = 0) -> str | None:
    """Why `target` is not a class or function defined in (or re-exported by) the module it names, or None."""
    found = _module_file(target.split("."), [*roots, *_installed(target.split(".")[0])])
    if found is None:
        return f"{TARGET}: there is no module for {target}"
    file, rest = found
    if len(rest) != 1:
        inner = ".".join(rest) or "(the module itself)"
        return f"{TARGET}: {target} reaches {inner} inside {file.name}; name a class or function that it defines"
    ours = target.startswith("papers.")  # a library's file may be a link into an installer's cache
    source, refusals = text.read(file if ours else file.resolve(), file.name, _LARGEST_MODULE)
    try:
        statements = _top_level(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{TARGET}: {file.name} cannot be read: {type(error).__name__}"
    if not source and refusals:
        return f"{TARGET}: {refusals[0]}"
    for node in statements:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == rest[0]:
            return None
    for node in statements:
        if isinstance(node, ast.ImportFrom) and depth < _DEEPEST_REEXPORT:
            for alias in node.names:
                origin = _imported_from(node, target, file)
                if origin.split(".")[0] != target.split(".")[0]:
                    continue
                if (alias.asname or alias.name) == rest[0]:
                    return _undefined(f"{origin}.{alias.name}", roots, depth + 1)
                if alias.name == "*" and _undefined(f"{origin}.{rest[0]}", roots, depth + 1) is None:
                    return None
    return f"{TARGET}: {target} is not a class or function defined in {file.name}"


def exported(module: str) -> list[str]:
    """Functions and classes that an installed module defines or brings in by name, its own package's alone."""
    found = _module_file([*module.split("."), "name"], _installed(module.split(".")[0]))
    if found is None or found[1] != ["name"]:
        return []
    names: list[str] = []
    for node in _top_level(text.read(found[0].resolve(), found[0].name, _LARGEST_MODULE)[0]):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.append(node.name)
        elif node.level or (node.module or "").split(".")[0] == module.split(".")[0]:
            names += [alias.asname or alias.name for alias in node.names]
    return [name for name in names if name.isidentifier() and not name.startswith("_")]


@functools.lru_cache(maxsize=64)
def _top_level(source: str) -> list[ast.ClassDef | ast.FunctionDef | ast.ImportFrom]:
    """What may define or bring in a name."""
    return [
        node for node in ast.parse(source).body if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.ImportFrom))
    ]


def _imported_from(node: ast.ImportFrom, target: str, file: Path) -> str:
    if node.level == 0:
        return node.module or ""
    package = target.split(".")[: -1 if file.name == "__init__.py" else -2]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *(node.module or "").split(".")]).strip(".")


def _module_file(parts: list[str], roots: Sequence[Path]) -> tuple[Path, list[str]] | None:
    """The source of the longest module that `parts` begins with, and the parts after it."""
    for root in roots:
        folder = root
        for count, part in enumerate(parts, 1):
            if (folder / f"{part}.py").is_file():
                return folder / f"{part}.py", parts[count:]
            if not (folder / part).is_dir():
                if count > 1 and (folder / "__init__.py").is_file():
                    return folder / "__init__.py", parts[count - 1 :]
                break
            folder = folder / part
    return None


def _installed(top: str) -> list[Path]:
    """The folder that an installed package lies in, found without importing it."""
    spec = importlib.machinery.PathFinder.find_spec(top)
    return [Path(location).parent for location in (spec.submodule_search_locations or [])] if spec else []
