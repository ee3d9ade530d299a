"""Which room imports which: `python -m tests.imports` draws it into docs/architecture.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from mlintern.core import files

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mlintern"
PAGE = ROOT / "docs" / "architecture.md"
FLOORS = (
    ("core",),
    ("paper", "sandbox", "spec", "statistics", "loggers", "data"),
    ("packs", "engine", "claims"),
    ("audit",),
    ("config", "report"),
    ("vet", "plan"),
    ("study", "author"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""From the ground up. A room imports from floors below its own, and from nothing beside it."""
_BLOCK = re.compile(r"(<!-- imports -->\n).*(<!-- /imports -->)", re.DOTALL)


def _modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join([PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts])
        found[name.removesuffix(".__init__")] = path
    return found


MODULES = _modules()


def _imported(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are written out"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in MODULES or node.module in MODULES:
                    yield full if full in MODULES else node.module


IMPORTS = {name: {other for other in _imported(path) if other != name} for name, path in MODULES.items()}
"""{module: modules that it imports}."""


def room_of(module: str) -> str:
    """The room that a module stands in; "" for the package itself."""
    return module.split(".")[1] if "." in module else ""


def table() -> str:
    """The floors from the top down, and what each room on them imports."""
    found: dict[str, set[str]] = {}
    for name, others in IMPORTS.items():
        found.setdefault(room_of(name), set()).update(room_of(other) for other in others)
    rows = []
    for number, rooms in reversed(list(enumerate(FLOORS))):
        for room in rooms:
            below = [other for floor in FLOORS for other in floor if other in found[room] - {room, ""}]
            rows.append(f"| {number} | `{room}` | {', '.join(f'`{other}`' for other in below)} |")
    return "\n".join(["| Floor | Room | imports |", "| --- | --- | --- |", *rows]) + "\n"


def drawn(page: str) -> str:
    """The page with the imports as they are."""
    return _BLOCK.sub(lambda found: f"{found[1]}{table()}{found[2]}", page)


if __name__ == "__main__":
    files.write_text(PAGE, drawn(PAGE.read_text(encoding="utf-8")))
