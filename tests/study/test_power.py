"""Power and seeds needed against statsmodels."""

import math

import pytest
from statsmodels.stats.power import TTestPower

from mlintern.statistics.power import region_power, seeds_needed, smallest_effect

SM = TTestPower()


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("effect", [0.3, 1.0, 4.0])
def test_one_sided_power_is_statsmodels(n, effect):
    # statsmodels' quantiles by another route (Boost), good to six digits.
    want = SM.power(effect, n, alpha=0.025, alternative="larger")
    assert region_power(effect * 2, 2.0, n, 0.0, math.inf) == pytest.approx(want, abs=1e-6)
    assert region_power(-effect * 2, 2.0, n, 0.0, math.inf) == pytest.approx(want, abs=1e-6)


def test_huge_effects_have_power_one():
    assert region_power(1e9, 1.0, 3, 0.0, math.inf) == pytest.approx(1.0)


def test_equivalence_needs_both_sides():
    one = region_power(0.0, 1.0, 10, -2.0, math.inf)
    assert region_power(0.0, 1.0, 10, -2.0, 2.0) == pytest.approx(2 * one - 1)
    assert region_power(0.0, 1.0, 3, -0.1, 0.1) == 0.0


@pytest.mark.parametrize("n", [3, 5, 20])
def test_smallest_effect_has_the_power_asked_for(n):
    effect = smallest_effect(0.02, n)
    assert region_power(effect, 0.02, n, -math.inf, 0.0) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_seeds_needed_is_statsmodels_rounded_up(effect):
    want = math.ceil(SM.solve_power(effect, alpha=0.025, power=0.8, alternative="larger") - 1e-9)
    assert seeds_needed(effect, 1.0, 0.0, math.inf) == want
    assert region_power(effect, 1.0, want, 0.0, math.inf) >= 0.8 > region_power(effect, 1.0, want - 1, 0.0, math.inf)


def test_an_effect_on_the_boundary_is_out_of_reach():
    assert seeds_needed(0.0, 1.0, 0.0, math.inf) is None
    assert seeds_needed(math.nan, 1.0, 0.0, math.inf) is None
    assert math.isnan(region_power(1.0, 1.0, 1, 0.0, math.inf))
