"""Trimming to a budget: the order of the rule, what is never trimmed, and a kept plan."""

import pytest

from mlintern.core.errors import UserError
from mlintern.study.run.budget import plan_path, read_plan, trim, write_plan


def row(name, seed, **levels):
    return {
        "cell_id": f"{name}{seed}",
        "variant": "net",
        "levels": {"data": "d", "protocol": "clean", **levels},
        "seed": seed,
    }


ROWS = [
    *(row("base", seed) for seed in range(3)),
    *(row("published", seed, protocol="as_published") for seed in range(3)),
    *(row("a", seed, a="off") for seed in range(3)),
    *(row("b", seed, b="off") for seed in range(3)),
    *(row("ab", seed, a="off", b="off") for seed in range(3)),
]
SECONDS = {r["cell_id"]: 10.0 for r in ROWS}


def left_out(budget_s, finished=()):
    return [r["cell_id"] for r in trim(ROWS, SECONDS, set(finished), budget_s).trimmed]


def test_what_fits_stays_whole():
    assert left_out(150.0) == []


def test_the_rule_interactions_then_levels_then_protocols_then_seeds():
    assert left_out(149.0) == ["ab0", "ab1", "ab2"]
    assert left_out(119.0) == ["ab0", "ab1", "ab2", "b0", "b1", "b2"]
    gone = [f"{name}{seed}" for name in ("ab", "b", "a", "published") for seed in range(3)]
    assert left_out(30.0) == gone
    assert left_out(29.0) == [*gone, "base2"]
    reasons = [r["reason"] for r in trim(ROWS, SECONDS, set(), 10.0).trimmed]
    assert list(dict.fromkeys(reasons)) == ["an interaction", "an ablation level", "another protocol", "a seed"]


def test_finished_cells_cost_nothing_and_stay():
    assert left_out(30.0, finished=[r["cell_id"] for r in ROWS if r["cell_id"].startswith(("ab", "b", "pub"))]) == []
    assert "ab0" not in left_out(29.0, finished=["ab0"])


def test_less_than_one_seed_of_every_variant_is_refused_with_what_would_do():
    with pytest.raises(
        UserError, match=r"budget_hours=0\.00139: one seed of every variant alone takes about 0\.0028 h"
    ):
        trim(ROWS, SECONDS, set(), 5.0)


def test_a_plan_is_kept_beside_the_index(tmp_path):
    path = plan_path(tmp_path / "study.json")
    assert path.name == "study.plan.json"
    assert read_plan(path) is None
    found = trim(ROWS, SECONDS, set(), 119.0)
    kept = [r for r in ROWS if r["cell_id"] in found.kept]
    write_plan(path, kept, found.trimmed, SECONDS, 119 / 3600, 2, "hash")
    plan = read_plan(path)
    assert [r["cell_id"] for r in plan["trimmed"]] == ["ab0", "ab1", "ab2", "b0", "b1", "b2"]
    assert len(plan["cells"]) == 9
    assert plan["rule"].endswith("seeds last")
