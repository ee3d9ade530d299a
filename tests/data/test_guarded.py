"""What is done to data draws from no global generator, and gives each row what it would give it alone."""

import numpy as np
import pytest

from mlintern.core.errors import UserError
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


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("in_place", "Careless changes the features that it is given"),
        ("drops", "for features ["),
        ("logarithm", "Careless gives NaN or infinite numbers"),
        ("list", "Careless gives a list for features ["),
        ("texts", "Careless gives an array of type <U"),
        ("own_statistics", "gives a row other numbers beside other rows"),
        ("shuffles", "gives a row other numbers beside other rows"),
        ("own_generator", "or at another time"),
        ("own_bits", "or at another time"),
        ("own_random", "or at another time"),
    ],
)
@pytest.mark.parametrize("key", ["preprocess", "view"])
def test_a_row_that_is_not_its_own_is_refused(key, how, says):
    with pytest.raises(UserError, match=f"^data.{key}: ") as refused:
        built(*careless(key, how))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_beyond_the_engine_s_numbers_or_not_fitted_is_refused():
    for how, says in (
        ("huge", "go beyond what float32 holds"),
        ("fits_nothing", "Careless.fit gives nothing; it must"),
    ):
        with pytest.raises(UserError, match=says):
            built(*careless("preprocess", how))


@pytest.mark.parametrize("how", ["seeded", "projects"])
@pytest.mark.parametrize("key", ["preprocess", "view"])
def test_rows_of_their_own_are_taken(key, how):
    splits_of(compose(*careless(key, how))).transformed()


def careless(key, how):
    return [f"data.{key}._target_=papers.numbers.modules.Careless", f"data.{key}.how={how}"]
