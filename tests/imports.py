"""Which room imports which: `python -m tests.imports` draws it into docs/architecture.md."""

import re
from pathlib import Path

from mlintern import files

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
_IMPORT = re.compile(r"^\s*(?:from (mlintern[\w.]*) import (\(?[\w, ]+)|import (mlintern[\w.]*))", re.MULTILINE)
_BLOCK = re.compile(r"(<!-- imports -->\n).*(<!-- /imports -->)", re.DOTALL)
_HALL = ""


def rooms() -> dict[str, set[str]]:
    """{room: rooms that it imports}, late imports included; what stands in mlintern/ itself is the room ""."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "mlintern").rglob("*.py"):
        inside = path.relative_to(ROOT / "mlintern").parts
        room = inside[0] if len(inside) > 1 else _HALL
        for of, names, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
            parts = (of or plain).split(".")
            wanted = parts[1:2] or [name.strip(" (") for name in names.split(",")]
            found.setdefault(room, set()).update(name for name in wanted if (ROOT / "mlintern" / name).is_dir())
    return {room: imported - {room, _HALL} for room, imported in found.items()}


def table() -> str:
    """The imports as a table."""
    names = {room: f"`mlintern.{room}`" if room else "`mlintern/` itself" for room in rooms()}
    rows = [
        f"| {names[room]} | {', '.join(names[other] for other in sorted(to))} |" for room, to in sorted(rooms().items())
    ]
    return "\n".join(["| Room | imports |", "| --- | --- |", *rows]) + "\n"


def drawn(page: str) -> str:
    """The page with the imports as they are."""
    return _BLOCK.sub(lambda found: f"{found[1]}{table()}{found[2]}", page)


if __name__ == "__main__":
    files.write_text(PAGE, drawn(PAGE.read_text(encoding="utf-8")))
