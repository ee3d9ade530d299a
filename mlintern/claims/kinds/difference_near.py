"""That two sides differ by a stated number."""

from typing import Annotated, Literal

from pydantic import Field

from mlintern.claims.examined import Examined, Runs
from mlintern.claims.forms import Number, PairClaim, named


class DifferenceNear(PairClaim):
    """M of `a` minus M of `b` lies within `within` of `value`.

    Effect: M(a) - M(b). Region: [value - within, value + within].
    """

    order = 3
    prompt = '{"kind":"difference_near","a":{},"b":{},"value":5,"within":2}'

    kind: Literal["difference_near"] = "difference_near"
    value: Number
    within: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    def describe(self) -> str:
        return f"{self.measured}: {named(self.a)} minus {named(self.b)} is {self.value:g} within {self.within:g}"

    def examine(self, runs: Runs) -> Examined:
        from mlintern.claims.measuring import compared

        return compared(self, runs, self.value - self.within, self.value + self.within, self.value)
