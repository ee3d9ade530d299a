"""The command that repeats a cell, bit for bit."""

import shlex
from collections.abc import Sequence
from typing import Any

_COORDINATES = ("paper", "model", "data", "protocol", "seed")
_NO_EFFECT = (
    "logger",
    "run.",
    "hydra",
    "data.num_workers",
    "trainer.devices",
    "trainer.accumulate",
    "study",
    "audit.fail_on",
)
"""Overrides that do not enter a cell's id, or are spelled out anew."""


def reproduce(
    paper: str, variant: str, levels: dict[str, Any], seed: int, overrides: Sequence[str], acknowledged: Sequence[str]
) -> str:
    """The shell line that trains exactly this cell.

    `overrides` are the record's own, `acknowledged` the kinds of findings that the cell was allowed to be trained with.
    """
    varied = [str(level) for factor, level in levels.items() if factor not in ("data", "protocol", "probe")]
    asked = [word.partition("=")[2] for word in overrides if word.partition("=")[0] == "ablation"]
    words = [f"paper={paper}", f"model={variant}"]
    words += [f"{key}={levels[key]}" for key in ("data", "protocol") if key in levels]
    words += [f"ablation={option}" for option in asked[-1:] or ([f"[{','.join(varied)}]"] if varied[1:] else varied)]
    words.append(f"seed={seed}")
    if acknowledged:
        words.append(f"audit.acknowledge=[{','.join(acknowledged)}]")
    words += [word for word in overrides if _matters(word)]
    return "python -m mlintern " + " ".join(shlex.quote(word) for word in words)


def verify(cell_id: str) -> str:
    """The shell line that trains the cell again and compares the bits."""
    return f"python -m mlintern verify {shlex.quote(cell_id)}"


def _matters(override: str) -> bool:
    key = override.lstrip("+~").partition("=")[0]
    if key in (*_COORDINATES, "audit.acknowledge", "ablation", "audit"):
        return False
    return not key.startswith(_NO_EFFECT)
