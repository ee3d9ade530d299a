"""Smells of learning curves: flat from the first step, jumping, still rising at the end.

Inputs are plain arrays: the loss of every training step (`steps.parquet`) and the evaluations of a run's record.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats as scipy_stats

from mlintern.report.model.report import Smell

FLAT = 0.02
"""A training loss that ends within this share of where it began has not been learnt from."""
RISING = 0.05
"""Share of a curve's whole rise that may still come in its last quarter: an exponential approach with a quarter of
the training as its time constant stays below."""
LEAP = 0.4
"""Share of a curve's whole range that one step between evaluations may cover late in training."""
LATE = 0.15
"""Share of training before which a leap is ordinary learning."""
SPIKE = 0.2
"""Share of the loss's whole descent that it may climb back between two stretches of training."""
AT_ONCE = 0.9
"""Share of the final lead over a constant guess that a curve may not have at its first evaluation ..."""
FIRST = 0.02
"""... where that comes within this share of training."""
_BLOCKS = 40


@dataclass(frozen=True)
class SeedCurve:
    """One seed's evaluations of one metric on one part, steps ascending."""

    seed: int
    steps: tuple[int, ...]
    values: tuple[float, ...]


def flat_from_start(where: str, losses: Sequence[np.ndarray]) -> Smell | None:
    """Training losses (one array per seed, per step) that end where they began, at every seed.

    Compares the mean over the first 2 % of steps with that over the last 10 %. A run that learns all it can within
    those first steps still shows the descent in their mean. Fewer than 50 steps are not judged.
    """
    changes = []
    for loss in losses:
        if len(loss) < 50 or not np.isfinite(loss).all():
            return None
        head = float(np.mean(loss[: max(1, len(loss) // 50)], dtype=np.float64))
        tail = float(np.mean(loss[-max(1, len(loss) // 10) :], dtype=np.float64))
        changes.append((head, tail))
    if not changes or any(head - tail > FLAT * abs(head) for head, tail in changes):
        return None
    head, tail = (float(np.mean(side)) for side in zip(*changes, strict=True))
    return Smell(
        kind="flat_from_start",
        severity="high",
        where=where,
        evidence=f"the training loss ends at {tail:.4g} where it began ({head:.4g}), over {len(losses)} "
        f"seed{'s' if len(losses) > 1 else ''}: nothing is learnt, or all was known before the first step",
        next_experiment="train on one batch of 32 examples for 200 steps: if the loss does not fall to 0 there, the "
        "optimizer holds no parameters or the targets are not the inputs' own",
    )


def saturates_at_start(
    where: str, metric: str, part: str, curves: Sequence[SeedCurve], guess: float, higher: bool
) -> Smell | None:
    """Curves that stand near their final level within the first 2 % of training, at every seed.

    `guess` is what a constant prediction scores. A first evaluation that comes later says nothing: easy tasks are
    learnt by then.
    """
    sign = 1.0 if higher else -1.0
    for curve in curves:
        lead_first, lead_last = sign * (curve.values[0] - guess), sign * (float(np.median(curve.values[-3:])) - guess)
        early = curve.steps[0] <= FIRST * curve.steps[-1]
        if not early or len(curve.steps) < 4 or lead_last <= 0 or lead_first < AT_ONCE * lead_last:
            return None
    if not curves:
        return None
    first = curves[0]
    return Smell(
        kind="saturates_at_start",
        severity="high",
        where=where,
        evidence=f"{part} {metric} is {first.values[0]:.4g} at step {first.steps[0]} and {first.values[-1]:.4g} at "
        f"step {first.steps[-1]} (a constant guess: {guess:.4g}): known before it was learnt",
        next_experiment="a linear model on the same inputs for one epoch: if it does as well, look for the label among "
        "the features, and for weights that were trained before",
    )


def still_improving(where: str, metric: str, part: str, curves: Sequence[SeedCurve], higher: bool) -> Smell | None:
    """A curve whose last quarter still brings more than a twentieth of the whole rise, beyond the spread of seeds.

    The slope of the last quarter, pooled over seeds, must be beyond chance (one-sided p < 0.001 of an ordinary
    regression, which counts successive evaluations as independent: the second threshold is what protects wandering
    curves). Fewer than 8 evaluations are not judged.
    """
    sign = 1.0 if higher else -1.0
    x_parts, y_parts, rises, finals = [], [], [], []
    for curve in curves:
        if len(curve.steps) < 8:
            return None
        x, y = np.array(curve.steps, dtype=np.float64), sign * np.array(curve.values)
        late = x >= x[0] + 0.75 * (x[-1] - x[0])
        x_parts.append(x[late] - x[late].mean())
        y_parts.append(y[late] - y[late].mean())
        rises.append(float(np.median(y[-3:]) - y[0]))
        finals.append(float(np.median(y[-3:])))
    if not curves:
        return None
    x_late, y_late = np.concatenate(x_parts), np.concatenate(y_parts)
    if len(x_late) < 3:
        return None
    fit = scipy_stats.linregress(x_late, y_late)
    length = 0.25 * (curves[0].steps[-1] - curves[0].steps[0])
    gain, whole = float(fit.slope) * length, float(np.mean(rises))
    between = float(np.std(finals, ddof=1)) if len(finals) > 1 else 0.0
    beyond_chance = fit.slope > 0 and (fit.stderr == 0 or fit.pvalue / 2 < 0.001)
    if not (beyond_chance and gain > max(RISING * whole, between)):
        return None
    share = f", {gain / whole:.0%} of the whole change" if whole > 0 else ""
    return Smell(
        kind="still_improving",
        severity="medium",
        where=where,
        evidence=f"{part} {metric} still {'rises' if higher else 'falls'} by {gain:.3g} in the last quarter of "
        f"{curves[0].steps[-1]} steps{share}",
        next_experiment=f"one seed with twice the steps (trainer.max_steps={2 * curves[0].steps[-1]})",
    )


def leaps(
    where: str, metric: str, part: str, curves: Sequence[SeedCurve], rates: Sequence[np.ndarray | None]
) -> Smell | None:
    """A curve that is flat, then covers most of its range between two evaluations late in training, or collapses.

    A move counts when it is also ten times the usual one between late evaluations: a curve that learnt most before its
    first evaluation has a small range, and its noise is no leap. `rates` are the learning rates per step, one array per
    curve; a leap while the rate changes by half or more is the schedule's doing and passes. The first 15 % of training
    are ordinary learning.
    """
    seen: list[tuple[int, int, float, float]] = []
    for curve, rate in zip(curves, rates, strict=True):
        x, y = np.array(curve.steps), np.array(curve.values)
        whole = float(np.ptp(y)) if len(y) >= 6 else 0.0
        if whole <= 0:
            continue
        usual = float(np.median(np.abs(np.diff(y[len(y) // 4 :]))))
        for i in range(2, len(y)):
            move = float(y[i] - y[i - 1])
            before = y[:i]
            flat_before = float(np.ptp(before)) < 0.1 * whole
            # Back to where the curve began is a collapse; a first leap out of flatness is one way up.
            collapse = abs(float(y[i] - y[0])) < 0.5 * abs(float(before[-1] - y[0]))
            late = x[i - 1] - x[0] >= LATE * (x[-1] - x[0])
            large = abs(move) > max(LEAP * whole, 10 * usual)
            if late and large and (flat_before or collapse) and not _scheduled(rate, x[i - 1], x[i]):
                seen.append((curve.seed, int(x[i]), float(y[i - 1]), float(y[i])))
                break
    if not seen:
        return None
    seed, step, before_value, after = seen[0]
    return Smell(
        kind="curve_jumps",
        severity="medium",
        where=where,
        evidence=f"{part} {metric} goes from {before_value:.4g} to {after:.4g} before step {step} (seed {seed}"
        + (f", and {len(seen) - 1} more of {len(curves)} seeds)" if len(seen) > 1 else f" of {len(curves)})"),
        next_experiment=f"evaluate every few steps around step {step} of seed {seed}: learning rate, gradient norm, "
        "first batch of a new epoch",
    )


def loss_spikes(where: str, losses: Sequence[tuple[int, np.ndarray]]) -> Smell | None:
    """A training loss that climbs back a good part of its descent and stays there for a fortieth of the training.

    `losses` are (seed, loss per step). Medians of forty stretches are compared, so that single bad batches pass. The
    climb must be a fifth of the whole descent, half again the level before, and five times the usual change between
    stretches. Fewer than 400 steps are not judged.
    """
    seen: list[tuple[int, int, float, float]] = []
    for seed, loss in losses:
        if len(loss) < 10 * _BLOCKS or not np.isfinite(loss).all():
            continue
        edges = np.linspace(0, len(loss), _BLOCKS + 1).astype(int)
        levels = np.array([np.median(loss[a:b]) for a, b in itertools.pairwise(edges)], dtype=np.float64)
        climbs = np.diff(levels)
        usual = float(np.median(np.abs(climbs)))
        descent = max(float(np.mean(loss[: max(1, len(loss) // 200)])), float(levels[0])) - float(levels.min())
        at = int(np.argmax(climbs))
        floor = max(SPIKE * descent, 5 * usual, 0.5 * abs(float(levels[at])))
        if climbs[at] > floor and descent > 0:
            seen.append((seed, int(edges[at + 1]), float(levels[at]), float(levels[at + 1])))
    if not seen:
        return None
    seed, step, before, after = seen[0]
    return Smell(
        kind="loss_spikes",
        severity="low" if len(seen) < len(losses) else "medium",
        where=where,
        evidence=f"the training loss climbs from {before:.4g} to {after:.4g} at step {step} (seed {seed}; "
        f"{len(seen)} of {len(losses)} seeds)",
        next_experiment="the same seed with a third of the learning rate, or with gradients clipped "
        "(trainer.clip_norm=1)",
    )


def _scheduled(rate: np.ndarray | None, after: int, until: int) -> bool:
    """Whether the learning rate changed by half or more between two evaluations."""
    if rate is None:
        return False
    window = np.asarray(rate[max(0, after - 1) : until], dtype=np.float64)
    return bool(len(window) > 0 and window.min() <= 0.5 * window.max())
