"""A number as the paper prints it: mean, spread, number of runs, bound and rounding.

Light on purpose (no scipy): packs are validated with it long before anything is tested.
"""

import math
from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Spread = Literal["std", "standard_error", "ci95", "unknown"]
Bound = Literal["<", "<=", ">", ">=", "~"]

ASSUMED_RUNS = 3
"""Runs assumed behind a printed spread when the paper does not say: the commonest small number."""
ABOUT = 0.1
"""Relative tolerance read into a printed "about" (~30) that has no spread of its own."""


class PrintedValue(BaseModel):
    """One printed number. `mean` and `std` are in the units that the paper prints (94 for 94 %)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: float
    std: float | None = Field(None, ge=0)
    """The number behind the plus-minus sign, whatever it is; `spread` says what."""
    n: int | None = Field(None, ge=1)
    """Runs behind it; None when the paper does not say."""
    bound: Bound | None = None
    """`>` for a printed ">99", `~` for "about"."""
    spread: Spread = "unknown"
    """What `std` is: the standard deviation over runs, the standard error of their mean, half a 95 % interval, or
    unsaid."""
    decimals: int | None = Field(None, ge=0)
    """Digits after the point as printed; None: taken from the digits that `mean` and `std` need."""

    raw: str = ""
    """The print itself, for the reader; nothing is computed from it."""

    @model_validator(mode="after")
    def _finite(self) -> Self:
        if not math.isfinite(self.mean) or (self.std is not None and not math.isfinite(self.std)):
            raise ValueError("mean and std must be finite numbers")
        return self

    @property
    def rounding(self) -> float:
        """Half a unit of the last printed digit: the printed number stands for anything within it."""
        decimals = self.decimals
        if decimals is None:
            decimals = max(_digits(self.mean), _digits(self.std or 0.0))
        return float(0.5 * 10.0**-decimals)

    @property
    def tolerance(self) -> float:
        """How far a mean may lie from the printed one and still count as the same number, from the print alone.

        The spread as printed, never less than the rounding; a tenth of the value for "about" without a spread.
        """
        if self.std:
            return max(self.std, self.rounding)
        if self.bound == "~":
            return max(ABOUT * abs(self.mean), self.rounding)
        return self.rounding

    def __str__(self) -> str:
        spread = "" if self.std is None else f" ± {self.std:g}"
        return f"{self.bound or ''}{self.mean:g}{spread}"


def _digits(value: float) -> int:
    """Digits after the point that `value` needs (at most ten: beyond that lies binary noise such as 0.1 + 0.2)."""
    exponent = Decimal(f"{value:.10g}").normalize().as_tuple().exponent
    return max(0, -int(exponent))
