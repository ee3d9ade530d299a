"""A quick model of raw features: what a leak is priced with, and what tells two sets of rows apart."""

from typing import Any

import numpy as np

from mlintern.audit.inputs.subject import Subject


def fitted_trees(
    inputs: np.ndarray, targets: np.ndarray, classification: bool, seed: int, trees: int = 50, balanced: bool = False
) -> Any:
    """Extremely randomised trees fitted to inputs [n, d] and targets [n]: no tuning, any scale, and they memorise."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    if classification:
        weight = "balanced" if balanced else None
        return ExtraTreesClassifier(trees, class_weight=weight, random_state=seed, n_jobs=1).fit(inputs, targets)
    return ExtraTreesRegressor(trees, random_state=seed, n_jobs=1).fit(inputs, targets)


def model_inputs(subject: Subject, part: str, rows: np.ndarray) -> np.ndarray:
    """[len(rows), d] float32 raw features for a model; missing and infinite values become a value of their own."""
    block = subject.flat(part)[rows].astype(np.float32)
    return np.nan_to_num(block, nan=-1e9, posinf=1e9, neginf=-1e9)
