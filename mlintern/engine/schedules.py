"""Learning-rate schedules as pure functions of the step: nothing to save, nothing to resume."""

import math


class Constant:
    """The base learning rate throughout."""

    def factor(self, step: int, max_steps: int) -> float:
        return 1.0


class WarmupCosine:
    """Linear warm-up, then a half cosine down to `final` (Loshchilov and Hutter, 2017, arXiv:1608.03983)."""

    def __init__(self, warmup_steps: int = 0, final: float = 0.0):
        self.warmup_steps, self.final = warmup_steps, final

    def factor(self, step: int, max_steps: int) -> float:
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, max_steps - self.warmup_steps)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class StepDecay:
    """Multiply by `gamma` at each of `milestones` (steps)."""

    def __init__(self, milestones: list[int], gamma: float = 0.1):
        self.milestones, self.gamma = sorted(milestones), gamma

    def factor(self, step: int, max_steps: int) -> float:
        return self.gamma ** sum(step >= milestone for milestone in self.milestones)
