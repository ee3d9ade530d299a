"""What the kinds of claims are made of: a claim, and the shapes of what it measures.

A kind is one file of `mlintern.claims.kinds`: one of these shapes, with fields of its own and its test. All that
other rooms ask of a claim they ask here, whatever its kind.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlintern.claims.examined import Examined, Runs
from mlintern.claims.observation import Missing, Scalar

Selector = dict[str, Scalar]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class BaseClaim(BaseModel):
    """What every claim has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: ClassVar[int] = 100
    """Where its kind stands among the kinds, in prompts and messages; those of one order by name."""
    prompt: ClassVar[str]
    """How the author's prompt shows the kind: a claim as JSON, and what its fields do not say."""

    id: str = Field(min_length=1)
    statement: str = ""
    """In our words; made from the fields when empty."""

    @property
    def selectors(self) -> dict[str, Selector]:
        """The selectors as they stand in the claim, by field; `where` is the last."""
        return {}

    @property
    def sides(self) -> list[Selector]:
        """The runs that are compared: a whole selector for each."""
        return []

    @property
    def unit_of_effect(self) -> str | None:
        """`percent`, `points` (a difference of percentages) or `none`; None where the effect has no such unit."""
        return None

    def describe(self) -> str:
        """The claim in words, from its fields."""
        raise NotImplementedError

    def examine(self, runs: Runs) -> Examined:
        """The test of the claim on these runs; raises Missing where they do not allow one."""
        raise NotImplementedError


class NotTestable(BaseClaim):
    """A claim that the pack declares beyond this study; it comes out as not_tested with its reason."""

    kind: Literal["not_testable"] = "not_testable"
    reason: str

    def describe(self) -> str:
        return f"not testable here: {self.reason}"

    def examine(self, runs: Runs) -> Examined:
        raise Missing(self.reason)


class MeasuredClaim(BaseClaim):
    """A claim on a metric of the runs of `a`."""

    effect_is: ClassVar[Literal["value", "difference", "level"]] = "value"
    """A value of the metric, a difference of two, or a level of a factor."""

    metric: str
    split: str = "test"
    unit: Literal["as_measured", "percent"] = "as_measured"
    """`percent`: the claim's numbers are percent, the recorded metric a fraction."""
    where: Selector = Field(default_factory=dict)
    """Coordinates that all runs of the claim share."""
    a: Selector

    @property
    def scale(self) -> float:
        """What recorded values are multiplied by to be in the claim's unit."""
        return 100.0 if self.unit == "percent" else 1.0

    @property
    def largest(self) -> float:
        """The largest recorded value that may be in the claim's unit: of percent, what is a share of something."""
        return 1.0 if self.unit == "percent" else math.inf

    @property
    def selectors(self) -> dict[str, Selector]:
        fields: Mapping[str, Any] = type(self).model_fields
        names = [name for name, field in fields.items() if field.annotation == Selector and name != "where"]
        return {name: getattr(self, name) for name in [*names, "where"]}

    @property
    def sides(self) -> list[Selector]:
        return [{**self.where, **side} for name, side in self.selectors.items() if name != "where"]

    @property
    def unit_of_effect(self) -> str | None:
        if self.effect_is == "level":
            return None
        if self.unit != "percent":
            return "none"
        return "points" if self.effect_is == "difference" else "percent"

    @property
    def measured(self) -> str:
        """What is measured, and where, in words."""
        return f"{self.split} {self.metric}" + (f" over {named(self.where)}" if self.where else "")


class ScopedClaim(MeasuredClaim):
    """A claim that may speak of new test examples too."""

    over: Literal["seeds", "seeds_and_examples"] = "seeds"
    """What else might have been drawn: other seeds on this test set, or other test examples as well. The second crosses
    the runs' per-example outcomes (`mlintern.statistics.paired.crossed_estimate`)."""


class PairClaim(ScopedClaim):
    """A claim on the difference of the metric, `a` less `b`."""

    effect_is = "difference"

    b: Selector


class LevelsClaim(MeasuredClaim):
    """A claim on the levels of a numeric factor, on the runs of `a`."""

    factor: str


def named(selector: Mapping[str, Scalar]) -> str:
    """A selector in words."""
    return ", ".join(str(value) for value in selector.values()) or "all runs"
