"""From records to a report: what counts, what is compared with what, and what a number carries with it."""

import copy
import math
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from mlintern.core.records.record import RunRecord
from mlintern.report.model.report import Report, TableCell
from mlintern.study.account.analyse import analyse
from tests.report import fake_runs

LEAKS = ["leak:preprocessing_scope", "leak:selection_on_test"]


@pytest.fixture
def runs() -> list[RunRecord]:
    return copy.deepcopy(fake_runs.runs())


def study(runs: list[RunRecord], **changes: Any) -> Report:
    given: dict[str, Any] = {
        "spec": fake_runs.spec(),
        "runs": runs,
        "audits": fake_runs.audits(),
        "plan": fake_runs.plan(runs),
        "cost": {},
        **fake_runs.NO_FILES,
    }
    return analyse(**{**given, **changes})


def cell(report: Report, column: str, row: str = "MNIST-1D") -> TableCell:
    return next(c for c in report.table if (c.row, c.column) == (row, column))


def clean(runs: list[RunRecord], variant: str, data: str = "mnist1d") -> list[RunRecord]:
    return [r for r in runs if r["variant"] == variant and r["levels"] == {"data": data, "protocol": "clean"}]


def set_accuracy(runs: list[RunRecord], values: list[float]) -> None:
    for run, value in zip(runs, values, strict=True):
        run["metrics"]["test"]["accuracy"] = value


def test_a_cell_is_the_t_interval_over_its_seeds_in_the_papers_unit(runs: list[RunRecord]) -> None:
    set_accuracy(clean(runs, "cnn"), [0.93, 0.94, 0.95])
    measured = cell(study(runs), "CNN").measured
    assert measured is not None
    expected = stats.t.interval(0.95, 2, loc=94, scale=1 / math.sqrt(3))
    assert (measured.ci_low, measured.ci_high) == pytest.approx(expected)
    assert (measured.mean, measured.n, measured.seeds) == (pytest.approx(94), 3, [0, 1, 2])


def test_seeds_that_all_land_close_inside_are_supported_far_outside_contradicted(runs: list[RunRecord]) -> None:
    set_accuracy(clean(runs, "cnn"), [0.9400, 0.9401, 0.9402])
    set_accuracy(clean(runs, "mlp"), [0.3000, 0.3001, 0.3002])
    report = study(runs)
    assert cell(report, "CNN").verdict == "supported"
    assert cell(report, "MLP").verdict == "contradicted"
    assert report.headline.verdict == "contradicted"
    assert report.headline.details[0].startswith("MLP, MNIST-1D: 30.0 %")


def test_the_protocols_are_never_pooled(runs: list[RunRecord]) -> None:
    set_accuracy(clean(runs, "cnn"), [0.90, 0.91, 0.92])
    leaking = [r for r in runs if r["variant"] == "cnn" and r["levels"]["protocol"] == "as_published"]
    set_accuracy(leaking, [0.97, 0.98, 0.99])
    found = cell(study(runs), "CNN")
    assert found.measured is not None
    assert found.measured.values == pytest.approx([90, 91, 92])
    assert [other.protocol for other in found.others] == ["as_published"]
    assert found.others[0].measured.values == pytest.approx([97, 98, 99])


def test_every_number_of_a_leaking_protocol_carries_its_marks(runs: list[RunRecord]) -> None:
    report = study(runs)
    assert all(c.marks == [] for c in report.table)
    assert [other.marks for other in cell(report, "CNN").others] == [LEAKS]
    assert all(contrast.marks == LEAKS for contrast in report.contrasts)
    assert all(run.marks == (LEAKS if run.protocol == "as_published" else []) for run in report.runs)
    assert set(report.marks) == set(LEAKS)


def test_a_claim_on_the_leaking_protocol_carries_its_marks(runs: list[RunRecord]) -> None:
    raw = fake_runs.spec_dict()
    raw["claims"][0]["check"]["where"] = {"protocol": "as_published"}
    spec = type(fake_runs.spec()).model_validate(raw)
    found = {claim.id: claim.marks for claim in study(runs, spec=spec).claims}
    assert found["cnn_beats_mlp"] == LEAKS
    assert found["cnn_beats_gru"] == []


