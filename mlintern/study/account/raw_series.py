"""Raw results that a paper comes with: every list of numbers in its JSON files, by name.

No layout is assumed. A list of two or more numbers is a series (seeds of one quantity, as far as anyone can tell); a
number beside it whose key is the series' own with `stderr`, `sem`, `std` or `ci` added is what its authors computed.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.statistics.printed_value import Spread

MOST_SEEDS = 100
"""A longer list is a curve or a dataset, not the seeds of one quantity."""
_SPREAD = re.compile(
    r"^(?P<stem>.+?)_?(?P<kind>stderrs?|std_?errs?|standard_errors?|sems?|stds?|stdevs?|ci95|ci)$", re.IGNORECASE
)
_KINDS: dict[str, Spread] = {
    "stderr": "standard_error",
    "standarderr": "standard_error",
    "sem": "standard_error",
    "std": "std",
    "ci": "ci95",
}
"""How the key of a spread begins to what it says that it is; the first that fits."""


@dataclass(frozen=True)
class RawSeries:
    """One quantity over runs."""

    file: str
    path: tuple[str, ...]
    values: tuple[float, ...]
    stated: dict[str, tuple[Spread, float]] = field(default_factory=dict)
    """Key to (what it is called, value) of every spread that stands beside it."""

    @property
    def name(self) -> str:
        return f"{self.file}: {'.'.join(self.path)}"


def read_series(folder: Path) -> list[RawSeries]:
    """Every series in the JSON files below `folder`, sorted by file. Raises UserError for a folder without one."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of the raw results")
    found: list[RawSeries] = []
    for path in sorted(folder.rglob("*.json")):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: not readable as JSON ({error}); mend or remove it") from None
        found += _series(path.relative_to(folder).as_posix(), value)
    if not found:
        raise UserError(f"{folder}: no JSON file with a list of numbers; the seeds of each result must be listed")
    return found


def _series(file: str, value: Any) -> list[RawSeries]:
    lists: dict[tuple[str, ...], tuple[float, ...]] = {}
    numbers: dict[tuple[str, ...], float] = {}
    for path, leaf in _leaves(value, ()):
        if isinstance(leaf, list):
            lists[path] = tuple(float(x) for x in leaf)
        else:
            numbers[path] = float(leaf)
    beside: dict[tuple[str, ...], dict[str, tuple[Spread, float]]] = {path: {} for path in lists}
    for path, number in numbers.items():
        named = _SPREAD.match(path[-1]) if path else None
        if named is None:
            continue
        # The same key below the nearest common parent: a series and its error stand in sibling mappings.
        owners = [other for other in lists if other[-1:] == (named["stem"],) and _close(other, path)]
        if len(owners) == 1:
            lowered = named["kind"].lower().replace("_", "")
            kind = next(spread for start, spread in _KINDS.items() if lowered.startswith(start))
            beside[owners[0]][path[-1]] = (kind, number)
    return [RawSeries(file, path, values, beside[path]) for path, values in lists.items()]


def _close(series: tuple[str, ...], number: tuple[str, ...]) -> bool:
    """Whether two paths share all but their last two keys."""
    return series[: max(0, len(series) - 2)] == number[: max(0, len(number) - 2)]


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[float] | float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))
    elif isinstance(value, list):
        if 2 <= len(value) <= MOST_SEEDS and all(_number(item) for item in value):
            yield path, value
        else:
            for i, item in enumerate(value):
                if isinstance(item, dict | list):
                    yield from _leaves(item, (*path, str(i)))
    elif _number(value):
        yield path, value


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
