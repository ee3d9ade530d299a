"""Smells of controls: runs that ought to know nothing and know something, or that ought to be beaten and are not."""

import math
from collections.abc import Sequence

import numpy as np

from mlintern.report.model.report import Smell

BEYOND_CHANCE = 4.0
"""Standard errors of agreement by chance from which a model trained on shuffled labels has learnt something."""


def learns_shuffled_labels(where: str, predictions: np.ndarray, targets: np.ndarray) -> Smell | None:
    """A model that was trained on shuffled labels agrees with the true ones of test beyond chance.

    `predictions` and `targets` are class indices [examples]. Chance is the agreement of independent predictions with
    the same frequencies (that of Cohen's kappa, 1960); the labels were dealt once, so that a lead within the noise of
    the deal passes.
    """
    n = len(targets)
    if n == 0 or targets.dtype.kind not in "iub":
        return None
    classes = np.union1d(predictions, targets)
    shares = [(float(np.mean(predictions == c)), float(np.mean(targets == c))) for c in classes]
    chance = sum(p * t for p, t in shares)
    agreed = float(np.mean(predictions == targets))
    error = math.sqrt(max(chance * (1 - chance), 1e-12) / n)
    if agreed - chance <= BEYOND_CHANCE * error:
        return None
    return Smell(
        kind="learns_shuffled_labels",
        severity="high",
        where=where,
        evidence=f"trained on shuffled labels, it still agrees with {agreed:.1%} of the test labels, {chance:.1%} by "
        "chance: something other than the training labels tells it",
        next_experiment="look at the examples that it gets right: is an id or a copy of the label among the inputs?",
    )


def no_better_than(
    where: str, metric: str, control: str, ours: Sequence[float], simple: float, higher: bool
) -> Smell | None:
    """A model whose seeds on average score no better than a `control` model trained alike on the same data."""
    mean = float(np.mean(ours))
    lead = mean - simple if higher else simple - mean
    if lead > 0:
        return None
    return Smell(
        kind="no_better_than_control",
        severity="high" if control == "constant" else "medium",
        where=where,
        evidence=f"test {metric} {mean:.4g}, {simple:.4g} for a {control} model under the same training",
        next_experiment="train the simple model longer and tune its learning rate before anything else is claimed",
    )
