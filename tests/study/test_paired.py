"""Crossed seeds and examples, McNemar and effect sizes."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.contingency_tables import mcnemar

from mlintern.statistics.paired import crossed_estimate, hedges_g, mcnemar_exact, paired_dz
from mlintern.study.judge.verdicts import judge

A, B = [0.93, 0.945, 0.921, 0.952], [0.90, 0.931, 0.917, 0.924]


def draw(rng, seeds, examples, by_seed, by_example, rest):
    noise = rng.normal(size=(seeds, examples)) * rest
    return noise + rng.normal(size=(seeds, 1)) * by_seed + rng.normal(size=(1, examples)) * by_example


def test_crossed_mean_squares_are_statsmodels():
    x = draw(np.random.default_rng(0), 4, 12, 0.5, 0.4, 0.2)
    frame = pd.DataFrame([(s, e, x[s, e]) for s in range(4) for e in range(12)], columns=["s", "e", "x"])
    table = anova_lm(ols("x ~ C(s) + C(e)", frame).fit())
    seed, example, rest = table["mean_sq"]
    found = crossed_estimate(x)
    assert found.value == pytest.approx(x.mean())
    assert found.se == pytest.approx(math.sqrt((seed + example - rest) / 48))
    want_df = (seed + example - rest) ** 2 / (seed**2 / 3 + example**2 / 11 + rest**2 / 33)
    assert found.df == pytest.approx(want_df)


@pytest.mark.parametrize("parts", [(0.02, 0.3, 0.4), (0.1, 0.1, 0.3), (0.0, 0.3, 0.4), (0.02, 0.0, 0.4)])
def test_crossed_interval_covers_new_seeds_and_examples(parts):
    rng = np.random.default_rng(1)
    intervals = [crossed_estimate(draw(rng, 3, 100, *parts)).interval() for _ in range(600)]
    coverage = np.mean([low <= 0 <= high for low, high in intervals])
    assert 0.925 <= coverage <= 0.975


def test_crossed_edges():
    alone = crossed_estimate([[0.0, 1.0, 1.0]])
    assert alone.se == pytest.approx(scipy_stats.sem([0, 1, 1]))
    assert "one trained model" in alone.assumptions[0]
    assert not crossed_estimate(np.ones((3, 5))).testable
    assert crossed_estimate([[1.0], [2.0]]).df == 1
    with pytest.raises(ValueError, match="shape"):
        crossed_estimate([1.0, 2.0])


def test_mcnemar_is_statsmodels():
    rng = np.random.default_rng(2)
    a, b = rng.random(80) < 0.8, rng.random(80) < 0.6
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    assert mcnemar_exact(a, b) == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert mcnemar_exact(a, a) == 1.0


def test_dz_is_t_over_root_n_and_its_interval_inverts_the_noncentral_t():
    found = paired_dz(A, B)
    t = scipy_stats.ttest_rel(A, B).statistic
    assert found.value == pytest.approx(t / 2)
    assert scipy_stats.nct.cdf(t, 3, found.low * 2) == pytest.approx(0.975, abs=1e-6)
    assert scipy_stats.nct.cdf(t, 3, found.high * 2) == pytest.approx(0.025, abs=1e-6)
    assert math.isnan(paired_dz([1.0, 2.0], [0.0, 1.0]).value)


def test_hedges_g_is_unbiased_where_cohens_d_is_not():
    rng = np.random.default_rng(3)
    first, second = rng.normal(1, 1, (3000, 4)), rng.normal(0, 1, (3000, 4))
    pooled = np.sqrt((first.var(axis=1, ddof=1) + second.var(axis=1, ddof=1)) / 2)
    d = (first.mean(axis=1) - second.mean(axis=1)) / pooled
    correction = hedges_g(first[0], second[0]).value / d[0]
    assert hedges_g(first[1], second[1]).value == pytest.approx(correction * d[1])
    assert np.mean(correction * d) == pytest.approx(1.0, abs=0.04)
    assert np.mean(d) > 1.1
    assert math.isnan(hedges_g([1.0, 1.0], [0.0, 0.0]).value)


def study(rng, lift, seeds=3, examples=400):
    ease = rng.random(examples)
    records, tables = [], {}
    for variant, more in (("a", lift), ("b", 0.0)):
        for seed in range(seeds):
            right = (ease + rng.normal(0, 0.2, examples) + more > 0.4).astype(float)
            cell = f"{variant}{seed}"
            tables[cell] = pd.DataFrame({"id": [f"e{i}" for i in range(examples)], "accuracy": right}).sample(
                frac=1, random_state=seed
            )
            metrics = {"test": {"accuracy": float(right.mean())}}
            records.append({"cell_id": cell, "variant": variant, "levels": {}, "seed": seed, "metrics": metrics})
    return records, tables


OVER = {"id": "c", "kind": "greater", "metric": "accuracy", "a": {"variant": "a"}, "b": {"variant": "b"},
        "over": "seeds_and_examples"}  # fmt: skip


def test_a_claim_over_examples_crosses_both():
    records, tables = study(np.random.default_rng(4), 0.3)
    found = judge([OVER], records, outcomes=tables.get)[0]
    assert found.verdict == "supported"
    assert "400 shared examples" in found.test
    left = np.mean([tables[f"a{s}"]["accuracy"].mean() - tables[f"b{s}"]["accuracy"].mean() for s in range(3)])
    assert found.effect == pytest.approx(left)
    floor = {"id": "f", "kind": "at_least", "metric": "accuracy", "a": {"variant": "a"}, "value": 0.7,
             "over": "seeds_and_examples"}  # fmt: skip
    wide, narrow = (judge([{**floor, "over": over}], records, outcomes=tables.get)[0] for over in
                    ("seeds_and_examples", "seeds"))  # fmt: skip
    assert wide.effect == pytest.approx(narrow.effect)
    assert wide.verdict == "supported"
    assert "crossed" in wide.test


def test_outcomes_that_are_not_the_metric_are_refused():
    records, tables = study(np.random.default_rng(5), 0.3)
    assert "no per-example accuracy of seed 0" in judge([OVER], records)[0].reason
    tables["a1"] = tables["a1"].assign(accuracy=1.0)
    assert "averaged otherwise" in judge([OVER], records, outcomes=tables.get)[0].reason
    records, tables = study(np.random.default_rng(5), 0.3)
    tables["b2"] = tables["b2"].assign(id=lambda t: "other" + t["id"])
    assert "seed 2 was tested on other examples" in judge([OVER], records, outcomes=tables.get)[0].reason