def test_a_claim_without_a_protocol_speaks_of_the_clean_one(runs: list[RunRecord]) -> None:
    set_accuracy(clean(runs, "cnn"), [0.90, 0.91, 0.93])
    set_accuracy(clean(runs, "mlp"), [0.60, 0.60, 0.60])
    claim = next(c for c in study(runs).claims if c.id == "cnn_beats_mlp")
    assert claim.effect == pytest.approx(100 * (2.74 / 3 - 0.6))
    assert claim.verdict == "supported"


def test_no_number_without_the_audit_of_its_data(runs: list[RunRecord]) -> None:
    audits = fake_runs.audits()
    del audits["mnist1d_shuffled__clean"]
    report = study(runs, audits=audits)
    found = cell(report, "CNN", "MNIST-1D (shuffled)")
    assert (found.measured, found.verdict) == (None, "not tested")
    assert all("no audit" in line for line in found.lost)
    unaudited = [r for r in report.runs if r.data == "mnist1d_shuffled"]
    assert all((r.metrics, r.selection, r.used) == ({}, {}, False) for r in unaudited)
    assert not [curve for curve in report.curves if curve.data == "mnist1d_shuffled"]


def test_an_inconclusive_audit_is_not_called_clean(runs: list[RunRecord]) -> None:
    audits = fake_runs.audits()
    audits["mnist1d__clean"]["checks"][0]["status"] = "INCONCLUSIVE"
    details = study(runs, audits=audits).headline.details
    assert "Under the protocol clean the audit could not settle exact_duplicates." in details
    assert not [line for line in details if "no leak" in line]


def test_no_number_from_data_that_the_audit_did_not_see(runs: list[RunRecord]) -> None:
    clean(runs, "cnn")[1]["data"]["train"] = "f" * 64
    found = cell(study(runs), "CNN")
    assert found.measured is not None
    assert found.measured.seeds == [0, 2]
    assert found.lost == ["seed 1: trained on other data than the audit looked at"]


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_survivors_do_not_settle_a_cell(runs: list[RunRecord], status: str) -> None:
    set_accuracy(clean(runs, "cnn"), [0.9400, 0.9401, 0.9402])
    assert cell(study(runs), "CNN").verdict == "supported"
    clean(runs, "cnn")[2].update({"status": status, "message": "the loss is not finite from step 12 on"})
    found = cell(study(runs), "CNN")
    assert found.measured is not None
    assert found.measured.n == 2
    assert found.verdict == "inconclusive"
    assert found.lost == [f"seed 2: {status}: the loss is not finite from step 12 on"]


def test_a_claim_with_a_lost_seed_is_not_settled(runs: list[RunRecord]) -> None:
    clean(runs, "mlp")[0].update({"status": "diverged", "message": "NaN"})
    claims = {claim.id: claim for claim in study(runs).claims}
    assert claims["cnn_beats_mlp"].verdict == "inconclusive"
    assert "mlp seed 0: diverged: NaN" in claims["cnn_beats_mlp"].reason


def test_a_planned_run_that_is_missing_is_shown(runs: list[RunRecord]) -> None:
    plan = fake_runs.plan(runs)
    gone = clean(runs, "gru")[1]
    report = study([r for r in runs if r is not gone], plan=plan)
    assert cell(report, "GRU").lost == ["seed 1: not run"]
    assert [r.status for r in report.runs if not r.used] == ["not run"]


def test_runs_that_nobody_planned_change_nothing(runs: list[RunRecord]) -> None:
    plan = fake_runs.plan(runs)
    before = study(runs, plan=plan)
    stray = copy.deepcopy(clean(runs, "cnn")[0])
    stray.update({"cell_id": "a" * 16, "seed": 7})
    stray["metrics"]["test"]["accuracy"] = 0.1
    assert study([*runs, stray], plan=plan) == before


def test_without_a_plan_other_configurations_are_not_pooled(runs: list[RunRecord]) -> None:
    short = copy.deepcopy(clean(runs, "cnn")[0])
    short.update({"cell_id": "b" * 16, "seed": 9})
    short["config"]["trainer"]["max_steps"] = 500
    found = cell(study([*runs, short], plan=None), "CNN").measured
    assert found is not None
    assert found.seeds == [0, 1, 2]


