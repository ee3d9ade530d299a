"""Which of a cell's parts are the tool's and torch's own, so that the trusted side can run them itself.

Read off the configuration alone, by a list of modules and not of prefixes: a class in a trusted package may still do
what its arguments say, and those are the pack's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

MODULES = (
    "mlintern.data.preprocess",
    "mlintern.data.sources",
    "mlintern.data.views",
    "mlintern.engine.losses",
    "mlintern.engine.metrics",
)
"""Modules of ours whose classes compute and nothing else."""
_TORCH = "torch.nn."
_LOSS = "Loss"


def is_trusted(config: Mapping[str, Any] | None) -> bool:
    """Is everything that this group builds the tool's own, or a loss of torch's? True of a group that is empty."""
    return all(isinstance(target, str) and _known(target) for target in targets(config))


def is_packs(config: Any) -> bool:
    """Does this group build something of a pack's?"""
    return any(str(target).startswith("papers.") for target in targets(config))


def targets(value: Any) -> Iterator[Any]:
    """Every `_target_` at any depth."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "_target_":
                yield inner
            else:
                yield from targets(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from targets(inner)


def _known(target: str) -> bool:
    module, _, name = target.rpartition(".")
    if target.startswith(_TORCH):
        return target == f"{_TORCH}{name}" and name.endswith(_LOSS)
    return module in MODULES
