"""`mlintern compare`: its numbers against scipy's, which runs belong to a side, and what cannot be compared."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlintern.core.errors import UserError
from mlintern.study.verify import compare
from tests import records

N = 200


def write(folder, name, variant, seed, right, *, lr=0.1, ids=None, acknowledged=()):
    """A run folder whose test outcomes are `right` (0 or 1 per example)."""
    cell = folder / "runs" / "paper" / name
    cell.mkdir(parents=True)
    run = records.whole(
        name,
        variant=variant,
        config={"seed": seed, "optimizer": {"lr": lr}},
        metrics={"test": {"accuracy": float(np.mean(right))}},
        audit={"sha256": records.SHA, "clean": not acknowledged, "acknowledged": list(acknowledged)},
    )
    columns = {"id": ids or [f"x{i:03d}" for i in range(N)], "accuracy": np.asarray(right, dtype=float)}
    pd.DataFrame(columns).to_parquet(cell / "predictions.parquet")
    records.write(cell, run)


@pytest.fixture
def runs(tmp_path):
    """Three seeds of `good` and `poor`, and one of `good` under another learning rate; returns the outcomes."""
    draw = np.random.default_rng(0)
    outcomes = {v: [(draw.random(N) < p).astype(float) for _ in range(3)] for v, p in (("good", 0.8), ("poor", 0.6))}
    for variant, seeds in outcomes.items():
        for seed, right in enumerate(seeds):
            write(tmp_path, f"{variant}{seed}", variant, seed, right)
    write(tmp_path, "other9", "good", 9, outcomes["good"][0], lr=0.5)
    return tmp_path, outcomes


def table(out: str) -> dict[str, list[str]]:
    cells = [[c.strip() for c in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in cells}


def run(folder, *argv, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    assert compare.main([*argv, "--runs", str(folder / "runs")]) == 0
    return capsys.readouterr().out


def test_each_side_is_its_cell_over_all_seeds(runs, capsys, monkeypatch):
    folder, outcomes = runs
    out = run(folder, "good1", "poor0", capsys=capsys, monkeypatch=monkeypatch)
    assert "good · d · clean, seed 0, 1, 2:" in out  # and not the run with another learning rate
    a, b = ([np.mean(right) for right in outcomes[v]] for v in ("good", "poor"))
    expected = stats.ttest_rel(a, b)
    low, high = expected.confidence_interval(0.95)
    difference, interval, p, n, _ = table(out)["seeds"]
    assert float(difference) == pytest.approx(np.mean(a) - np.mean(b), rel=1e-3)
    assert [float(x) for x in interval.strip("[]").split(",")] == pytest.approx([low, high], rel=1e-3)
    assert float(p) == pytest.approx(expected.pvalue, rel=1e-2)
    assert n == "3"
    by_example = np.mean(outcomes["good"], axis=0) - np.mean(outcomes["poor"], axis=0)
    assert float(table(out)["test examples"][2]) == pytest.approx(stats.ttest_1samp(by_example, 0).pvalue, rel=1e-2)
    assert table(out)["seeds and test examples"][3] == str(N)


def test_two_runs_alone_are_compared_by_mcnemar(runs, capsys, monkeypatch):
    folder, outcomes = runs
    out = run(folder, "good0", "poor0", "--alone", capsys=capsys, monkeypatch=monkeypatch)
    a, b = outcomes["good"][0] > 0.5, outcomes["poor"][0] > 0.5
    expected = stats.binomtest(int((a & ~b).sum()), int((a ^ b).sum())).pvalue
    row = table(out)["test examples"]
    assert float(row[2]) == pytest.approx(expected, rel=1e-2)
    assert f"{(a & ~b).sum()} right by A alone, {(b & ~a).sum()} by B alone" in row[4]
    assert "seeds" not in table(out)


def test_two_seeds_of_one_cell_stand_for_themselves(runs, capsys, monkeypatch):
    folder, _ = runs
    assert "seed 1:" in run(folder, "good0", "good1", capsys=capsys, monkeypatch=monkeypatch)


def test_acknowledged_leaks_are_said(runs, capsys, monkeypatch):
    folder, outcomes = runs
    write(folder, "leaky", "leaky", 0, outcomes["poor"][0], acknowledged=["selection_on_test"])
    out = run(folder, "leaky", "poor0", capsys=capsys, monkeypatch=monkeypatch)
    assert "acknowledged leaks: selection_on_test" in out


def test_what_cannot_be_compared_is_said(runs):
    folder, outcomes = runs
    write(folder, "elsewhere", "e", 0, outcomes["poor"][0], ids=[f"y{i}" for i in range(N)])
    where = ["--runs", str(folder / "runs")]
    with pytest.raises(UserError, match="cannot be paired: the two sides were not tested on the same examples"):
        compare.main(["good0", "elsewhere", *where])
    with pytest.raises(UserError, match=r"no test f1 \(there are: accuracy\)"):
        compare.main(["good0", "poor0", "--metric", "f1", *where])
    with pytest.raises(UserError, match="no finished run"):
        compare.main(["good0", "nobody", *where])
