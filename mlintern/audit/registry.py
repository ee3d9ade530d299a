"""How a check is written down: `@check(...)` in the one file of `mlintern/audit/checks/` that is named after its kind.

All that the audit knows of a kind of leak is said there; docs/add-a-check.md shows a whole file.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable
from typing import TypeVar

from mlintern.audit.inputs.subject import Outcome, Subject
from mlintern.audit.inputs.units import Units
from mlintern.audit.planting import Planter
from mlintern.audit.report.kinds import FOLDER, ONLY_WARN, Kind
from mlintern.core.errors import UserError

Look = TypeVar("Look", bound=Callable[[Subject], Outcome])


class IncompleteCheck(UserError):
    """A file in `mlintern/audit/checks/` that lacks something which the audit needs of every check."""


@dataclasses.dataclass(frozen=True)
class Detector:
    """A check as it was registered."""

    kind: Kind
    look: Callable[[Subject], Outcome]
    place: int
    """Checks run and are reported by rising place."""
    planter: Planter | None = None
    """Plants the leak in a copy of the user's data, so that a PASS says how much it is worth."""
    no_canary: str = ""
    """Why nothing is planted."""
    draws: str = ""
    """The purpose that its random rows are drawn for (`Subject.sample`); "" where it looks at all rows, or speaks of
    it itself."""
    units: Callable[[Subject], Units | None] | None = None
    """Which rows its findings hold together, for price and repair, where their evidence does not say so."""


_DETECTORS: dict[str, Detector] = {}


def check(
    *,
    place: int,
    planter: Planter | None = None,
    no_canary: str = "",
    draws: str = "",
    only_warns: bool = False,
    units: Callable[[Subject], Units | None] | None = None,
) -> Callable[[Look], Look]:
    """Register the decorated function as the check of the kind that its file is named after; see `Detector`.

    Findings of one that `only_warns` never block.
    """

    def register(look: Look) -> Look:
        kind = look.__module__.rpartition(".")[2]
        where = f"mlintern/audit/checks/{kind}.py"
        if planter is None and not no_canary:
            raise IncompleteCheck(
                f"{where}: nothing plants {kind}, so nobody knows what a PASS is worth; give @check planter=, a "
                'generator of Planting, or no_canary="why nothing can be planted"'
            )
        if kind in _DETECTORS:
            raise IncompleteCheck(f"{where}: two functions have @check; leave one, or give the other its own file")
        _DETECTORS[kind] = Detector(Kind(kind), look, place, planter, no_canary, draws, units)
        if only_warns:
            ONLY_WARN.add(kind)
        return look

    return register


def detector(kind: Kind) -> Detector:
    """The check of that kind."""
    importlib.import_module(f"{FOLDER}.{kind}")
    if kind not in _DETECTORS:
        raise IncompleteCheck(
            f"mlintern/audit/checks/{kind}.py: no function has @check(place=…, planter=…); add it, or move what "
            "checks share to mlintern/audit/search/"
        )
    return _DETECTORS[kind]


def detectors() -> tuple[Detector, ...]:
    """Every check, in the order of the report."""
    folder = importlib.import_module(FOLDER)
    found = [detector(Kind(module.name)) for module in pkgutil.iter_modules(folder.__path__)]
    return tuple(sorted(found, key=lambda one: (one.place, one.kind)))
