"""That one side is better than another, by a margin or at all."""

import math
from typing import Literal

from mlintern.claims.examined import Examined, Runs
from mlintern.claims.forms import Number, PairClaim, named


class Greater(PairClaim):
    """M of `a` is greater than M of `b` by at least `margin`.

    Effect: M(a) - M(b). Region: [margin, inf).
    """

    order = 1
    prompt = '{"kind":"greater","a":{},"b":{},"margin":0,"metric":"accuracy","unit":"percent","where":{}}'

    kind: Literal["greater"] = "greater"
    margin: Number = 0.0
    expected: Number | None = None
    """The difference that the paper reports, for the power of the test."""

    def describe(self) -> str:
        by = f" by at least {self.margin:g}" if self.margin else ""
        return f"{self.measured}: {named(self.a)} is greater than {named(self.b)}{by}"

    def examine(self, runs: Runs) -> Examined:
        from mlintern.claims.measuring import compared

        return compared(self, runs, self.margin, math.inf, self.expected)
