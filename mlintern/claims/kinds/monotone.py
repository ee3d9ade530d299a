"""That a metric only rises, or only falls, over the levels of a numeric factor."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Literal

from mlintern.claims.examined import Examined, Runs
from mlintern.claims.forms import LevelsClaim, NonNegative, named
from mlintern.claims.observation import Missing

if TYPE_CHECKING:
    from mlintern.statistics.estimates import Estimate


class Monotone(LevelsClaim):
    """M rises (or falls) from each level of numeric `factor` to the next, up to `tolerance` against the direction.

    Effect: every step of M from one level to the next, in the stated direction. Region: [-tolerance, inf).
    """

    order = 8
    prompt = '{"kind":"monotone","a":{},"factor":"depth","direction":"increasing"}'
    effect_is = "difference"

    kind: Literal["monotone"] = "monotone"
    direction: Literal["increasing", "decreasing"] = "increasing"
    tolerance: NonNegative = 0.0

    def describe(self) -> str:
        return f"{self.measured}: {named(self.a)} is {self.direction} in {self.factor}"

    def examine(self, runs: Runs) -> Examined:
        """Whether every step of the metric goes in the stated direction, up to the tolerance.

        Supported: every step between neighbouring levels is above -tolerance (intersection-union test). Contradicted:
        some later level lies below some earlier one by more than the tolerance (Bonferroni over all pairs). The effect
        is the step least favourable to the claim, with its interval.
        """
        from mlintern.claims.measuring import comparisons, levels
        from mlintern.statistics.estimates import decide

        cells = levels(self, runs)
        tested = ", ".join(f"{x:g}" for x in cells)
        if len(cells) < 2:
            raise Missing(f"only one level of {self.factor!r} was run ({tested})")
        found, n, how = comparisons(cells)
        sign = 1.0 if self.direction == "increasing" else -1.0

        def change(x: float, y: float) -> Estimate:
            """The change of the metric from level x to level y, counted in the stated direction."""
            return found[y, x] if sign > 0 else found[x, y]

        ordered = list(cells)
        steps = {(x, y): change(x, y) for x, y in itertools.pairwise(ordered)}
        pairs = [change(x, y) for x, y in itertools.combinations(ordered, 2)]
        inside = 2 * max(step.p_above(0.0 - self.tolerance) for step in steps.values())
        outside = 2 * len(pairs) * min(pair.p_below(0.0 - self.tolerance) for pair in pairs)
        (x, y), worst = min(steps.items(), key=lambda item: item[1].value)
        return Examined(
            decide(min(1.0, inside), min(1.0, outside)),
            f"{how}, every step for it, all {len(pairs)} pairs against it (Bonferroni)",
            worst.value,
            None,
            0.0 - self.tolerance,
            math.inf,
            n,
            worst.interval(runs.level),
            f"least favourable step: {self.factor} {x:g} to {y:g}",
        )
