"""Smells of single predictions: scores that a constant guess reaches, that the labels do not allow, or that are not the
mean of their examples.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlintern.claims.outcomes import AGREES
from mlintern.report.model.report import Smell
from mlintern.statistics.paired import crossed_estimate

ONE_CLASS = 0.95
"""Share of test examples given one class from which a prediction counts as constant."""


@dataclass(frozen=True)
class Predicted:
    """Test examples of one cell over its seeds, examples in one order."""

    outcomes: np.ndarray
    """[seeds, examples] the metric of each example."""
    targets: np.ndarray
    """[examples]"""
    predictions: np.ndarray
    """[seeds, examples]"""


def constant_guess(metric: str, targets: np.ndarray) -> np.ndarray | None:
    """[examples] what the best constant prediction scores on each test example; None where the metric is unknown.

    For `accuracy` the commonest class, for `squared_error` the mean. Chosen with the test labels in hand, so slightly
    better than any guess from train.
    """
    if targets.ndim != 1 or len(targets) == 0:
        return None
    if metric == "accuracy" and targets.dtype.kind in "iub":
        classes, counts = np.unique(targets, return_counts=True)
        return (targets == classes[np.argmax(counts)]).astype(np.float64)
    if metric == "squared_error":
        return (targets.astype(np.float64) - targets.mean()) ** 2
    return None


def below_constant_guess(where: str, metric: str, tested: Predicted, higher: bool) -> Smell | None:
    """A score that a constant prediction reaches too; medium when the lead over it may be chance, high without a lead.

    The lead is tested over seeds and test examples at once. A uniform random guess never beats the best constant one,
    so it needs no check of its own.
    """
    guess = constant_guess(metric, tested.targets)
    if guess is None:
        return None
    lead = crossed_estimate((1.0 if higher else -1.0) * (tested.outcomes - guess))
    if lead.value > 0 and (not lead.testable or lead.interval()[0] > 0):
        return None
    evidence = f"{metric} {tested.outcomes.mean():.4g} on test, {guess.mean():.4g} for the best constant prediction"
    if lead.value > 0:
        evidence += ": the lead is within chance"
    if metric == "accuracy":
        shares = [np.unique(row, return_counts=True)[1].max() / row.size for row in tested.predictions]
        if max(shares) >= ONE_CLASS:
            evidence += f"; one class is predicted for {max(shares):.0%} of the examples"
    return Smell(
        kind="below_constant_guess",
        severity="medium" if lead.value > 0 else "high",
        where=where,
        evidence=evidence,
        next_experiment="train on one batch of 32 examples until it is learnt by heart; then compare train and test "
        "labels example by example",
    )


def above_label_ceiling(
    where: str, metric: str, outcomes: np.ndarray, train: float, conflicting: float
) -> Smell | None:
    """Accuracy above what test rows with a training twin of another label allow to a model that fits train.

    `outcomes` [seeds, examples] are right or wrong; `train` is the mean accuracy on train, `conflicting` the share of
    test rows with such a twin (the audit's label_conflict). A model that gives a twin its training label gets its test
    row wrong, so that accuracy stays below 1 - conflicting * train. More than three standard errors above it smells.
    """
    ceiling = 1.0 - conflicting * train
    size = outcomes.shape[1]
    error = math.sqrt(max(ceiling * (1 - ceiling), 1e-12) / size)
    score = float(outcomes.mean())
    if metric != "accuracy" or conflicting <= 0 or score <= ceiling + 3 * error:
        return None
    return Smell(
        kind="above_label_ceiling",
        severity="high",
        where=where,
        evidence=f"accuracy {score:.4g} on test, although {conflicting:.1%} of its rows stand in train with another "
        f"label: a model that fits train ({train:.4g}) would stay below {ceiling:.4g}",
        next_experiment="score those rows alone: who predicts their test labels has seen them",
    )


def above_neighbour_ceiling(
    where: str, metric: str, outcomes: np.ndarray, ceiling: Mapping[str, float]
) -> Smell | None:
    """Accuracy above what the audit's nearest-neighbour ceiling leaves room for, by more than three standard errors.

    `outcomes` [seeds, examples] are right or wrong; `ceiling` is that of audit.json (`mlintern.audit.price.ceiling`).
    """
    highest, score = ceiling["accuracy"], float(outcomes.mean())
    error = math.sqrt(max(highest * (1 - highest), 1e-12) / outcomes.shape[1])
    if metric != "accuracy" or score <= highest + 3 * error:
        return None
    return Smell(
        kind="above_neighbour_ceiling",
        severity="medium",
        where=where,
        evidence=f"accuracy {score:.4g} on test, although its rows' nearest neighbours in train leave room for "
        f"{highest:.4g} to any model (they err on {ceiling['nearest']:.3g}, and on {ceiling['extrapolated']:.3g} with "
        f"endless rows, in {ceiling['dimension']:.2g} dimensions)",
        next_experiment="score fresh test rows, and train without what is no feature (ids, order, file names): the "
        "model knows something that the features do not say",
    )


def not_its_examples(
    where: str,
    metric: str,
    recorded: Mapping[str, float],
    outcomes: np.ndarray,
    targets: np.ndarray,
) -> Smell | None:
    """A recorded test score that is not the mean of the test examples' own scores.

    `recorded` is the metric by split; `outcomes` and `targets` are [examples] of one run. Says which other reading
    gives the recorded number: another split, or the mean over classes instead of examples.
    """
    if "test" not in recorded:
        return None
    mean, said = float(np.mean(outcomes)), recorded["test"]
    if _same(mean, said):
        return None
    readings = [
        f"that is the {split} score" for split, value in recorded.items() if split != "test" and _same(mean, value)
    ]
    if targets.dtype.kind in "iub":
        balanced = float(np.mean([np.mean(outcomes[targets == c]) for c in np.unique(targets)]))
        if _same(balanced, said):
            readings.append("the record is the mean over classes, not over examples")
    return Smell(
        kind="not_the_stated_metric",
        severity="high",
        where=where,
        evidence=f"test {metric} is recorded as {said:.6g}, its {len(outcomes)} examples average to {mean:.6g}"
        + (f": {'; '.join(readings)}" if readings else ""),
        next_experiment="evaluate the saved weights on test once more and recompute the metric from the predictions",
    )


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=AGREES, abs_tol=AGREES)
