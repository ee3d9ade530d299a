"""A metric that gives percent where the paper prints percent is not taken for a fraction: 28 is no 2800 %."""

import pytest

from tests.study.test_claims import claim, one, runs

PERCENT = {"unit": "percent"}


@pytest.mark.parametrize(
    "item",
    [
        claim("at_least", value=90, **PERCENT),
        claim("equals_printed", printed={"mean": 72.0, "std": 0.5}, **PERCENT),
        claim("greater", b={"variant": "mlp"}, margin=1, **PERCENT),
    ],
    ids=lambda item: item["kind"],
)
def test_it_is_not_tested_and_says_why(item):
    found = one(item, runs("cnn", 72.0) + runs("mlp", 68.0))
    assert found.verdict == "not_tested"
    assert "the metric must give fractions (divide it by 100)" in found.reason
    assert one(item, runs("cnn", 0.72) + runs("mlp", 0.68)).verdict != "not_tested"


def test_an_error_rate_above_all_is_one_where_the_paper_prints_one():
    printed = claim("equals_printed", printed={"mean": 104.0, "std": 2.0}, **PERCENT)
    assert one(printed, runs("cnn", 1.04)).verdict != "not_tested"
    assert one(printed, runs("cnn", 104.0)).verdict == "not_tested"
    assert one(claim("at_least", value=90), runs("cnn", 104.0)).verdict == "supported", "nothing is said of percent"
