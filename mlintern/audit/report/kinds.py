"""Kinds of leaks: the names of the files in `mlintern/audit/checks/`, and of nothing else.

They are read off the folder, not off the checks, so that a configuration is validated without what a check imports.
"""

import functools
import importlib
from collections.abc import Iterable
from importlib import resources

from mlintern.core.errors import UserError

FOLDER = "mlintern.audit.checks"
ONLY_WARN: set[str] = set()
"""Kinds whose check said so when its file was imported."""


@functools.cache
def names() -> tuple[str, ...]:
    """The names of all kinds, in alphabetical order."""
    files = (file.name for file in resources.files("mlintern.audit").joinpath("checks").iterdir())
    return tuple(sorted(name.removesuffix(".py") for name in files if name.endswith(".py") and name[0] != "_"))


class Kind(str):
    """What a leak is. The names are stable ids: configurations (`audit.acknowledge`) and scripts rely on them."""

    __slots__ = ()

    def __new__(cls, name: str) -> "Kind":
        if name not in names():
            raise ValueError(f"{str(name)!r} is not a kind of leak; choose from {', '.join(names())}")
        return super().__new__(cls, name)

    @property
    def only_warns(self) -> bool:
        """Does its check say that no such finding ever blocks?"""
        importlib.import_module(f"{FOLDER}.{self}")
        return self in ONLY_WARN


def kinds_of(values: Iterable[str]) -> frozenset[Kind]:
    """The kinds of those names; raises UserError for a name that is no kind."""
    found = set()
    for value in values:
        if value not in names():
            raise UserError(f"audit.acknowledge={value}: not a kind of finding; choose from {', '.join(names())}")
        found.add(Kind(value))
    return frozenset(found)
