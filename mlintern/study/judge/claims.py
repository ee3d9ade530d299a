"""The typed language of claims, and what each verdict on one means.

A claim names the runs that it speaks of by *selectors*, dictionaries of coordinates: `{variant: cnn, data: mnist1d}`.
What both sides share may stand once in `where`. Numbers of a claim are in its `unit`: `percent` when the paper speaks
in percent and the runs record fractions.

Semantics (`mlintern.study.judge.judge`). Every claim says that an effect lies in a region; `region` below. With the
95 % t interval of the effect, corrected over the family of claims (Holm):

- **supported**: the whole interval lies inside the region. For "A > B by at least d" this is the one-sided test of
  difference <= d, rejected; for "A within e of B" the two one-sided tests of equivalence.
- **contradicted**: the whole interval lies outside the region (for "A > B by at least d": difference >= d is rejected).
- **inconclusive**: neither; the verdict says how many seeds would settle it. One run, or seeds that all give the same
  value, have no interval and are never better than inconclusive, with one exception: a single run may contradict a
  printed value whose own spread it falls out of.
- **not_tested**: the runs are missing, ambiguous or lack the metric; the reason says which. Not part of the family.

| kind | effect | region |
|---|---|---|
| greater | M(a) - M(b) | [margin, inf) |
| equivalent | M(a) - M(b) | [-within, within] |
| at_least, at_most | M(a) | [value, inf), (-inf, value] |
| equals_printed | M(a) | printed ± its spread (or `tolerance`); a second test in `mlintern.study.statistics.printed` |
| difference_near | M(a) - M(b) | [value - within, value + within] |
| peak_near | the level of `factor` with the best mean | [value - within, value + within] |
| monotone | every step of M from one level of `factor` to the next, in the stated direction | [-tolerance, inf) |

Differences are paired over shared seeds where both sides have at least two in common (a fixed rule: nothing is chosen
after looking), otherwise Welch's. A run that diverged makes its claims inconclusive: a mean over the rest would flatter
the method. By default the chance meant is that of the seed, with the test set held fixed; `over: seeds_and_examples`
counts the choice of test examples too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mlintern.core.errors import UserError
from mlintern.study.judge.observation import Scalar
from mlintern.study.statistics.printed_value import PrintedValue

Selector = dict[str, Scalar]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class BaseClaim(BaseModel):
    """What every claim has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    statement: str = ""
    """In our words; made from the fields when empty."""


class MeasuredClaim(BaseClaim):
    metric: str
    split: str = "test"
    unit: Literal["as_measured", "percent"] = "as_measured"
    """`percent`: the claim's numbers are percent, the recorded metric a fraction."""
    where: Selector = Field(default_factory=dict)
    """Coordinates that all runs of the claim share."""

    @property
    def scale(self) -> float:
        """What recorded values are multiplied by to be in the claim's unit."""
        return 100.0 if self.unit == "percent" else 1.0

    @property
    def _on(self) -> str:
        return f"{self.split} {self.metric}" + (f" over {_name(self.where)}" if self.where else "")


class _Scoped(MeasuredClaim):
    """A claim that may speak of new test examples too."""

    over: Literal["seeds", "seeds_and_examples"] = "seeds"
    """What else might have been drawn: other seeds on this test set, or other test examples as well. The second crosses
    the runs' per-example outcomes (`mlintern.study.statistics.paired.crossed_estimate`)."""


class PairClaim(_Scoped):
    a: Selector
    b: Selector


class Greater(PairClaim):
    """M of `a` is greater than M of `b` by at least `margin`."""

    kind: Literal["greater"] = "greater"
    margin: Number = 0.0
    expected: Number | None = None
    """The difference that the paper reports, for the power of the test."""

    def describe(self) -> str:
        by = f" by at least {self.margin:g}" if self.margin else ""
        return f"{self._on}: {_name(self.a)} is greater than {_name(self.b)}{by}"


class Equivalent(PairClaim):
    """M of `a` lies within `within` of M of `b`."""

    kind: Literal["equivalent"] = "equivalent"
    within: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    def describe(self) -> str:
        return f"{self._on}: {_name(self.a)} is within {self.within:g} of {_name(self.b)}"


