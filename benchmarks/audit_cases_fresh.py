"""Cases that nothing was tuned on: other sizes, classes, noise, targets, types of column, gaps and rare classes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from audit_cases import OPTIONS, Case, halves, subject
from sklearn import datasets

from mlintern.audit.inputs.frames import subject_from_frames


def mixed(plant: str | None, rows: int = 700) -> Any:
    """Strings, whole numbers, gaps and measurements in one frame."""

    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = datasets.make_classification(rows, 8, n_informative=5, flip_y=0.1, random_state=seed)
        frame = pd.DataFrame(x, columns=[f"m{i}" for i in range(8)])
        frame["site"] = rng.choice(["north", "south", "east"], rows)
        frame["grade"] = rng.integers(1, 6, rows)
        frame["smoker"] = rng.random(rows) < 0.3
        frame = frame.mask(pd.DataFrame(rng.random((rows, 11)) < 0.04, columns=frame.columns))
        frame["y"] = np.where(y == 1, "ill", "well")
        border, planted = int(0.7 * rows), None
        if plant == "target_leak":
            frame["code"] = np.where(y == 1, rng.choice(["A1", "A2"], rows), rng.choice(["B1", "B2", "B3"], rows))
        train, test = frame.iloc[:border].reset_index(drop=True), frame.iloc[border:].reset_index(drop=True)
        if plant in ("exact_duplicate", "near_duplicate"):
            planted = np.arange(15)
            test.iloc[:15] = train.iloc[20:35].to_numpy()
            if plant == "near_duplicate":
                for column in (f"m{i}" for i in range(8)):
                    noise = 0.01 * train[column].std() * rng.normal(size=15)
                    test.loc[:14, column] = test.loc[:14, column].astype(float) + noise
            test = test.astype(train.dtypes.to_dict())
        return subject_from_frames({"train": train, "test": test}, {"label": "y"}, OPTIONS), plant, planted

    return make


def measured(plant: str | None) -> Any:
    """A measured target."""

    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = datasets.make_regression(1500, 12, n_informative=6, noise=40, random_state=seed)
        if plant == "target_leak":
            x = np.column_stack([x, np.exp(y / y.std()) * (1 + 0.01 * rng.normal(size=len(y)))])
        if plant == "pair":
            base = rng.normal(size=len(y)) * 3 * y.std()
            x = np.column_stack([x, base, base + y + 0.02 * y.std() * rng.normal(size=len(y))])
        parts = halves(x, y, rng)
        planted = None
        if plant == "near_duplicate":
            planted = np.arange(20)
            parts[2][:20] = parts[0][50:70] + 0.01 * x.std(0) * rng.normal(size=(20, x.shape[1]))
        return subject(parts), "target_leak" if plant == "pair" else plant, planted

    return make


def tiny(plant: str | None) -> Any:
    """Sixty-four rows."""

    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = datasets.make_classification(64, 6, n_informative=4, random_state=seed)
        parts = halves(x, y, rng)
        planted = None
        if plant == "exact_duplicate":
            planted = np.arange(4)
            parts[2][:4], parts[3][:4] = parts[0][:4], parts[1][:4]
        if plant == "preprocessing_scope":
            mean, width = x.mean(0), x.std(0)
            parts[0], parts[2] = (parts[0] - mean) / width, (parts[2] - mean) / width
        return subject(parts), plant, planted

    return make


def rare(plant: str | None) -> Any:
    """One row in fifty is of the rarer class."""

    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = datasets.make_classification(5000, 10, n_informative=6, weights=[0.98], flip_y=0, random_state=seed)
        if plant == "target_leak":
            x = np.column_stack([x, y + 0.1 * rng.normal(size=len(y))])
        return subject(halves(x, y, rng)), plant, None

    return make


def many(plant: str | None) -> Any:
    """Twelve classes, forty columns, few rows of each."""

    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = datasets.make_classification(
            1200, 40, n_informative=12, n_classes=12, n_clusters_per_class=1, random_state=seed
        )
        if plant == "preprocessing_scope":
            x = (x - np.median(x, 0)) / (np.quantile(x, 0.75, axis=0) - np.quantile(x, 0.25, axis=0))
        return subject(halves(x.astype(np.float32), y, rng)), plant, None

    return make


def visitors(split: str) -> Any:
    """Users with five to thirty visits each, dealt at random or kept together."""

    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        who = np.repeat(np.arange(60), rng.integers(10, 30, 60))
        taste, kind = rng.normal(size=(60, 30)), rng.integers(0, 3, 60)
        x = taste[who] + 0.7 * rng.normal(size=(len(who), 30))
        y = kind[who]
        if split == "random":
            return subject(halves(x, y, rng)), "latent_group", None
        held = np.isin(who, rng.permutation(60)[:15])
        return subject([x[~held], y[~held], x[held], y[held]]), None, None

    return make


def filled(on_all: bool) -> Any:
    """Gaps filled with the column's mean."""

    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x = rng.gamma(2.0, size=(800, 9))
        y = (x[:, 0] + rng.normal(size=800) > 2).astype(int)
        x[rng.random(x.shape) < 0.08] = np.nan
        x, y, x_test, y_test = halves(x, y, rng)
        mean = np.nanmean(np.concatenate([x, x_test]) if on_all else x, axis=0)
        x, x_test = np.where(np.isnan(x), mean, x), np.where(np.isnan(x_test), mean, x_test)
        return subject([x, y, x_test, y_test]), "preprocessing_scope" if on_all else None, None

    return make


FRESH: dict[str, Callable[[int], Case]] = {
    "leak: mixed frame, exact copies": mixed("exact_duplicate"),
    "leak: mixed frame, jittered copies": mixed("near_duplicate"),
    "leak: mixed frame, code of the label": mixed("target_leak"),
    "leak: measured target, bent copy": measured("target_leak"),
    "leak: measured target, in a difference": measured("pair"),
    "leak: measured target, jittered copies": measured("near_duplicate"),
    "leak: 64 rows, exact copies": tiny("exact_duplicate"),
    "leak: 64 rows, standardised on all": tiny("preprocessing_scope"),
    "leak: rare class given away": rare("target_leak"),
    "leak: 12 classes, robust scaling on all": many("preprocessing_scope"),
    "leak: users dealt at random": visitors("random"),
    "leak: gaps filled from all": filled(True),
    "clean: mixed frame": mixed(None),
    "clean: mixed frame of 3000": mixed(None, 3000),
    "clean: measured target": measured(None),
    "clean: 64 rows": tiny(None),
    "clean: rare class": rare(None),
    "clean: 12 classes": many(None),
    "clean: users kept together": visitors("held"),
    "clean: gaps filled from train": filled(False),
}
