"""That a metric stays below a number."""

import math
from typing import Literal

from mlintern.claims.examined import Examined, Runs
from mlintern.claims.forms import Number, ScopedClaim, named


class AtMost(ScopedClaim):
    """M of `a` is at most `value`.

    Effect: M(a). Region: (-inf, value].
    """

    order = 5
    prompt = '{"kind":"at_most","a":{},"value":10}'

    kind: Literal["at_most"] = "at_most"
    value: Number

    def describe(self) -> str:
        return f"{self.measured}: {named(self.a)} stays at most {self.value:g}"

    def examine(self, runs: Runs) -> Examined:
        from mlintern.claims.measuring import mean, region

        return region(mean(self, runs), -math.inf, self.value)
