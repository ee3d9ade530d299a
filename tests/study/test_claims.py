"""The claim language and the judge's verdicts, each in both directions."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from mlintern.claims.forms import NotTestable
from mlintern.claims.kinds.greater import Greater
from mlintern.claims.observation import Observation
from mlintern.claims.parsing import parse_claim, parse_claims
from mlintern.core.errors import UserError
from mlintern.study.judge.verdicts import judge

Z = np.array([-1.2, 0.3, 0.9, -0.4, 0.4])  # five seeds' luck, mean 0, so that effects below are exact


def runs(variant, mean, *, data="d", n=5, sd=0.01, shift=0, metric="accuracy", **levels):
    return [
        {
            "cell_id": f"{variant}-{data}-{seed}",
            "status": "finished",
            "variant": variant,
            "levels": {"data": data, "protocol": "clean", **levels},
            "seed": seed,
            "metrics": {"test": {metric: mean + sd * float(np.roll(Z, shift)[seed])}},
        }
        for seed in range(n)
    ]


def claim(kind, **fields):
    base = {"id": kind, "kind": kind, "metric": "accuracy", "where": {"data": "d"}, "a": {"variant": "cnn"}}
    return {**base, **fields}


def one(item, records, **options):
    return judge([item], records, **options)[0]


CNN, MLP = runs("cnn", 0.94), runs("mlp", 0.68, shift=2)


@pytest.mark.parametrize(
    ("margin", "verdict"), [(0.0, "supported"), (0.2, "supported"), (0.26, "inconclusive"), (0.3, "contradicted")]
)
def test_greater(margin, verdict):
    found = one(claim("greater", b={"variant": "mlp"}, margin=margin), CNN + MLP)
    assert found.verdict == verdict
    a, b = ([r["metrics"]["test"]["accuracy"] for r in side] for side in (CNN, MLP))
    want = scipy_stats.ttest_rel(a, b)
    assert found.effect == pytest.approx(0.26)
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(want.confidence_interval(0.95)))
    assert found.n == 5


def test_effect_sizes_are_paired_where_seeds_are_shared():
    item = claim("greater", b={"variant": "mlp"}, unit="percent")
    size = one(item, CNN + MLP).effect_size
    a, b = ([r["metrics"]["test"]["accuracy"] for r in side] for side in (CNN, MLP))
    assert size.name == "paired d_z"
    assert size.value == pytest.approx(scipy_stats.ttest_rel(a, b).statistic / math.sqrt(5))
    assert size.low < size.value < size.high
    other_seeds = [{**run, "seed": run["seed"] + 10} for run in MLP]
    assert one(item, CNN + other_seeds).effect_size.name == "Hedges' g"
    assert one(item, CNN[:1] + MLP[:1]).effect_size is None
    assert one(claim("at_least", value=0.9), CNN).effect_size is None


def test_percent_claims_speak_of_recorded_fractions():
    found = one(claim("greater", b={"variant": "mlp"}, margin=20, unit="percent"), CNN + MLP)
    assert found.verdict == "supported"
    assert found.effect == pytest.approx(26)


@pytest.mark.parametrize(("within", "verdict"), [(0.05, "supported"), (0.01, "inconclusive"), (0.3, "supported")])
def test_equivalent(within, verdict):
    other = runs("mlp", 0.945, shift=2)
    assert one(claim("equivalent", b={"variant": "mlp"}, within=within), CNN + other).verdict == verdict


def test_equivalent_is_contradicted_by_a_clear_difference():
    assert one(claim("equivalent", b={"variant": "mlp"}, within=0.05), CNN + MLP).verdict == "contradicted"


@pytest.mark.parametrize(("value", "verdict"), [(0.35, "supported"), (0.10, "contradicted")])
def test_difference_near_over_two_datasets(value, verdict):
    shuffled = runs("cnn", 0.57, data="s", shift=1)
    item = claim("difference_near", where={}, a={"variant": "cnn", "data": "d"}, b={"variant": "cnn", "data": "s"},
                 value=value, within=0.05)  # fmt: skip
    found = one(item, CNN + shuffled)
    assert found.verdict == verdict
    assert found.effect == pytest.approx(0.37)
    assert found.power_at == value


@pytest.mark.parametrize(
    ("kind", "value", "verdict"),
    [
        ("at_least", 0.9, "supported"),
        ("at_least", 0.94, "inconclusive"),
        ("at_least", 0.99, "contradicted"),
        ("at_most", 0.99, "supported"),
        ("at_most", 0.9, "contradicted"),
    ],
)
def test_constants(kind, value, verdict):
    assert one(claim(kind, value=value), CNN).verdict == verdict


@pytest.mark.parametrize(("mean", "verdict"), [(94, "supported"), (50, "contradicted")])
def test_equals_printed(mean, verdict):
    item = claim("equals_printed", unit="percent", printed={"mean": mean, "std": 2, "n": 3, "raw": "94 ± 2"})
    found = one(item, CNN)
    assert found.verdict == verdict
    assert any("standard error" in said for said in found.assumptions)


def ladder(means, **options):
    return [r for x, m in means.items() for r in runs("cnn", m, hidden=x, shift=int(x) % 5, **options)]


@pytest.mark.parametrize(
    ("means", "verdict", "effect"),
    [
        ({10: 0.5, 50: 0.8, 90: 0.6}, "supported", 50),
        ({10: 0.8, 50: 0.5, 90: 0.6}, "contradicted", 10),
        ({10: 0.5, 50: 0.8, 91: 0.8}, "inconclusive", 50),
    ],
)
def test_peak(means, verdict, effect):
    found = one(claim("peak_near", factor="hidden", value=50, within=5), ladder(means))
    assert found.verdict == verdict
    if verdict != "inconclusive":
        assert found.effect == effect
    else:
        assert (found.ci_low, found.ci_high) == (50, 91)


def test_a_trough_is_a_peak_of_the_least():
    item = claim("peak_near", factor="hidden", value=50, within=5, of="min")
    assert one(item, ladder({10: 0.5, 50: 0.2, 90: 0.6})).verdict == "supported"
    assert one(item, ladder({10: 0.5, 50: 0.8, 90: 0.6})).verdict == "contradicted"


def test_a_peak_needs_levels_on_both_sides_of_the_window():
    for value in (1000, 50):
        found = one(claim("peak_near", factor="hidden", value=value, within=100), ladder({10: 0.5, 50: 0.8}))
        assert found.verdict == "not_tested"
        assert "levels: 10, 50" in found.reason


@pytest.mark.parametrize(
    ("means", "verdict"),
    [
        ({1: 0.5, 2: 0.6, 3: 0.7}, "supported"),
        ({1: 0.5, 2: 0.7, 3: 0.6}, "contradicted"),
        ({1: 0.5, 2: 0.6, 3: 0.6001}, "inconclusive"),
    ],
)
def test_monotone(means, verdict):
    found = one(claim("monotone", factor="hidden"), ladder(means))
    assert found.verdict == verdict
    falling = one(claim("monotone", factor="hidden", direction="decreasing"), ladder({-x: m for x, m in means.items()}))
    assert falling.verdict == verdict


def test_one_seed_and_equal_seeds_are_inconclusive():
    alone = one(claim("greater", b={"variant": "mlp"}), runs("cnn", 0.94, n=1) + runs("mlp", 0.1, n=1))
    assert alone.verdict == "inconclusive"
    assert alone.ci_low is None
    assert alone.p == 1.0
    assert "more seeds" in alone.reason
    same = one(claim("greater", b={"variant": "mlp"}), runs("cnn", 0.94, sd=0) + runs("mlp", 0.1, sd=0))
    assert same.verdict == "inconclusive"
    assert "does the seed change anything" in same.reason


def test_two_seeds_decide_only_what_is_plain():
    a, b = runs("cnn", 0.94, n=2), runs("mlp", 0.93, n=2, shift=1)
    found = one(claim("greater", b={"variant": "mlp"}), a + b)
    assert found.verdict == "inconclusive"
    assert found.seeds_needed is None or found.seeds_needed > 2


def test_pairs_are_shared_seeds_and_welch_steps_in_without_them():
    shared = one(claim("greater", b={"variant": "mlp"}), CNN + MLP[1:])
    assert shared.n == 4
    assert "paired" in shared.test
    apart = [{**r, "seed": r["seed"] + 100} for r in MLP]
    welch = one(claim("greater", b={"variant": "mlp"}), CNN + apart)
    assert "Welch" in welch.test
    assert welch.verdict == "supported"


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (claim("at_least", a={"variant": "gru"}, value=1), "no finished run of data=d, variant=gru"),
        (claim("at_least", where={}, value=1), "several cells (data: d, s)"),
        (claim("at_least", metric="f1", value=1), "no run has metric 'f1' on split 'test' (there are: test/accuracy)"),
        (claim("greater", b={"variant": "cnn"}), "same cell"),
        (claim("monotone", factor="width"), "factor 'width' is no coordinate"),
        (claim("monotone", factor="protocol"), "'clean' of factor 'protocol' is not a number"),
    ],
)
def test_what_cannot_be_tested_says_why(item, reason):
    found = one(item, CNN + runs("cnn", 0.5, data="s"))
    assert found.verdict == "not_tested"
    assert reason in found.reason
    assert found.p is None


def test_failed_and_diverged_runs():
    failed = [{**r, "status": "failed"} for r in CNN]
    assert "(5 failed)" in one(claim("at_least", value=1), failed).reason
    diverged = [*CNN[:4], {**CNN[4], "metrics": {"test": {"accuracy": math.nan}}}]
    found = one(claim("at_least", value=0.1), diverged)
    assert found.verdict == "inconclusive"
    assert "seed 4" in found.reason


def test_a_seed_that_stands_twice_is_refused():
    assert "seed 0 stands twice" in one(claim("at_least", value=0.1), CNN + CNN[:1]).reason


def test_the_family_is_what_was_tested():
    items = [claim("at_least", id=f"c{i}", value=0.93) for i in range(4)]
    items.append(claim("at_least", id="lost", a={"variant": "gru"}, value=1))
    verdicts = judge(items, CNN)
    single = one(items[0], CNN)
    assert verdicts[0].p == pytest.approx(single.p)
    assert verdicts[0].p_adjusted == pytest.approx(min(1, 4 * single.p))
    assert [v.id for v in verdicts] == ["c0", "c1", "c2", "c3", "lost"]


def test_a_spec_claim_is_read_with_its_check():
    locator = {"span": [1, 2], "sha256": "0" * 64}
    item = {"id": "c", "statement": "s", "locator": locator, "testable": True, "not_tested_reason": None,
            "check": {"kind": "greater", "metric": "m", "a": {"variant": "x"}, "b": {"variant": "y"}}}  # fmt: skip
    parsed = parse_claim(item)
    assert isinstance(parsed, Greater)
    assert parsed.statement == "s"
    dropped = parse_claim({**item, "testable": False, "not_tested_reason": "needs people", "check": None})
    assert isinstance(dropped, NotTestable)
    assert one(dropped, CNN).reason == "needs people"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "better"}, "claim 'c'"),
        ({"metric": None}, "claim 'c': greater.metric"),
        ({"margin": "x"}, "claim 'c': greater.margin"),
        ({"extra": 1}, "claim 'c': greater.extra"),
    ],
)
def test_a_bad_claim_is_one_line_naming_claim_and_field(change, message):
    item = {**claim("greater", id="c", b={"variant": "mlp"}), **change}
    with pytest.raises(UserError, match=message):
        parse_claim(item)


def test_claim_ids_are_unique():
    with pytest.raises(UserError, match="stands twice"):
        parse_claims([claim("at_least", value=1), claim("at_least", value=2)])


def test_statements_are_made_where_none_is_given():
    found = one(claim("greater", b={"variant": "mlp"}, margin=0.1), CNN + MLP)
    assert found.statement == "test accuracy over d: cnn is greater than mlp by at least 0.1"


def test_levels_match_by_value_not_by_spelling():
    records = runs("cnn", 0.9, lr=0.1)
    assert one(claim("at_least", where={"data": "d", "lr": "1e-1"}, value=0.5), records).verdict == "supported"
    assert one(claim("at_least", where={"data": "d", "lr": 0.2}, value=0.5), records).verdict == "not_tested"


def test_an_observation_needs_its_fields():
    with pytest.raises(UserError, match="no field 'seed'"):
        Observation.from_record({"variant": "x", "levels": {}, "metrics": {}})


def test_verdicts_are_json():
    text = "\n".join(v.model_dump_json() for v in judge([claim("at_least", value=0.9)], runs("cnn", 0.94, n=1)))
    assert "NaN" not in text
    assert '"ci_low":null' in text
