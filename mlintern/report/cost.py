"""What a study took, and where it ran: what differs from run to run, in a file of its own beside the report.

The report's own files are the same bytes wherever its bits are, so that DVC can hold them against each other.
"""

from collections.abc import Mapping
from typing import Any

from mlintern.report import numbers

COST_FILE = "cost.json"
_COST_NAMES = {
    "prepare_s": "preparing data",
    "audit_s": "audit",
    "train_s": "training",
    "total_s": "whole command",
    "cells": "runs in this report",
    "cells_wall_s": "runs, one after another",
    "cells_wall_s_by_variant": "runs, by variant",
    "peak_memory_bytes": "largest memory of a run",
}


def costs(cost: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, value) of what the study took; stages by their seconds."""
    stages = {f"{stage}_s": seconds for stage, seconds in cost.get("seconds", {}).items()}
    rest = {key: value for key, value in cost.items() if key not in ("seconds", "failed")}
    return [
        (_COST_NAMES.get(key, key.removesuffix("_s").replace("_", " ")), _cost(key, value))
        for key, value in {**stages, **rest}.items()
    ]


def _cost(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cost(key.removesuffix('_by_variant'), item)}" for name, item in value.items())
    if isinstance(value, int | float) and not isinstance(value, bool):
        if key.endswith("_s"):
            return numbers.measured(float(value))
        if key.endswith("_bytes"):
            return numbers.size(float(value))
    return numbers.setting(value)
