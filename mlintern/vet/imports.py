"""What the imported names of a file stand for, and which imports are refused."""

from __future__ import annotations

import ast
from pathlib import Path

from mlintern.vet import allowlist
from mlintern.vet.allowlist import Kind


class Imports:
    """The imports of one file: which names are modules, which are names out of one."""

    def __init__(self, kind: Kind, path: Path, package: str | None):
        self.modules: dict[str, str] = {}
        """{name in the file: dotted module}."""
        self.names: dict[str, str] = {}
        """{name in the file: dotted name out of a library}."""
        self._kind = kind
        self._path = path
        self._package = package

    def add(self, node: ast.Import | ast.ImportFrom) -> list[str]:
        """Records the import; returns what is wrong with it."""
        if isinstance(node, ast.Import):
            return [problem for alias in node.names if (problem := self._add_module(alias))]
        if node.module == "__future__":
            return []
        if (sibling := self._sibling(node)) is not None:
            return [problem for alias in node.names if (problem := self._add_own(sibling, alias))]
        if node.level:
            return [
                f"relative import of {'.' * node.level}{node.module or ''}: only `from .file import Name` is allowed"
            ]
        return [problem for alias in node.names if (problem := self._add_name(node.module or "", alias))]

    def resolve(self, dotted: str) -> tuple[str, list[str]]:
        """A dotted name split into the longest known module and the rest."""
        parts = dotted.split(".")
        known = allowlist.parents(self._kind)
        count = len(parts)
        while count and ".".join(parts[:count]) not in known:
            count -= 1
        return ".".join(parts[:count]), parts[count:]

    def allows(self, module: str, name: str, kind: Kind | None = None) -> bool:
        """May this name of this module be used in code of this kind (of the file's, when it is not given)?"""
        return name in allowlist.modules(kind or self._kind).get(module, frozenset())

    def _add_module(self, alias: ast.alias) -> str | None:
        if alias.name not in allowlist.parents(self._kind):
            return f"import of {alias.name} is not allowed in a pack"
        bound = alias.asname or alias.name.split(".")[0]
        self.modules[bound] = alias.name if alias.asname else bound
        return None

    def _add_name(self, module: str, alias: ast.alias) -> str | None:
        bound, dotted = alias.asname or alias.name, f"{module}.{alias.name}"
        if alias.name == "*":
            return f"import of everything from {module}: name what you use"
        if module == allowlist.PROTOCOLS:
            if not alias.name[:1].isupper():
                return f"{dotted} is no protocol"
            self.names[bound] = dotted
            return None
        if dotted in allowlist.parents(self._kind):
            self.modules[bound] = dotted
            return None
        if module not in allowlist.parents(self._kind) or not self.allows(module, alias.name):
            return f"import of {dotted} is not allowed in a pack"
        self.names[bound] = dotted
        return None

    def _sibling(self, node: ast.ImportFrom) -> Path | None:
        """The file of the pack that `from .file import …` or `from <package>.file import …` names."""
        module = node.module or ""
        if node.level == 0 and self._package and module.startswith(self._package + "."):
            module = module.removeprefix(self._package + ".")
        elif node.level != 1 or not module:
            return None
        return self._path.parent.joinpath(*module.split(".")).with_suffix(".py")

    def _add_own(self, sibling: Path, alias: ast.alias) -> str | None:
        if not sibling.is_file():
            return f"import from {sibling.name}, which is not in the pack"
        if alias.name not in defined_names(sibling):
            return f"{alias.name} is not a class, function or constant defined in {sibling.name}"
        self.names[alias.asname or alias.name] = f".{sibling.stem}.{alias.name}"
        return None


def defined_names(path: Path) -> set[str]:
    """Classes, functions and constants that a file defines at its top level; imported names are not among them."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()  # the file is refused on its own
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found
