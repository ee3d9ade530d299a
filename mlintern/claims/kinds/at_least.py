"""That a metric reaches a number."""

import math
from typing import Literal

from mlintern.claims.examined import Examined, Runs
from mlintern.claims.forms import Number, ScopedClaim, named


class AtLeast(ScopedClaim):
    """M of `a` is at least `value`.

    Effect: M(a). Region: [value, inf).
    """

    order = 4
    prompt = '{"kind":"at_least","a":{},"value":90}'

    kind: Literal["at_least"] = "at_least"
    value: Number

    def describe(self) -> str:
        return f"{self.measured}: {named(self.a)} reaches at least {self.value:g}"

    def examine(self, runs: Runs) -> Examined:
        from mlintern.claims.measuring import mean, region

        return region(mean(self, runs), self.value, math.inf)
