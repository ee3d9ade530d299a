"""What the names of a file stand for, and which of its imports are refused."""

import ast
from collections.abc import Iterator
from pathlib import Path

from mlintern.core import roots
from mlintern.core.targets import definitions
from mlintern.vet import rules

OWN = "."
"""What begins the dotted name of something out of the pack itself."""


class Names:
    """The imports of one file: {name in the file: dotted name out of a library, or `.` and its place in the pack}."""

    def __init__(self, path: Path, package: str | None):
        self.stand_for: dict[str, str] = {}
        self._folder, self._package = path.parent, package

    def add(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
        """Records the import; yields (rule, what is wrong with it)."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.stand_for[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                yield from self._problems(alias.name, alias.name)
            return
        module, inside = node.module or "", node.level == 1
        if self._package and not node.level and f"{module}.".startswith(f"{self._package}."):
            module, inside = module.removeprefix(self._package).removeprefix("."), True
        for alias in node.names:
            self.stand_for[alias.asname or alias.name] = f"{OWN if inside else ''}{module}.{alias.name}"
            if alias.name == "*":
                yield "import", f"import of everything from {node.module}: name what you use"
            elif inside:
                file = (module or alias.name).replace(".", "/")
                if not (self._folder / f"{file}.py").is_file():
                    yield "import", f"there is no {file}.py beside this file to import from"
            elif node.level:
                yield "import", f"relative import of {'.' * node.level}{module}: only files beside this one are near"
            else:
                yield from self._problems(module, f"{module}.{alias.name}")

    def dotted(self, node: ast.AST) -> str | None:
        """The dotted name of `a.b.c`; None where it starts with anything but an import."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.stand_for:
            return None
        return ".".join([self.stand_for[node.id], *reversed(parts)])

    def _problems(self, module: str, dotted: str) -> Iterator[tuple[str, str]]:
        if module.split(".")[0] == "mlintern":
            if module == dotted or not _is_part(dotted):
                yield "import", f"{dotted} is no class or function of mlintern.engine or mlintern.data"
        elif (problem := rules.module_problem(module)) is not None:
            yield "import", problem
        elif (found := rules.name_problem(dotted, "generator")) is not None:
            yield found


def _is_part(dotted: str) -> bool:
    """Is it a class or function of the rooms that a pack may import from?"""
    if not dotted.startswith(("mlintern.engine.", "mlintern.data.")):
        return False
    try:
        return definitions.find(dotted, [roots.ROOT]).node is not None
    except definitions.NotFound:
        return False
