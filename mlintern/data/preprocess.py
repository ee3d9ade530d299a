"""Preprocessing that comes with the tool: fitted on the protocol's scope, applied to any row."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Standardise:
    """Subtract the mean and divide by the standard deviation of the rows it was fitted on, in double precision."""

    per_feature: bool = True
    """One mean and deviation per feature, or one for all of them together."""
    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    def fit(self, features: np.ndarray) -> "Standardise":
        """Features [n, ...]; a constant feature is only centred."""
        axis = 0 if self.per_feature else None
        rows = features.astype(np.float64)
        std = np.asarray(rows.std(axis=axis))
        return dataclasses.replace(self, mean=np.asarray(rows.mean(axis=axis)), std=np.where(std == 0, 1.0, std))

    def transform(self, features: np.ndarray) -> np.ndarray:
        """[n, ...] to float64 [n, ...]."""
        if self.mean is None or self.std is None:
            raise ValueError("Standardise.transform before fit")
        return (features.astype(np.float64) - self.mean) / self.std


@dataclasses.dataclass(frozen=True)
class Scale:
    """Multiply by a constant (1/255 for 8-bit images); learns nothing from data."""

    factor: float

    def fit(self, features: np.ndarray) -> "Scale":
        return self

    def transform(self, features: np.ndarray) -> np.ndarray:
        """[n, ...] to float64 [n, ...]."""
        return features.astype(np.float64) * self.factor
