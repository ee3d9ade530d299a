"""A printed half width beside its raw seeds: the wrong formulas are named, the right one is left alone."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from mlintern.statistics.printed_interval import check_printed_interval, common_formula

SEEDS = [2960.0, 1620.0, 2510.0]  # steps to 99 % validation accuracy in shared/papers/weight-init-grokking


def half_widths(values):
    n, sd, population = len(values), np.std(values, ddof=1), np.std(values)
    t = scipy_stats.t.ppf(0.975, n - 1)
    return {
        "t": t * sd / math.sqrt(n),
        "std / n": sd / n,
        "se": sd / math.sqrt(n),
        "z": 1.959963985 * sd / math.sqrt(n),
        "population": t * population / math.sqrt(n),
        "population / n": population / n,
        "t(n)": scipy_stats.t.ppf(0.975, n) * sd / math.sqrt(n),
    }


def test_the_grokking_papers_interval_is_a_finding():
    check = check_printed_interval(SEEDS, 215)
    assert not check.ok
    assert check.right == pytest.approx(1694.0168, abs=1e-3)
    assert check.ratio == pytest.approx(7.88, abs=0.01)
    # ±215 is no formula's exact value; the closest is std / n, and the text must not claim more than that.
    assert check.matches == ()
    assert check.nearest is not None
    assert check.nearest.name == "sample std / n"
    assert "±1694" in check.finding
    assert "7.9 times too narrow" in check.finding
    assert "no usual formula" in check.finding


def test_the_right_interval_is_no_finding():
    right = half_widths(SEEDS)["t"]
    for printed in (right, round(right), round(right, 1)):
        check = check_printed_interval(SEEDS, printed)
        assert check.ok
        assert check.finding == ""


@pytest.mark.parametrize(
    ("key", "name", "words"),
    [
        ("std / n", "sample std / n", "divided by n, not by its root"),
        ("se", "sample std / sqrt(n)", "no quantile"),
        ("z", "z sample std / sqrt(n)", "normal quantile"),
        ("population", "t(2) population std / sqrt(n)", "population standard deviation"),
        ("population / n", "population std / n", "divided by n, not by its root"),
        ("t(n)", "t(3) sample std / sqrt(n)", "3 degrees of freedom, not 2"),
    ],
)
@pytest.mark.parametrize("values", [SEEDS, [0.91, 0.93, 0.954]])
def test_each_wrong_formula_is_named(key, name, words, values):
    check = check_printed_interval(values, round(half_widths(values)[key], 6))
    assert not check.ok
    assert check.matches[0].name == name
    assert words in check.finding


def test_rounding_of_the_print_is_granted_and_no_more():
    values = [92.0, 94.0, 96.5]
    se = half_widths(values)["se"]
    assert check_printed_interval(values, round(se, 1)).matches
    assert not check_printed_interval(values, round(se, 1) + 0.1).matches


def test_zero_spread_and_one_run():
    assert "does not change" in check_printed_interval([7500, 7500, 7500], 0).finding
    assert check_printed_interval([7500, 7500, 7500], 3).finding
    assert "one run" in check_printed_interval([94.0], 1.5).finding
    with pytest.raises(ValueError, match="finite"):
        check_printed_interval(SEEDS, math.nan)


def test_one_formula_for_a_table_or_none():
    rng = np.random.default_rng(0)
    tables = {f"cell{i}": list(rng.normal(90, 2, 3 + i)) for i in range(4)}
    as_se = {k: (v, round(half_widths(v)["se"], 4)) for k, v in tables.items()}
    as_z = {k: (v, round(half_widths(v)["z"], 4)) for k, v in tables.items()}
    assert common_formula(as_se) == "sample std / sqrt(n)"
    assert common_formula(as_z) == "z sample std / sqrt(n)"
    assert common_formula({**as_se, "cell0": as_z["cell0"]}) is None