def test_the_leak_is_priced_over_shared_seeds_and_shared_examples(runs: list[RunRecord]) -> None:
    leaking = [r for r in runs if r["variant"] == "cnn" and r["levels"]["protocol"] == "as_published"]
    right = dict(
        zip([r["cell_id"] for r in clean(runs, "cnn")], ([1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0]), strict=True)
    )
    right |= dict(zip([r["cell_id"] for r in leaking], ([1, 1, 1, 0], [1, 1, 0, 1], [1, 1, 1, 1]), strict=True))
    for run in [*clean(runs, "cnn"), *leaking]:
        run["metrics"]["test"]["accuracy"] = sum(right[run["cell_id"]]) / 4

    def outcomes(cell_id: str) -> pd.DataFrame | None:
        return pd.DataFrame({"id": list("abcd"), "accuracy": right[cell_id]}) if cell_id in right else None

    contrast = next(c for c in study(runs, outcomes=outcomes).contrasts if c.variant == "cnn")
    over_seeds, over_examples, over_both = contrast.differences
    for found, reference in (
        (over_seeds, stats.ttest_rel([75, 75, 100], [50, 25, 50])),
        (over_examples, stats.ttest_1samp([100 / 3, 100 / 3, 100 / 3, 200 / 3], 0)),
    ):
        low, high = reference.confidence_interval(0.95)
        assert found.mean == pytest.approx(125 / 3)
        assert (found.ci_low, found.ci_high, found.p) == pytest.approx((low, high, reference.pvalue))
    assert (over_seeds.n, over_examples.n, over_both.over) == (3, 4, "seeds and test examples")


def test_a_lost_seed_leaves_the_pooled_price_on_the_seeds_that_all_have(runs: list[RunRecord]) -> None:
    clean(runs, "cnn")[0].update({"status": "diverged", "message": "NaN"})
    pooled = study(runs).contrasts[-1]
    assert pooled.variant == "mean of 4 variants"
    assert pooled.base_measured.seeds == [1, 2]


def test_a_planned_run_that_failed_says_why(runs: list[RunRecord]) -> None:
    plan = fake_runs.plan(runs)
    gone = clean(runs, "gru")[1]
    failed = [{"cell_id": gone["cell_id"], "message": "worker died twice (signal 9)"}]
    report = study([r for r in runs if r is not gone], plan=plan, cost={"failed": failed})
    assert cell(report, "GRU").lost == ["seed 1: failed: worker died twice (signal 9)"]
    assert "1 planned run gave no number; cells with fewer seeds say so." in report.headline.details


def test_examples_are_not_paired_when_the_test_sets_differ(runs: list[RunRecord]) -> None:
    def outcomes(cell_id: str) -> pd.DataFrame:
        return pd.DataFrame({"id": [f"{cell_id}-{i}" for i in range(4)], "accuracy": [1, 0, 1, 0]})

    report = study(runs, outcomes=outcomes)
    assert report.contrasts
    assert all([d.over for d in c.differences] == ["seeds"] for c in report.contrasts)


def test_the_pooled_price_keeps_the_seed_as_its_unit(runs: list[RunRecord]) -> None:
    pooled = study(runs).contrasts[-1]
    assert pooled.variant == "mean of 4 variants"
    assert pooled.differences[0].n == 3
    singles = [c.differences[0].mean for c in study(runs).contrasts[:-1]]
    assert pooled.differences[0].mean == pytest.approx(sum(singles) / 4)


def test_ablations_are_contrasted_and_kept_out_of_the_table(runs: list[RunRecord]) -> None:
    ablated = copy.deepcopy(clean(runs, "cnn"))
    for run in ablated:
        run["levels"] = {**run["levels"], "ablation": "no_padding"}
        run["cell_id"] = "c" * 15 + str(run["seed"])
        run["metrics"]["test"]["accuracy"] -= 0.2
    report = study([*runs, *ablated])
    found = cell(report, "CNN").measured
    assert found is not None
    assert found.n == 3
    contrast = next(c for c in report.contrasts if c.factor == "ablation")
    assert (contrast.base, contrast.level) == ("none", "no_padding")
    assert contrast.differences[0].mean == pytest.approx(-20)
    assert next(c for c in report.claims if c.id == "cnn_beats_mlp").verdict != "not tested"


