"""That two sides are as good as each other."""

from typing import Annotated, Literal

from pydantic import Field

from mlintern.claims.examined import Examined, Runs
from mlintern.claims.forms import PairClaim, named


class Equivalent(PairClaim):
    """M of `a` lies within `within` of M of `b`.

    Effect: M(a) - M(b). Region: [-within, within].
    """

    order = 2
    prompt = '{"kind":"equivalent","a":{},"b":{},"within":1}'

    kind: Literal["equivalent"] = "equivalent"
    within: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    def describe(self) -> str:
        return f"{self.measured}: {named(self.a)} is within {self.within:g} of {named(self.b)}"

    def examine(self, runs: Runs) -> Examined:
        from mlintern.claims.measuring import compared

        return compared(self, runs, -self.within, self.within)
