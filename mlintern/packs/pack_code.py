"""Which of a pack's files something of it depends on: the closure of imports from the modules that a config names.

It is a superset by intent. Files that are no Python count always, for code may read them; and where a module does what
cannot be followed here (imports by a computed name, opens files, executes text), everything counts.
"""

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_UNSEEN = {
    *("importlib", "__import__", "import_module", "exec", "eval", "compile", "runpy", "pkgutil", "sys", "inspect"),
    *("open", "__file__", "__path__", "__loader__", "__spec__", "globals", "Path"),
}
"""Names by which code reaches other code, or a file, without an import that can be read off."""


def needed(slug: str, code: Mapping[str, Path], configs: Iterable[Any]) -> set[str]:
    """The names of `code` ({path in the pack: file}) that the pack's targets in `configs` depend on; none where they
    have no target in the pack."""
    prefix = f"papers.{slug}"
    named = {text for config in configs for text in _strings(config) if text == prefix or text.startswith(prefix + ".")}
    if not named:
        return set()
    found = {name for name in code if not name.endswith(".py")}
    queue: list[str] = []
    for text in named:
        modules = list(_modules(text.split(".")[2:], code))
        queue += modules if set(modules) - {"__init__.py"} else list(code)
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found.add(name)
        imported = _imports(name, code[name].read_bytes(), slug)
        if imported is None:
            return set(code)
        for parts in imported:
            queue += _modules(parts, code)
    return found


def _strings(value: Any) -> Iterator[str]:
    """Every text in a config, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _strings(item)


def _modules(parts: Sequence[str], code: Mapping[str, Path]) -> Iterator[str]:
    """The files that importing `papers.<slug>.<parts>` runs: each package's __init__.py on the way, and the module."""
    if "__init__.py" in code:
        yield "__init__.py"
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        for name in (f"{path}.py", f"{path}/__init__.py"):
            if name in code:
                yield name


@functools.lru_cache(1024)
def _imports(name: str, source: bytes, slug: str) -> list[list[str]] | None:
    """What of the pack a module imports, as parts below `papers.<slug>`; None where that cannot be read off."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    package = name.removesuffix(".py").split("/")[:-1]
    found: list[list[str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in _UNSEEN:
            return None
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            if any(parts[0] in _UNSEEN or parts in (["papers"], ["papers", slug]) for parts in names):
                return None
            found += [parts[2:] for parts in names if parts[:2] == ["papers", slug]]
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                base = [*["papers", slug, *package][: 3 + len(package) - node.level], *base]
            if base in ([], ["papers"]) or base[0] in _UNSEEN:
                return None
            if any(alias.name in _UNSEEN for alias in node.names):
                return None
            if base[:2] == ["papers", slug]:
                found += [[*base[2:], alias.name] for alias in node.names]
    return found
