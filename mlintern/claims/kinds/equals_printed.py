"""That a metric comes out as the paper prints it."""

from typing import Literal

from mlintern.claims.examined import Examined, Runs
from mlintern.claims.forms import MeasuredClaim, NonNegative, named
from mlintern.statistics.printed_value import PrintedValue


class EqualsPrinted(MeasuredClaim):
    """M of `a` equals the printed value within its spread.

    Effect: M(a). Region: printed ± its spread (or `tolerance`); see `mlintern.statistics.printed` for the second
    test.
    """

    order = 6
    prompt = '{"kind":"equals_printed","a":{},"printed":{"mean":94.0,"std":0.5,"n":3}}'

    kind: Literal["equals_printed"] = "equals_printed"
    printed: PrintedValue
    tolerance: NonNegative | None = None
    """Replaces the printed spread as what counts as the same number."""

    def describe(self) -> str:
        return f"{self.measured}: {named(self.a)} equals the printed {self.printed}"

    @property
    def largest(self) -> float:
        """An error rate may be above 100 percent where one is printed."""
        return max(super().largest, abs(self.printed.mean) / 50)

    def examine(self, runs: Runs) -> Examined:
        from mlintern.claims.measuring import cell
        from mlintern.statistics.printed import printed_test

        found = printed_test(cell(self, self.a, runs).values, self.printed, self.tolerance)
        own = found.own
        return Examined(
            found.test, found.words, own.value, own, found.low, found.high, own.n, assumptions=found.assumptions
        )
