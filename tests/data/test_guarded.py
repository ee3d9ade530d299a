"""What is done to data runs under the guard: it draws from no global generator."""

import numpy as np
import pytest

from mlintern.errors import UserError
from tests.engine.cells import built, compose, splits_of

from papers.numbers import modules  # isort: skip - cells puts it in reach

GENERATORS = ("numpy", "python", "torch", "instance")


def overrides(key, source):
    return [f"data.{key}._target_=papers.numbers.modules.GlobalNoise", f"data.{key}.source={source}"]


@pytest.mark.parametrize("source", GENERATORS)
@pytest.mark.parametrize("key", ["preprocess", "view"])
def test_a_draw_from_a_global_generator_is_refused(key, source):
    with pytest.raises(UserError, match=f"^data.{key}: .*draws from a global generator.*default_rng") as refused:
        built(*overrides(key, source))
    assert "\n" not in str(refused.value)
    if source != "instance":
        assert "modules.py:" in str(refused.value)


@pytest.mark.parametrize("key", ["preprocess", "view"])
def test_a_generator_with_a_seed_is_not_refused(key):
    config = compose(*overrides(key, "seeded"))
    first, again = (splits_of(config).transformed()["train"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, splits_of(compose()).transformed()["train"])


def test_the_real_functions_are_back_afterwards():
    drawn = np.random.rand, np.random.default_rng
    with pytest.raises(UserError):
        built(*overrides("view", "numpy"))
    assert (np.random.rand, np.random.default_rng) == drawn
    assert modules.GlobalNoise("numpy")(np.zeros(2)).shape == (2,)
