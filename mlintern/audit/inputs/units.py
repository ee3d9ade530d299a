"""Units: which rows belong together, as whoever found them says."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Units:
    """Which rows belong together: unit numbers per training and test row, -1 for a row of its own."""

    train: np.ndarray
    test: np.ndarray

    def straddling(self) -> np.ndarray:
        """The units with rows on both sides."""
        return np.setdiff1d(np.intersect1d(self.train, self.test), [-1])