def test_what_else_the_protocols_differ_in_is_said(runs: list[RunRecord]) -> None:
    rows = {row.setting: (row.base, row.level) for row in study(runs).protocol_differences}
    assert rows == {
        "fit_on": ("[train]", "[train, test]"),
        "select_on": ("valid", "test"),
        "valid_fraction": ("0.1", "0"),
    }


@pytest.mark.parametrize(
    ("spread", "verdict"),
    [
        ("std", "contradicted"),
        ("standard_error", "inconclusive"),
        ("ci95", "contradicted"),
        ("unknown", "inconclusive"),
    ],
)
def test_a_printed_spread_is_what_the_spec_says_that_it_is(runs: list[RunRecord], spread: str, verdict: str) -> None:
    raw = fake_runs.spec_dict()
    (stated,) = [c for c in raw["tables"][0]["cells"] if (c["row"], c["column"]) == ("MNIST-1D", "CNN")]
    stated["printed"] |= {"raw": "92.0 ± 0.3", "mean": 92.0, "std": 0.3, "n": 10, "spread": spread, "decimals": 1}
    for other in raw["tables"][0]["cells"]:
        other["testable"], other["not_tested_reason"] = other is stated, None if other is stated else "not here"
    raw["claims"] = []
    set_accuracy(clean(runs, "cnn"), [0.9149, 0.9150, 0.9151])
    judgement = cell(study(runs, spec=type(fake_runs.spec()).model_validate(raw)), "CNN").judgement
    assert judgement.verdict == verdict


def test_a_cell_and_the_claim_that_says_the_same_share_one_verdict(runs: list[RunRecord]) -> None:
    raw = fake_runs.spec_dict()
    check = dict(kind="equals_printed", metric="accuracy", unit="percent", a={"variant": "cnn", "data": "mnist1d"})
    check["printed"] = {"mean": 94.0, "std": 2.0, "n": 3, "spread": "std", "decimals": 0}
    twin = {**raw["claims"][0], "id": "table1_cnn", "statement": "as printed", "check": check}
    raw["claims"].append(twin)
    spec = type(fake_runs.spec()).model_validate(raw)
    with_twin, without = study(runs, spec=spec), study(runs)
    assert "table1_cnn" not in [claim.id for claim in with_twin.claims]
    assert with_twin.table == without.table  # one family of the same size: the twin is not tested twice


def test_the_correction_runs_over_cells_and_claims_together(runs: list[RunRecord]) -> None:
    report = study(runs)
    tests = [c.judgement for c in report.table] + list(report.claims)
    p = sorted(t.p for t in tests if t.p is not None)
    smallest = next(t for t in tests if t.p == p[0])
    assert len(p) == 12
    assert smallest.p_adjusted == pytest.approx(min(1.0, 12 * p[0]))


def test_reductions_of_scale_mark_every_number_they_touch(runs: list[RunRecord]) -> None:
    raw = fake_runs.spec_dict()
    raw["scale"]["reductions"] = [
        {"key": "data.n_train", "published": 9, "reduced": 4, "reason": "memory", "where": {"variant": "cnn"}}
    ]
    report = study(runs, spec=type(fake_runs.spec()).model_validate(raw))
    assert cell(report, "CNN").marks == ["reduced:data.n_train"]
    assert cell(report, "MLP").marks == []
    assert report.marks["reduced:data.n_train"] == "data.n_train is 4 instead of the published 9"


def test_cells_that_nobody_tested_say_why(runs: list[RunRecord]) -> None:
    report = study(runs)
    human = cell(report, "Human expert")
    assert (human.verdict, human.judgement.reason) == ("not tested", "a person's score; nobody can be trained here")
    assert {"Human expert, MNIST-1D", "CNN, MNIST", "human expert"} <= {row.what for row in report.not_tested}


def test_nothing_run_is_a_report_too() -> None:
    report = study([])
    assert report.headline.sentence == "Nothing of this paper has been tested yet."
    assert {c.verdict for c in report.table} == {"not tested"}


def test_the_order_of_records_changes_nothing(runs: list[RunRecord]) -> None:
    plan = fake_runs.plan(runs)
    assert study(runs[::-1], plan=plan[::-1]).model_dump_json() == study(runs, plan=plan).model_dump_json()
