"""Designs: what each covers, that fractions can tell the effects apart, and which interactions a paper claims."""

import itertools

import numpy as np
import pytest

from mlintern.core.errors import UserError
from mlintern.plan.design import _effects, claimed_interactions, points
from mlintern.spec.paper_spec import Factor, PaperSpec
from tests.study import tiny


def factor(name, *levels):
    return Factor(id=name, description="x", base=levels[0], levels=[{"id": x, "overrides": {}} for x in levels])


A, B, C = factor("a", "on", "off"), factor("b", "on", "off"), factor("c", "none", "half", "full")
BASE = {"a": "on", "b": "on", "c": "none"}


def test_one_at_a_time_is_the_base_and_each_other_level_alone():
    found = points([A, B, C], "one_at_a_time")
    assert found[0] == BASE
    changed = [{k: v for k, v in point.items() if BASE[k] != v} for point in found[1:]]
    assert changed == [{"a": "off"}, {"b": "off"}, {"c": "half"}, {"c": "full"}]


def test_full_is_every_combination_once():
    found = points([A, B, C], "full")
    assert len(found) == 12 == len({tuple(p.values()) for p in found})
    assert found[0] == BASE


def test_a_claimed_interaction_brings_the_grid_over_its_factors():
    found = points([A, B, C], "one_at_a_time", [("a", "b")])
    assert {"a": "off", "b": "off", "c": "none"} in found
    assert len(found) == 6
    assert points([A, B, C], "none", [("a", "b")]) == [BASE]


def test_half_of_a_two_level_grid_is_an_orthogonal_one():
    factors = [factor(name, "on", "off") for name in "abcd"]
    found = points(factors, "fraction", fraction=0.5)
    model = np.array([_effects(factors, point, []) for point in found])
    assert len(found) == 8
    assert found[0] == dict.fromkeys("abcd", "on")
    assert np.allclose(model.T @ model, 8 * np.eye(5))  # as well as eight runs can
    assert found == points(factors, "fraction", fraction=0.5)


def test_a_fraction_keeps_an_interaction_apart_from_the_main_effects():
    found = points([A, B, C], "fraction", [("a", "b")], 0.5)
    model = np.array([_effects([A, B, C], point, [("a", "b")]) for point in found])
    assert np.linalg.matrix_rank(model) == model.shape[1] == 6


@pytest.mark.parametrize(
    ("design", "fraction", "interactions", "says"),
    [
        ("fraction", 0.25, [], "3 of 12 combinations cannot tell 4 effects apart; give at least 0.417"),
        ("fraction", 0.0, [], "must be above 0"),
        ("ofat", 0.5, [], "choose one_at_a_time"),
        ("full", 0.5, [("a", "z")], "'z' is not a factor"),
    ],
)
def test_what_cannot_be_is_refused(design, fraction, interactions, says):
    with pytest.raises(UserError, match=says):
        points([A, B, C], design, interactions, fraction)


def test_interactions_come_from_claims_and_tables_that_name_several_factors():
    sides = [{"variant": "net", "residual": "none", "norm": "none"}, {"variant": "net"}]
    claims = [
        {"id": "both", "check": {"kind": "greater", "metric": "accuracy", "a": sides[1], "b": sides[0]}},
        {
            "id": "one",
            "check": {"kind": "greater", "metric": "accuracy", "a": {}, "b": {"norm": "none", "residual": "full"}},
        },
    ]
    assert claimed_interactions(PaperSpec(**tiny.spec(claims))) == [("residual", "norm")]
    assert claimed_interactions(PaperSpec(**tiny.spec(claims[1:]))) == []


def test_every_pair_of_levels_stands_in_the_grid_of_an_interaction():
    found = points([A, C], "one_at_a_time", [("a", "c")])
    assert {tuple(p.values()) for p in found} == set(itertools.product(("on", "off"), ("none", "half", "full")))
