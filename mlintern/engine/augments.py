"""Augmentations that come with the engine: each changes one example and draws from that example's own generator."""

import numpy as np


class GaussianNoise:
    """Adds N(0, scale^2) noise to every feature."""

    def __init__(self, scale: float):
        self.scale = scale

    def __call__(self, features: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return features + (self.scale * generator.standard_normal(features.shape)).astype(features.dtype)


class CircularShift:
    """Rolls the last axis by up to `limit` positions either way."""

    def __init__(self, limit: int):
        self.limit = limit

    def __call__(self, features: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return np.roll(features, int(generator.integers(-self.limit, self.limit + 1)), axis=-1)
