"""What a study came to, as DVC and its index say it, and how two of them compare."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mlintern.core import files
from mlintern.core.errors import UserError

NEVER_EQUAL = ("study.cost.json",)
"""Outputs that name the machine, the time or the cost of a run."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How many of the compared values are equal, and the first few that are not."""

    what: str
    equal: int
    total: int
    different: list[str]

    def line(self) -> str:
        more = f", and {len(self.different) - 4} more" if len(self.different) > 4 else ""
        named = ": different are " + "; ".join(self.different[:4]) + more if self.different else ""
        return f"{self.what}: {self.equal} of {self.total} equal{named}"


def outputs(lock: Path) -> dict[str, str]:
    """{path: md5} of every output in a dvc.lock whose bytes are a promise."""
    if not lock.is_file():
        raise UserError(f"{lock}: missing; run `dvc repro` or the main job first")
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    found = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}
    return {path: md5 for path, md5 in found.items() if not path.endswith(NEVER_EQUAL)}


def numbers(index: Path) -> dict[str, Any]:
    """{cell and name: value} of a study's index: weights and loss hashes, each metric, the chosen step."""
    found: dict[str, Any] = {}
    for cell in files.read_json(index)["cells"]:
        name = " ".join([cell["variant"], *map(str, cell["levels"].values()), f"seed {cell['seed']}"])
        for field in ("weights_sha256", "loss_chain_sha256"):
            found[f"{name}, {field}"] = cell.get(field)
        found |= {f"{name}, {key}": value for key, value in _leaves(cell.get("metrics", {}))}
        found |= {f"{name}, chosen {key}": value for key, value in _leaves(cell.get("selection", {}))}
    return found


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{prefix}{key} ")
        else:
            yield prefix + key, item


def compare(what: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> Comparison:
    """Hold two tables against each other, entries that only one of them has included."""
    names = sorted(expected.keys() | found.keys())
    different = [name for name in names if name not in expected or name not in found or expected[name] != found[name]]
    return Comparison(what, len(names) - len(different), len(names), different)
