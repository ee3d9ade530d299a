"""Data for the audit's tests: the bundled paper's splits, and small tables."""

import dataclasses

import numpy as np
import pytest

from mlintern.data.splits import Examples, Splits


@dataclasses.dataclass(frozen=True)
class Standardise:
    """One mean and one standard deviation over everything, as the authors of MNIST-1D do."""

    mean: float = 0.0
    std: float = 1.0

    def fit(self, features: np.ndarray) -> "Standardise":
        return Standardise(float(features.mean()), float(features.std()))

    def transform(self, features: np.ndarray) -> np.ndarray:
        return ((features - self.mean) / self.std).astype(np.float32)


def examples(features: np.ndarray, labels: np.ndarray, prefix: str, **columns: np.ndarray) -> Examples:
    return Examples(np.array([f"{prefix}/{i}" for i in range(len(labels))]), features, labels, **columns)


def splits(train: tuple, test: tuple, valid: tuple | None = None, **changes) -> Splits:
    """Splits of (features, labels[, {column: values}]) per part."""
    parts = {
        name: examples(rows[0], rows[1], name, **(rows[2] if len(rows) > 2 else {}))
        for name, rows in (("train", train), ("test", test), ("valid", valid))
        if rows is not None
    }
    return Splits(name="table", **parts, **changes)


@pytest.fixture(scope="session")
def mnist1d_rows() -> tuple[np.ndarray, np.ndarray]:
    """The 5000 raw rows of MNIST-1D, before standardisation, and their digits."""
    from mnist1d.data import get_dataset_args, get_templates, transform
    from mnist1d.utils import set_seed

    args, templates = get_dataset_args(), get_templates()
    state = np.random.get_state()
    set_seed(args.seed)
    rows = [transform(templates["x"][k], templates["t"], args)[0] for k in range(10) for _ in range(500)]
    order = np.random.permutation(5000)
    np.random.set_state(state)
    return np.stack(rows)[order].astype(np.float32), np.repeat(np.arange(10), 500)[order]


@pytest.fixture(scope="session")
def clean_splits(mnist1d_rows) -> Splits:
    x, y = mnist1d_rows
    return splits(
        (x[:3600], y[:3600]),
        (x[4000:], y[4000:]),
        (x[3600:4000], y[3600:4000]),
        preprocessor=Standardise(),
        fit_on=("train",),
        classes=10,
    )


@pytest.fixture
def table() -> tuple[np.ndarray, np.ndarray]:
    """600 rows of 8 independent normal columns; the class depends on the first two."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 8))
    return x, (x[:, 0] + x[:, 1] + 0.5 * rng.normal(size=600) > 0).astype(np.int64)
