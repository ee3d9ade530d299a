"""What a claim is judged on, and its test before the correction over the family. Light on purpose (no scipy): claims
are read long before anything is tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlintern.claims.observation import Observation, Outcomes

if TYPE_CHECKING:
    from mlintern.statistics.estimates import Estimate, RegionTest
    from mlintern.statistics.paired import EffectSize


@dataclass(frozen=True)
class Runs:
    """The runs that a claim is examined on, and how."""

    observed: Sequence[Observation]
    level: float = 0.95
    """Of the intervals."""
    outcomes: Outcomes | None = None


@dataclass(frozen=True)
class Examined:
    """A claim with its test, before the correction."""

    test: RegionTest
    words: str
    effect: float
    estimate: Estimate | None
    """The estimate whose distance to [low, high] decides; None where the effect is a level."""
    low: float
    high: float
    n: int
    interval: tuple[float, float] | None = None
    """Interval of the effect where it is not the estimate's own."""
    note: str = ""
    expected: float | None = None
    assumptions: tuple[str, ...] = ()
    effect_size: EffectSize | None = None


class Diverged(Exception):
    """Runs of the claim gave no finite number."""
