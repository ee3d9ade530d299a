"""Smells of final scores: what a supervisor asks about when the numbers of several runs stand side by side.

Each check takes plain numbers and returns a Smell or None. The thresholds are set so that a healthy study stays
silent; what each costs in missed faults stands beside it.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import stats as scipy_stats

from mlintern.report.model.report import Smell
from mlintern.statistics.estimates import is_constant, mean_estimate

LOST = 0.5
"""Share of what a model gained on train, over a constant guess, that may be lost on test before it smells."""
ABOVE_TRAIN = 4.0
"""Standard errors by which held-out examples may score above train. Four, since the held-out part is the same for
every seed and the checkpoint was chosen on it."""
ONE_SEED_P = 0.01
"""Chance of any false alarm of `hangs_on_one_seed` over a study of normal seeds."""
_FINEST = 1_000_000  # a share with a larger denominator is no count over examples


def zero_variance(
    where: str,
    metric: str,
    values: Sequence[float],
    losses: Sequence[float],
    weights: Sequence[str],
    best: float | None,
) -> Smell | None:
    """Seeds that all give the same score: not wired where losses or weights agree too, a ceiling or a coarse metric
    otherwise.

    `values`, `losses` (test), `weights` (hashes): one per seed. `best` is the best value that the metric can take. Two
    seeds with one score but different losses pass: on a thousand examples that happens by chance.
    """
    n = len(values)
    if n < 2:
        return None
    if len(set(weights)) == 1 or (len(losses) == n and is_constant(losses) and is_constant(values)):
        return Smell(
            kind="zero_variance",
            severity="high",
            where=where,
            evidence=f"{n} seeds end in the same {'weights' if len(set(weights)) == 1 else 'test loss'} "
            f"({metric} {values[0]:.4g}): the seed changes nothing",
            next_experiment="print the first batch and the first weights of two seeds: they must differ",
        )
    if not is_constant(values):
        return None
    if best is not None and math.isclose(values[0], best):
        return Smell(
            kind="zero_variance",
            severity="low",
            where=where,
            evidence=f"all {n} seeds reach the best possible {metric} ({best:g}): this test part can no longer tell "
            "methods apart",
            next_experiment="score a majority guess and a linear model on it; if they come close, take a harder test",
        )
    if n < 3:
        return None
    return Smell(
        kind="zero_variance",
        severity="medium",
        where=where,
        evidence=f"{n} seeds give exactly {metric} {values[0]:.4g} from different weights",
        next_experiment="compare their predictions example by example: a constant, a cap, a rounded metric?",
    )


def train_test_gap(
    where: str, metric: str, train: Sequence[float], test: Sequence[float], guess: float
) -> Smell | None:
    """More than half of what was learnt on train, over the constant `guess`, does not reach test, at every seed.

    Works in both directions (accuracy up, error down). A gap that is large in points but smaller than that is common
    and no smell: whether it is expected, only the paper's own train score could say.
    """
    gained = [a - guess for a in train]
    if not gained or any(abs(g) < 1e-12 or g * gained[0] < 0 for g in gained):
        return None
    lost = [(a - b) / g for a, b, g in zip(train, test, gained, strict=True)]
    if min(lost) <= LOST:
        return None
    return Smell(
        kind="train_test_gap",
        severity="medium",
        where=where,
        evidence=f"{metric} {np.mean(train):.4g} on train, {np.mean(test):.4g} on test: {np.mean(lost):.0%} of "
        f"the gain over a constant guess ({guess:.4g}) is lost",
        next_experiment="train on a half and on a quarter of the examples: if test rises with their number it is "
        "overfitting, if not, train and test differ",
    )


def above_train(
    where: str, metric: str, part: str, train: Sequence[float], held_out: Sequence[float], size: int
) -> Smell | None:
    """A proportion (accuracy) on held-out examples above that on train, by more than `size` examples can explain.

    All scores in eval mode of the same weights, so dropout and augmentation do not excuse it. `size` is the number of
    held-out examples.
    """
    excess = np.asarray(held_out, dtype=np.float64) - np.asarray(train, dtype=np.float64)
    if excess.size == 0 or size < 1:
        return None
    share = min(max(float(np.mean(train)), 0.5 / size), 1 - 0.5 / size)
    error = math.sqrt(share * (1 - share) / size)
    if float(excess.mean()) <= ABOVE_TRAIN * error or float(np.median(excess)) <= 0:
        return None
    return Smell(
        kind="above_train",
        severity="high",
        where=where,
        evidence=f"{metric} is higher on {part} ({np.mean(held_out):.4g}, {size} examples) than on train "
        f"({np.mean(train):.4g}), {excess.mean() / error:.1f} standard errors of {part} apart",
        next_experiment=f"look up ten examples of {part} and ten of train that the model gets wrong: other labels, "
        "another preprocessing or an easier part?",
    )


def examples_behind(shares: Sequence[float]) -> int | None:
    """The number of examples behind recorded accuracies: the smallest count that all of them are whole multiples of.

    A lower bound (a divisor of the true number). None where the values are no shares of few enough examples.
    """
    total = 1
    for share in shares:
        near = Fraction(share).limit_denominator(100_000)
        if not math.isclose(float(near), share, rel_tol=0, abs_tol=1e-9):
            return None
        total = math.lcm(total, near.denominator)
        if total > _FINEST:
            return None
    return total if total > 1 else None


def better_than_paper(
    where: str, printed: float, spread: float | None, rounding: float, values: Sequence[float], higher: bool
) -> Smell | None:
    """Our mean beats the printed one by more than the printed spread, and our interval excludes the printed value.

    All in printed units. Without a printed spread the standard deviation of our own runs stands in for it. One run
    counts only beyond twice the spread.
    """
    own = mean_estimate(values)
    sign = 1.0 if higher else -1.0
    ahead = sign * (own.value - printed)
    room = spread or (own.se * math.sqrt(own.n) if own.testable else 0.0)
    margin = max(room, rounding)
    if own.testable:
        low, high = own.interval()
        beyond = (low - printed if higher else printed - high) > rounding
    else:
        beyond = ahead > 2 * margin
    if not (ahead > margin and beyond):
        return None
    shown = f"± {spread:g}" if spread else "no spread"
    return Smell(
        kind="better_than_paper",
        severity="medium",
        where=where,
        evidence=f"ours {own.value:.4g} over {own.n} run{'s' if own.n > 1 else ''} against {printed:g} printed "
        f"({shown}): {ahead:.3g} better",
        next_experiment="run the paper's own protocol beside this one; then compare the number of training examples, "
        "steps and parameters with the paper's",
    )


def hangs_on_one_seed(groups: Mapping[str, Mapping[int, float]], metric: str) -> list[Smell]:
    """Groups (name to seed to value) whose mean rests on one seed far from the others.

    The farthest seed is held against the mean of the others, with the larger of two spreads: that of the others, and
    that of all other groups together. Bonferroni over all seeds of the study keeps the chance of any false alarm near
    `ONE_SEED_P` where the groups spread alike. By simulation, 4 % of studies of eight groups of three normal seeds
    whose spreads differ up to sevenfold alarm: two close seeds of a wide group look like a narrow one.
    Fewer than three seeds say nothing.
    """
    usable = {name: seeds for name, seeds in groups.items() if len(seeds) >= 3}
    tries = sum(len(seeds) for seeds in usable.values())
    found = []
    for name, seeds in usable.items():
        values = np.array(list(seeds.values()))
        rest_means = (values.sum() - values) / (len(values) - 1)
        at = int(np.argmax(np.abs(values - rest_means)))
        others = np.delete(values, at)
        elsewhere = [np.array(list(g.values())) for other, g in usable.items() if other != name]
        pooled_df = sum(len(g) - 1 for g in elsewhere)
        pooled = sum(float(((g - g.mean()) ** 2).sum()) for g in elsewhere) / pooled_df if pooled_df else 0.0
        own = float(others.var(ddof=1))
        variance, df = (own, len(others) - 1) if own >= pooled else (pooled, pooled_df)
        away = float(values[at] - others.mean())
        if variance <= 0 or away == 0:
            continue
        t = abs(away) / math.sqrt(variance * (1 + 1 / len(others)))
        p = min(1.0, 2 * float(scipy_stats.t.sf(t, df)) * tries)
        if p < ONE_SEED_P:
            listed = ", ".join(f"{value:.4g}" for value in values)
            found.append(
                Smell(
                    kind="hangs_on_one_seed",
                    severity="medium",
                    where=name,
                    evidence=f"{metric} of {len(values)} seeds: {listed}; without seed {list(seeds)[at]} the mean is "
                    f"{others.mean():.4g} instead of {values.mean():.4g}",
                    next_experiment=f"three more seeds here; the loss curve of seed {list(seeds)[at]} beside another",
                )
            )
    return found


def never_trained_on(where: str, part: str, of: Mapping[str, Any]) -> Smell:
    """Classes of a part that no training example has: to score on them measures something else than was learnt."""
    labels = ", ".join(map(str, of["labels"]))
    return Smell(
        kind="never_trained_on",
        severity="medium",
        where=where,
        evidence=f"{of['rows']:,} of {of['of']:,} examples of {part} have labels that no training example has "
        f"({labels})",
        next_experiment="look at how the parts were split: a random split by class (stratified) has each class in each",
    )


def read_again(where: str, readings: Sequence[int], acknowledged: bool) -> Smell | None:
    """Cells that read test more than once: what was chosen on it is no longer measured by it."""
    more = [n for n in readings if n > 1]
    if not more:
        return None
    return Smell(
        kind="test_read_again",
        severity="low" if acknowledged else "high",
        where=where,
        evidence=f"{len(more)} of {len(readings)} cells read the test part up to {max(more)} times"
        + (", acknowledged: the scores are those of a choice made on test" if acknowledged else ""),
        next_experiment="the same cells under the clean protocol, which chooses on a held-out part of train",
    )