class DifferenceNear(PairClaim):
    """M of `a` minus M of `b` lies within `within` of `value`."""

    kind: Literal["difference_near"] = "difference_near"
    value: Number
    within: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    def describe(self) -> str:
        return f"{self._on}: {_name(self.a)} minus {_name(self.b)} is {self.value:g} within {self.within:g}"


class AtLeast(_Scoped):
    """M of `a` is at least `value`."""

    kind: Literal["at_least"] = "at_least"
    a: Selector
    value: Number

    def describe(self) -> str:
        return f"{self._on}: {_name(self.a)} reaches at least {self.value:g}"


class AtMost(_Scoped):
    """M of `a` is at most `value`."""

    kind: Literal["at_most"] = "at_most"
    a: Selector
    value: Number

    def describe(self) -> str:
        return f"{self._on}: {_name(self.a)} stays at most {self.value:g}"


class EqualsPrinted(MeasuredClaim):
    """M of `a` equals the printed value within its spread."""

    kind: Literal["equals_printed"] = "equals_printed"
    a: Selector
    printed: PrintedValue
    tolerance: NonNegative | None = None
    """Replaces the printed spread as what counts as the same number."""

    def describe(self) -> str:
        return f"{self._on}: {_name(self.a)} equals the printed {self.printed}"


class PeakNear(MeasuredClaim):
    """The level of numeric `factor` with the best mean of M lies within `within` of `value`."""

    kind: Literal["peak_near"] = "peak_near"
    a: Selector
    factor: str
    value: Number
    within: NonNegative
    of: Literal["max", "min"] = "max"
    """`min` for a trough (the smallest loss), `max` for a peak."""

    def describe(self) -> str:
        return f"{self._on}: {_name(self.a)} has its {self.of} over {self.factor} at {self.value:g} ± {self.within:g}"


class Monotone(MeasuredClaim):
    """M rises (or falls) from each level of numeric `factor` to the next, up to `tolerance` against the direction."""

    kind: Literal["monotone"] = "monotone"
    a: Selector
    factor: str
    direction: Literal["increasing", "decreasing"] = "increasing"
    tolerance: NonNegative = 0.0

    def describe(self) -> str:
        return f"{self._on}: {_name(self.a)} is {self.direction} in {self.factor}"


class NotTestable(BaseClaim):
    """A claim that the pack declares beyond this study; it comes out as not_tested with its reason."""

    kind: Literal["not_testable"] = "not_testable"
    reason: str

    def describe(self) -> str:
        return f"not testable here: {self.reason}"


Claim = Annotated[
    Greater | Equivalent | DifferenceNear | AtLeast | AtMost | EqualsPrinted | PeakNear | Monotone | NotTestable,
    Field(discriminator="kind"),
]
_ADAPTER: TypeAdapter[Claim] = TypeAdapter(Claim)


def parse_claim(item: Claim | BaseModel | Mapping[str, Any]) -> Claim:
    """One typed claim from itself, from a flat mapping, or from a spec's claim with `id`, `statement` and `check`.

    A spec's claim with `testable: false` becomes NotTestable with its reason. Raises UserError naming the claim's id,
    the field and what is wrong with it.
    """
    if isinstance(item, BaseClaim):
        return cast(Claim, item)
    data = item.model_dump() if isinstance(item, BaseModel) else dict(item)
    name = data.get("id", "?")
    if data.get("testable") is False:
        reason = data.get("not_tested_reason") or "the pack does not say why"
        return NotTestable(id=name, statement=data.get("statement", ""), reason=reason)
    flat = {"id": data.get("id"), "statement": data.get("statement", ""), **data["check"]} if "check" in data else data
    try:
        return _ADAPTER.validate_python(flat)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "check"
        raise UserError(f"claim {name!r}: {where}: {first['msg']}") from error


def parse_claims(items: Sequence[Claim | BaseModel | Mapping[str, Any]]) -> list[Claim]:
    """`parse_claim` for each, refusing an id that stands twice."""
    claims = [parse_claim(item) for item in items]
    ids = [claim.id for claim in claims]
    for name in ids:
        if ids.count(name) > 1:
            raise UserError(f"claim {name!r} stands twice; give each claim an id of its own")
    return claims


def _name(selector: Mapping[str, Scalar]) -> str:
    return ", ".join(str(value) for value in selector.values()) or "all runs"
