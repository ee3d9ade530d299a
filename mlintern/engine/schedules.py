"""Learning-rate schedules as pure functions of the step: nothing to save, nothing to resume.

A schedule may have `check(max_steps)`, called before the first step, to refuse a run that it does not fit.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

from mlintern.core.errors import UserError
from mlintern.core.ranges import STEPS, Range


class Constant:
    """The base learning rate throughout."""

    def factor(self, step: int, max_steps: int) -> float:
        return 1.0


class WarmupCosine:
    """Linear warm-up, then a half cosine down to `final` (Loshchilov and Hutter, 2017, arXiv:1608.03983)."""

    def __init__(self, warmup_steps: int = 0, final: float = 0.0):
        STEPS.check("scheduler.warmup_steps", warmup_steps)
        Range(0, 1, fix="it is the share of optimizer.lr that is left at the end").check("scheduler.final", final)
        self.warmup_steps, self.final = warmup_steps, final

    def check(self, max_steps: int) -> None:
        if self.warmup_steps > max_steps:
            raise UserError(
                f"scheduler.warmup_steps={self.warmup_steps}: training ends at trainer.max_steps={max_steps}, before "
                f"optimizer.lr is reached; give at most {max_steps}, or train longer"
            )

    def factor(self, step: int, max_steps: int) -> float:
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, max_steps - self.warmup_steps)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class StepDecay:
    """Multiply by `gamma` at each of `milestones` (steps); None: at one half and at three quarters of the training (He
    et al., 2016, arXiv:1512.03385)."""

    def __init__(self, milestones: list[int] | None = None, gamma: float = 0.1):
        listed = isinstance(milestones, Sequence) and not isinstance(milestones, str)
        if milestones is not None and not (listed and milestones):
            raise UserError(f"scheduler.milestones={milestones}: must be a list of steps, like [500,750], or null")
        steps = Range(1, whole=True, fix=STEPS.fix)
        for milestone in milestones or ():
            if not steps.holds(milestone):
                raise UserError(
                    f"scheduler.milestones={list(milestones or ())}: {milestone} must be {steps.words()}; {steps.fix}"
                )
        Range(0, 1, open_low=True, fix="the learning rate is multiplied by it").check("scheduler.gamma", gamma)
        self.milestones, self.gamma = sorted(milestones or ()), gamma

    def check(self, max_steps: int) -> None:
        if self.milestones and self.milestones[-1] >= max_steps:
            raise UserError(
                f"scheduler.milestones={self.milestones}: {self.milestones[-1]} is not reached, for training ends at "
                f"trainer.max_steps={max_steps}; give steps below {max_steps}, leave it out, or train longer"
            )

    def factor(self, step: int, max_steps: int) -> float:
        milestones = self.milestones or (max(1, max_steps // 2), max(1, 3 * max_steps // 4))
        return self.gamma ** sum(step >= milestone for milestone in milestones)


class _Schedule(Protocol):
    def factor(self, step: int, max_steps: int) -> float: ...


def check(schedule: Any, max_steps: int) -> None:
    """Refuse a schedule that says itself that it does not fit a run of so many steps."""
    if callable(own := getattr(schedule, "check", None)):
        own(max_steps)


def check_factors(schedule: _Schedule, max_steps: int) -> None:
    """`check`, and a look at every step's factor, before the first one: a pack's schedule can return anything."""
    check(schedule, max_steps)
    name = type(schedule).__name__
    for step in range(max_steps):
        try:
            factor = float(schedule.factor(step, max_steps))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise UserError(
                f"scheduler: {name} fails at step {step} of trainer.max_steps={max_steps} "
                f"({type(error).__name__}: {error}); mend its arguments or its code"
            ) from error
        if not (math.isfinite(factor) and factor >= 0):
            raise UserError(
                f"scheduler: {name} gives the factor {factor} at step {step} of trainer.max_steps={max_steps}; it must "
                "be a finite number, 0 or more: mend its arguments or its code"
            )
