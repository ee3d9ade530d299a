"""The augmentations that ship refuse what they cannot mean."""

import numpy as np
import pytest

from mlintern.core.errors import UserError
from mlintern.engine.augments import CircularShift, GaussianNoise


def test_noise_is_for_real_features():
    draw = np.random.Generator(np.random.Philox(key=[0, 0]))
    assert GaussianNoise(0.1)(np.zeros(4, np.float32), draw).dtype == np.float32
    with pytest.raises(UserError, match="augment: GaussianNoise is for real features"):
        GaussianNoise(0.1)(np.zeros(4, np.int64), draw)


@pytest.mark.parametrize("limit", [0.5, -1, True, "2"])
def test_a_shift_counts_positions(limit):
    with pytest.raises(UserError, match=f"augment.limit={limit}: must be a whole number"):
        CircularShift(limit)
