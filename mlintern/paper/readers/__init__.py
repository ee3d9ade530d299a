"""One file for each kind of local file that is a paper, beside the LaTeX, HTML and PDF that arXiv has.

The file's name is the road's. It has `SUFFIXES`, in lower case with the dot, and
`read(path: Path, name: str, id: str) -> Document`, where `name` is what messages call the file. A reader raises
UserError for what it cannot read, and imports what it needs to read when it is called.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType


def _found() -> dict[str, ModuleType]:
    return {info.name: importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)}


ROADS: Mapping[str, ModuleType] = _found()
SUFFIXES: tuple[str, ...] = tuple(suffix for road in ROADS.values() for suffix in road.SUFFIXES)


def road_of(name: str) -> str | None:
    """The road for a file of this name; None where no reader here has its suffix."""
    return next((road for road, module in ROADS.items() if name.lower().endswith(module.SUFFIXES)), None)
