"""A sweep says what was swept in each row, and mean and interval over what was swept as replicates."""

import io
import json

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from mlintern.statistics.paired import crossed_estimate
from mlintern.study.sweeps import summary
from mlintern.study.sweeps.sweep import combinations
from tests.study import tiny


def outcomes(arguments, value):
    """Made-up outcomes of a sweep: `value` of {key: what was swept}."""
    keys = summary.swept_keys(arguments)
    found = []
    for i, overrides in enumerate(combinations(arguments)):
        swept = summary.values_of(keys, overrides)
        name = " · ".join([swept.get("model", "net"), "imb", "clean", f"seed {swept.get('seed', 0)}"])
        found.append(summary.CellOutcome(swept, name, f"{i:016d}", "accuracy", value(swept), "a test accuracy"))
    return found


def shown(found, width=100):
    console = Console(file=io.StringIO(), width=width)
    summary.show(console, found)
    return console.file.getvalue()  # type: ignore[attr-defined]


ACCURACY = {"0": 0.8, "1": 0.84, "2": 0.79}


def test_seeds_of_the_split_are_named_in_each_row_and_give_an_interval():
    found = outcomes(["paper=x", "protocol.split_seed=0,1,2", "seed=0"], lambda s: ACCURACY[s["protocol.split_seed"]])
    assert [one.label for one in found] == [f"net · imb · clean · seed 0 · protocol.split_seed={i}" for i in range(3)]
    (group,) = summary.groups(found)
    assert (group.by, list(group.over), group.asked) == ({}, ["protocol.split_seed"], 3)
    low, high = stats.t.interval(0.95, 2, np.mean(list(ACCURACY.values())), stats.sem(list(ACCURACY.values())))
    assert group.interval() == pytest.approx((low, high))
    text = shown(found)
    assert "protocol.split_seed=1" in text
    assert f"{low:.4g} to {high:.4g}" in text
    assert "3 over protocol.split_seed" in text


def test_variants_are_groups_over_seeds():
    found = outcomes(["model=a,b", "seed=0,1,2"], lambda s: ACCURACY[s["seed"]] - 0.1 * (s["model"] == "b"))
    a, b = summary.groups(found)
    assert (a.by, b.by) == ({"model": "a"}, {"model": "b"})
    assert (a.estimate.value, b.estimate.value) == pytest.approx((0.81, 0.71))
    assert a.interval()[1] - a.interval()[0] == pytest.approx(b.interval()[1] - b.interval()[0])
    assert all("protocol" not in one.label for one in found)


def test_one_run_has_no_interval():
    found = outcomes(["model=a,b", "seed=0"], lambda s: 0.5)
    assert all(np.isnan(group.interval()).all() for group in summary.groups(found))
    assert shown(found).count("none: one run") == 2


def test_equal_values_have_no_interval():
    assert "none: all the same value" in shown(outcomes(["seed=0,1,2"], lambda s: 0.5))


def test_two_kinds_of_seeds_are_crossed_and_no_runs_of_their_own():
    draw = np.random.default_rng(0).normal(size=(3, 4)) + 3 * np.arange(4)  # splits differ, seeds hardly
    given = ["seed=0,1,2", "protocol.split_seed=0,1,2,3"]
    (group,) = summary.groups(outcomes(given, lambda s: draw[int(s["seed"]), int(s["protocol.split_seed"])]))
    assert group.interval() == pytest.approx(crossed_estimate(draw).interval())
    naive = stats.t.interval(0.95, 11, draw.mean(), stats.sem(draw.ravel()))
    assert group.interval()[1] - group.interval()[0] > 1.5 * (naive[1] - naive[0])
    assert group.runs == "12 over seed x protocol.split_seed"
    lost = outcomes(given, lambda s: None if s["seed"] == "0" else draw[int(s["seed"]), int(s["protocol.split_seed"])])
    (group,) = summary.groups(lost)
    assert group.runs == "8 of 12 over seed x protocol.split_seed"
    assert "none for this layout" in shown(lost)


def test_what_failed_is_left_out_and_counted():
    found = outcomes(["seed=0,1,2"], lambda s: None if s["seed"] == "1" else ACCURACY[s["seed"]])
    (group,) = summary.groups(found)
    assert group.runs == "2 of 3 over seed"
    assert group.estimate.value == pytest.approx(0.795)
    (nothing,) = summary.groups(outcomes(["seed=0,1"], lambda s: None))
    assert nothing.estimate is None
    assert "0 of 2 over seed" in shown(outcomes(["seed=0,1"], lambda s: None))


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        ("seed", True),
        ("protocol.split_seed", True),
        ("data.source.seed", True),
        ("data.view.numpy_seed", True),
        ("optimizer.lr", False),
        ("model", False),
        ("study.seeds", False),
    ],
)
def test_seeds_of_any_kind_are_replicates(key, is_one):
    assert summary.is_replicate(key) is is_one


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_table_keeps_to_the_terminal(width):
    found = outcomes(["model=a,b", "optimizer.lr=0.1,0.01", "seed=0,1"], lambda s: 0.1 + int(s["seed"]) / 7)
    assert max(map(len, shown(found, width).splitlines())) <= width


def test_keys_that_are_added_and_ranges_are_named():
    found = outcomes(["+model.drop=0.1,0.2", "seed=range(2)"], lambda s: float(s["model.drop"]) + int(s["seed"]))
    assert [group.by for group in summary.groups(found)] == [{"model.drop": "0.1"}, {"model.drop": "0.2"}]
    assert all(group.runs == "2 over seed" for group in summary.groups(found))


@pytest.mark.slow
def test_the_case_by_the_real_command(tmp_path):
    folder = tiny.project(tmp_path)
    out = tiny.run(folder, tiny.PAPER, "-m", "protocol.split_seed=0,1,2", "seed=0", "model=net", COLUMNS="120")
    for seed in range(3):
        assert f"protocol.split_seed={seed}" in out
    assert "3 over protocol.split_seed" in out
    (path,) = (folder / "runs" / tiny.SLUG).glob("sweep-*.json")
    kept = json.loads(path.read_text())
    values = [cell["value"] for cell in kept["cells"]]
    (group,) = kept["groups"]
    assert (group["n"], group["over"], group["mean"]) == (3, ["protocol.split_seed"], pytest.approx(np.mean(values)))
    assert {r["metrics"]["test"]["accuracy"] for r in tiny.records(folder).values()} == set(values)


def test_a_cell_that_is_asked_for_twice_is_one_run():
    """`seed=0` and `seed=00` are one cell: counted as two, they would narrow the interval."""
    found = [
        summary.CellOutcome({"seed": text}, "net", f"cell-{int(text)}", "accuracy", value, "")
        for text, value in (("0", 0.8), ("00", 0.8), ("1", 0.84))
    ]
    (group,) = summary.groups(found)
    assert (group.asked, group.estimate.n) == (2, 2)
    assert group.interval() == pytest.approx(stats.t.interval(0.95, 1, 0.82, stats.sem([0.8, 0.84])))
