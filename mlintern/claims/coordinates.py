"""The coordinates that claims name runs by: variant and levels, with factors that are not varied at their base."""

from collections.abc import Iterable, Mapping
from typing import Any

from mlintern.spec.paper_spec import PaperSpec

NO_ABLATION = ("ablation", "none")


def base_levels(spec: PaperSpec) -> dict[str, Any]:
    """The level at which each factor counts as not varied."""
    return dict([NO_ABLATION]) | {factor.id: factor.base for factor in spec.ablations}


def coordinates(
    variant: str, levels: Mapping[str, Any], varied: Iterable[str], bases: Mapping[str, Any]
) -> dict[str, Any]:
    """Every coordinate that a claim can name; `varied` are the factors that some cell of the study has a level of."""
    return {**{key: bases.get(key, "none") for key in varied}, **levels, "variant": variant}
