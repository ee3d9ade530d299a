"""Views: fixed, data-independent changes of the features (config key `data.view`), the same for every part."""

import numpy as np


class PermutePositions:
    """Reorder the last axis by one fixed permutation, to destroy local structure and nothing else."""

    def __init__(self, length: int, numpy_seed: int):
        self.order = np.random.RandomState(numpy_seed).permutation(length)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """[n, ..., length] to the same shape."""
        return features[..., self.order]


class ReversePositions:
    """Reverse the last axis."""

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """[n, ..., length] to the same shape."""
        return features[..., ::-1]
