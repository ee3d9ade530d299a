"""Which of the tool's own modules hold parts, whose classes a config may build; all others are machinery.

A part is told by its place: a file of `mlintern/engine/parts/` or `mlintern/data/parts/`, and the modules that were
there before these rooms. A file of the rooms computes on what it is given: one that imports more than it needs for
that, or calls what opens files by name, is refused, because a config could build it with a name of its choice.
"""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

from mlintern.core.targets import definitions

NAMED = frozenset(
    """mlintern.engine.augments mlintern.engine.controls mlintern.engine.losses mlintern.engine.methods
    mlintern.engine.metrics mlintern.engine.probes mlintern.engine.schedules mlintern.data.preprocess
    mlintern.data.sources mlintern.data.views""".split()
)
"""Parts outside the rooms; nothing is added here, and the names in configs are parts of cells' ids."""
ROOMS = ("mlintern.engine.parts", "mlintern.data.parts")

_USABLE = NAMED | {"mlintern.core.errors", "mlintern.core.streams.seeding", "mlintern.engine.protocols"}
_LIBRARIES = frozenset(
    """__future__ abc collections copy dataclasses enum einops functools itertools math numpy operator scipy torch
    typing""".split()
)
_READING = re.compile(
    r"(?:.*_)?(?:load|loadtxt|save|savez|savetxt|open|read|write|download|fetch|push|exec|eval|compile|file|url)(?:_.*)?"
    r"|getattr|globals|vars|input|memmap|fromfile|tofile|dump|genfromtxt|DataSource|serialization|hub|ctypeslib|io"
    r"|__(?!(?:future|init|post_init|call|len|getitem|iter|name|doc|all)__)\w+__"
)
"""Names of what opens or runs something, and of Python's own those that a class has no need to say."""


def is_part(module: str) -> bool:
    """Does a module's name say that it holds parts?"""
    room, _, name = module.rpartition(".")
    return module in NAMED or (room in ROOMS and name.isidentifier())


def fault(module: str, roots: Sequence[Path]) -> str | None:
    """What a file of the rooms has that no part needs, or None."""
    if module in NAMED:
        return None
    try:
        found, _ = definitions.module_of(f"{module}.name", roots)
    except definitions.NotFound as error:
        return str(error)
    for node in ast.walk(found.tree):
        line = f"{found.file.name}:{getattr(node, 'lineno', 1)}"
        if wrong := next((name for name in _imported(node) if not _usable(name)), None):
            return f"{line} imports {wrong}; a part computes on what it is given, from {', '.join(sorted(_LIBRARIES))}"
        if wrong := next((name for name in _names(node) if _READING.fullmatch(name)), None):
            return f"{line} uses {wrong}; a part opens nothing, it is given what it needs"
    return None


def _imported(node: ast.AST) -> list[str]:
    """The modules that an import takes names from; a relative one has a name that is not usable."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = "." * node.level + (node.module or "")
    inside = [f"{base}.{alias.name}" for alias in node.names]
    return inside if base.startswith("mlintern") and not _usable(base) else [base]


def _names(node: ast.AST) -> list[str]:
    """The names that a node says."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        return [part for name in (module, *(alias.name for alias in node.names)) for part in name.split(".")]
    return [node.id] if isinstance(node, ast.Name) else [node.attr] if isinstance(node, ast.Attribute) else []


def _usable(module: str) -> bool:
    return module in _USABLE or module.split(".")[0] in _LIBRARIES
