"""Augmentations that come with the engine: each changes one example and draws from that example's own generator."""

import numpy as np

from mlintern.core.errors import UserError
from mlintern.core.ranges import NOT_NEGATIVE, Range


class GaussianNoise:
    """Adds N(0, scale^2) noise to every feature."""

    def __init__(self, scale: float):
        NOT_NEGATIVE.check("augment.scale", scale)
        self.scale = scale

    def __call__(self, features: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        if features.dtype.kind != "f":
            raise UserError(
                f"augment: GaussianNoise is for real features, these are whole numbers ({features.dtype}), to which "
                "most noise would round to nothing; choose another augment, or a data.preprocess that makes them real"
            )
        return features + (self.scale * generator.standard_normal(features.shape)).astype(features.dtype)


class CircularShift:
    """Rolls the last axis by up to `limit` positions either way."""

    def __init__(self, limit: int):
        Range(0, whole=True, fix="it counts positions").check("augment.limit", limit)
        self.limit = limit

    def __call__(self, features: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return np.roll(features, int(generator.integers(-self.limit, self.limit + 1)), axis=-1)
