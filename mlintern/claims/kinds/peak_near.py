"""Where over the levels of a numeric factor a metric peaks."""

import math
from typing import Literal

from mlintern.claims.examined import Examined, Runs
from mlintern.claims.forms import LevelsClaim, NonNegative, Number, named
from mlintern.claims.observation import Missing


class PeakNear(LevelsClaim):
    """The level of numeric `factor` with the best mean of M lies within `within` of `value`.

    Effect: the level of `factor` with the best mean. Region: [value - within, value + within].
    """

    order = 7
    prompt = '{"kind":"peak_near","a":{},"factor":"hidden","value":50,"within":10,"of":"max"}'
    effect_is = "level"

    kind: Literal["peak_near"] = "peak_near"
    value: Number
    within: NonNegative
    of: Literal["max", "min"] = "max"
    """`min` for a trough (the smallest loss), `max` for a peak."""

    def describe(self) -> str:
        place = f"{self.factor} at {self.value:g} ± {self.within:g}"
        return f"{self.measured}: {named(self.a)} has its {self.of} over {place}"

    def examine(self, runs: Runs) -> Examined:
        """Whether the best level lies within `within` of `value`.

        Supported: some level inside that window beats every level outside of it; contradicted: some level outside beats
        every level inside. Each is an intersection-union test (the largest of the p-values), times the number of
        candidates (Bonferroni). The interval spans the levels that no other level beats (Bonferroni over the levels): a
        confidence set of the best, after Hsu (1996). Only tested levels count: a peak between or beyond them is not
        seen.
        """
        import numpy as np

        from mlintern.claims.measuring import comparisons, levels
        from mlintern.statistics.estimates import decide

        cells = levels(self, runs)
        low, high = self.value - self.within, self.value + self.within
        inside = [x for x in cells if low <= x <= high]
        outside = [x for x in cells if x not in inside]
        tested = ", ".join(f"{x:g}" for x in cells)
        if not inside or not outside:
            side = "inside" if not inside else "outside"
            raise Missing(
                f"no level of {self.factor!r} {side} {self.value:g} ± {self.within:g} was run (levels: {tested})"
            )
        found, n, how = comparisons(cells)
        sign = 1.0 if self.of == "max" else -1.0

        def p_beats(x: float, y: float) -> float:
            return found[x, y].p_above(0.0) if sign > 0 else found[x, y].p_below(0.0)

        def p_side(candidates: list[float], others: list[float]) -> float:
            return min(1.0, 2 * len(candidates) * min(max(p_beats(x, y) for y in others) for x in candidates))

        means = {x: sign * float(np.mean(cell.values)) for x, cell in cells.items()}
        best = max(means, key=means.__getitem__)
        threshold = (1 - runs.level) / (len(cells) - 1)
        contenders = [x for x in cells if all(p_beats(y, x) > threshold for y in cells if y != x)] or [best]
        known = any(estimate.testable for estimate in found.values())
        return Examined(
            decide(p_side(inside, outside), p_side(outside, inside)),
            f"{how}, levels inside the window against levels outside, Bonferroni",
            best,
            None,
            low,
            high,
            n,
            (min(contenders), max(contenders)) if known else (math.nan, math.nan),
            f"tested levels {tested}",
        )
