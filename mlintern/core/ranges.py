"""What a number in a configuration may be, said in one line where it is something else.

A value out of its range mostly runs: numpy, torch and our own classes take a share where steps are counted, a negative
scale or a smoothing of 1.5, and what comes out is a wrong number that looks like any other.
"""

import dataclasses
import math
from typing import Any

from mlintern.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`; an end that is `open` is not among them."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    whole: bool = False
    """A count: whole numbers alone."""
    fix: str = ""
    """What to give instead, where the range does not say it by itself."""

    def words(self) -> str:
        """`a number above 0 and at most 1`."""
        kind = "a whole number" if self.whole else "a number"
        below = f"{'above' if self.open_low else 'at least'} {self.low:g}" if math.isfinite(self.low) else ""
        above = f"{'below' if self.open_high else 'at most'} {self.high:g}" if math.isfinite(self.high) else ""
        return " ".join([kind, " and ".join(filter(None, (below, above)))]).strip()

    def holds(self, value: Any) -> bool:
        """Is `value` a finite number in the range? (True and False are no numbers.)"""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        if not math.isfinite(value) or not self.low <= value <= self.high:
            return False
        return not (self.open_low and value == self.low) and not (self.open_high and value == self.high)

    def check(self, key: str, value: Any) -> None:
        """Raises UserError naming the key, its value and what it may be."""
        if not self.holds(value):
            raise UserError(f"{key}={value}: must be {self.words()}" + (f"; {self.fix}" if self.fix else ""))


COUNT = Range(0, whole=True)
POSITIVE = Range(0, open_low=True)
NOT_NEGATIVE = Range(0)
SHARE = Range(0, 1, open_high=True)
"""From 0 up to, not including, 1: smoothing, momentum, decay of a moving average."""
STEPS = Range(
    0, whole=True, fix="it counts optimizer steps: for a share of the run give that share times trainer.max_steps"
)
