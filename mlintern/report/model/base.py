"""What every part of the report's model has in common."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(Model):
    """What the seeds of one cell have in common."""

    variant: str
    data: str
    protocol: str
    levels: dict[str, Any]
    """Those of the study's factors."""


class Series(Place):
    """One metric there."""

    split: str
    metric: str
    unit: str


def place(variant: str, levels: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Place, from a run's variant and all of its levels."""
    rest = dict(levels)
    return {
        "variant": variant,
        "data": str(rest.pop("data", "")),
        "protocol": str(rest.pop("protocol", "")),
        "levels": rest,
    }
