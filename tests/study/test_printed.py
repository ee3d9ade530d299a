"""Our seeds beside a printed number: what ± may mean, bounds, few seeds, and what is assumed."""

import math

import pytest
from pydantic import ValidationError
from scipy import stats as scipy_stats

from mlintern.statistics.estimates import mean_estimate, region_test
from mlintern.statistics.printed import compare_rows, printed_estimate
from mlintern.statistics.printed_value import PrintedValue

CNN = [93.1, 92.5, 94.0, 93.3, 93.6]


def compare_printed(values, printed):
    return compare_rows([(values, PrintedValue(**printed))])[0]


def test_inside_the_printed_spread_is_supported():
    found = compare_printed(CNN, {"mean": 94, "std": 2, "n": 3, "bound": None})
    assert found.verdict == "supported"
    assert (found.ci_low, found.ci_high) == pytest.approx(scipy_stats.t.interval(0.95, 4, 93.3, scipy_stats.sem(CNN)))
    assert found.tolerance == 2
    assert found.difference == pytest.approx(-0.7)


def test_far_off_is_contradicted_and_near_is_not():
    assert compare_printed([71.0, 72.0, 70.5], {"mean": 94, "std": 2, "n": 3}).verdict == "contradicted"
    # Outside of ± std, yet not beyond what the paper's own three runs leave open.
    near = compare_printed([90.8, 91.0, 90.9, 91.1], {"mean": 94, "std": 2, "n": 3, "spread": "std"})
    assert near.verdict == "inconclusive"
    assert (near.ci_low, near.ci_high) < (92, 92)


def test_contradiction_counts_the_papers_error_as_scipy_does():
    own, printed = [88.0, 88.4, 87.7], {"mean": 94, "std": 2, "n": 5, "spread": "std", "decimals": 8}
    want = scipy_stats.ttest_ind_from_stats(
        sum(own) / 3, math.sqrt(mean_estimate(own).se ** 2 * 3), 3, 94, 2, 5, equal_var=False
    )
    found = compare_printed(own, printed)
    outside = region_test(mean_estimate(own), 92, 96)
    assert outside.outcome == "contradicted"
    assert found.p == pytest.approx(max(want.pvalue, outside.p), rel=1e-5)


@pytest.mark.parametrize(
    ("spread", "n", "se"),
    [
        ("std", 4, 1.0),
        ("standard_error", 4, 2.0),
        ("ci95", 4, 2.0 / scipy_stats.t.ppf(0.975, 3)),
        ("unknown", 4, 2.0),
        ("std", None, 2.0 / math.sqrt(3)),
        ("std", 1, 2.0 / math.sqrt(3)),
    ],
)
def test_what_a_printed_spread_is(spread, n, se):
    found = printed_estimate(PrintedValue(mean=94, std=2, n=n, spread=spread), mean_estimate(CNN))
    assert found.se == pytest.approx(se)
    assert bool(found.assumptions) == (spread in ("unknown", "ci95") or n in (None, 1))


def test_no_printed_spread_borrows_ours_and_says_so():
    found = compare_printed(CNN * 2, {"mean": 93.4, "n": None})
    assert found.verdict == "supported"
    assert any("prints no spread" in said for said in found.assumptions)
    assert compare_printed(CNN, {"mean": 80}).verdict == "contradicted"


@pytest.mark.parametrize(
    ("values", "bound", "verdict"),
    [
        ([99.2, 99.3, 99.25], ">", "supported"),
        ([97.2, 97.3, 97.25], ">", "contradicted"),
        ([98.9, 99.3, 99.1], ">", "inconclusive"),
        ([97.2, 97.3, 97.25], "<", "supported"),
        ([97.2, 97.3, 97.25], "~", "supported"),
        ([60.0, 61.0, 60.5], "~", "contradicted"),
    ],
)
def test_bounds(values, bound, verdict):
    assert compare_printed(values, {"mean": 99, "bound": bound}).verdict == verdict


def test_about_with_its_own_spread_uses_it():
    assert compare_printed([25.0, 26.0, 25.5], {"mean": 30, "std": 10, "bound": "~"}).verdict == "supported"
    assert compare_printed([25.0, 26.0, 25.5], {"mean": 30, "bound": "~"}).verdict == "contradicted"


def test_one_run_supports_nothing_but_may_contradict():
    printed = {"mean": 94, "std": 2, "n": 10, "spread": "std"}
    assert compare_printed([94.0], printed).verdict == "inconclusive"
    alone = compare_printed([60.0], printed)
    assert alone.verdict == "contradicted"
    assert math.isnan(alone.ci_low)
    assert any("single run" in said for said in alone.assumptions)
    # The same value over all seeds is worth one run, not certainty.
    assert compare_printed([94.0, 94.0, 94.0], printed).verdict == "inconclusive"
    assert compare_printed([94.0], {"mean": 60}).verdict == "inconclusive"
    assert compare_printed([94.0], {"mean": 99, "bound": ">"}).verdict == "inconclusive"


def test_no_runs_and_diverged_runs():
    assert compare_printed([], {"mean": 94}).verdict == "not_tested"
    diverged = compare_printed([94.0, math.nan], {"mean": 94})
    assert diverged.verdict == "inconclusive"
    assert "1 of 2" in diverged.reason


def test_an_inconclusive_row_says_how_many_seeds_would_settle_it():
    found = compare_printed([92.0, 95.5, 93.5], {"mean": 94, "std": 2, "n": 3})
    assert found.verdict == "inconclusive"
    assert found.seeds_needed is not None
    assert found.seeds_needed > 3


def test_rows_are_corrected_together():
    borderline = ([92.2, 93.0, 92.9, 93.6], PrintedValue(mean=94, std=2.0, n=3))
    assert compare_rows([borderline])[0].verdict == "supported"
    together = compare_rows([borderline] * 8 + [([], PrintedValue(mean=1))])
    assert {row.verdict for row in together[:8]} == {"inconclusive"}
    assert together[0].p_adjusted == pytest.approx(8 * together[0].p)
    assert together[8].verdict == "not_tested"


@pytest.mark.parametrize(
    ("value", "rounding"),
    [
        ({"mean": 94}, 0.5),
        ({"mean": 94.0, "std": 0.5}, 0.05),
        ({"mean": 0.1 + 0.2}, 0.05),
        ({"mean": 94, "decimals": 2}, 0.005),
    ],
)
def test_rounding_of_the_print(value, rounding):
    assert PrintedValue(**value).rounding == pytest.approx(rounding)


@pytest.mark.parametrize("wrong", [{"mean": 94, "std": -1}, {"mean": 94, "sd": 1}, {"mean": math.nan}])
def test_a_bad_printed_value_is_refused(wrong):
    with pytest.raises(ValidationError):
        PrintedValue(**wrong)
