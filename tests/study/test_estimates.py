"""Estimates, tests and intervals against scipy and statsmodels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats import multitest, weightstats

from mlintern.statistics.correction import holm
from mlintern.statistics.estimates import (
    Estimate,
    mean_estimate,
    paired_estimate,
    region_test,
    welch_estimate,
)

A = [0.93, 0.945, 0.921, 0.952]
B = [0.90, 0.931, 0.917, 0.924]
finite = st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: round(x, 3))


def test_t_interval_is_scipys():
    low, high = scipy_stats.t.interval(0.95, 3, np.mean(A), scipy_stats.sem(A))
    assert mean_estimate(A).interval() == pytest.approx((low, high), rel=1e-12)
    low, high = mean_estimate([2960, 1620, 2510]).interval()
    assert (high - low) / 2 == pytest.approx(1694.0168, abs=1e-3)


def test_paired_and_welch_are_scipys():
    paired = scipy_stats.ttest_rel(A, B, alternative="greater")
    assert paired_estimate(A, B).p_above(0) == pytest.approx(paired.pvalue, rel=1e-10)
    welch = scipy_stats.ttest_ind(A, B[:3], equal_var=False, alternative="less")
    found = welch_estimate(A, B[:3])
    assert found.p_below(0) == pytest.approx(welch.pvalue, rel=1e-10)
    assert found.df == pytest.approx(welch.df, rel=1e-10)


def test_region_test_is_twice_statsmodels_tost():
    p, _, _ = weightstats.ttost_paired(np.array(A), np.array(B), -0.05, 0.05)
    found = region_test(paired_estimate(A, B), -0.05, 0.05)
    assert found.outcome == "supported"
    assert found.p == pytest.approx(2 * p, rel=1e-9)


@given(st.lists(finite, min_size=2, max_size=8), finite, st.floats(0, 50), st.sampled_from([0.8, 0.95, 0.99]))
def test_p_and_interval_never_disagree(values, middle, width, level):
    estimate = mean_estimate(values)
    low, high = middle - width, middle + width
    found = region_test(estimate, low, high)
    if not estimate.testable:
        assert found.p == 1
        return
    ci_low, ci_high = estimate.interval(level)
    alpha = 1 - level
    if abs(found.p - alpha) < 1e-6:
        return
    inside, outside = low <= ci_low and ci_high <= high, ci_high < low or ci_low > high
    assert (found.p < alpha) == (inside or outside)
    if inside or outside:
        assert found.outcome == ("supported" if inside else "contradicted")


@given(st.lists(finite, min_size=2, max_size=6), st.floats(-100, 100))
def test_half_lines_mirror(values, bound):
    up = region_test(mean_estimate(values), bound, math.inf)
    down = region_test(mean_estimate([-v for v in values]), -math.inf, -bound)
    assert up.p == pytest.approx(down.p, abs=1e-9)


def test_no_spread_is_no_certainty():
    for values in ([0.9], [0.9, 0.9, 0.9], [0.1 + 0.2, 0.3]):
        estimate = mean_estimate(values)
        assert not estimate.testable
        assert all(math.isnan(end) for end in estimate.interval())
        assert region_test(estimate, 0.0, 1.0).p == 1.0


def test_equal_differences_fall_back_on_welch_only_where_the_values_vary():
    varying = paired_estimate([0.50, 0.52, 0.54], [0.40, 0.42, 0.44])
    assert varying.testable
    assert "Welch" in varying.method
    assert not paired_estimate([0.5, 0.5], [0.4, 0.4]).testable


def test_values_must_be_finite_and_flat():
    with pytest.raises(ValueError, match="finite"):
        mean_estimate([0.9, math.nan])
    with pytest.raises(ValueError, match="non-empty"):
        mean_estimate([])
    with pytest.raises(ValueError, match="same length"):
        paired_estimate([1, 2], [1])


def test_estimate_without_error_decides_nothing():
    blank = Estimate(1.0, math.nan, 0.0, 1, "one run")
    assert blank.p_above(0) == blank.p_below(2) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_the_correction_is_statsmodels(p):
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1], abs=1e-12)


def test_a_correction_of_nothing_and_of_nonsense():
    assert holm([]) == []
    with pytest.raises(ValueError, match="p-values"):
        holm([0.5, 1.5])
