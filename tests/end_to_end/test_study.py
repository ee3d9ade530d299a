"""A whole study, shortened: plan, audits, cells in parallel, report."""

import json

import pytest

from tests.end_to_end.runs import PAPER, SLUG, records, run

QUICK = ["study=quick", "trainer.max_steps=20", "trainer.eval_every=10"]


def test_a_short_study_ends_in_a_report(tmp_path):
    out = run(tmp_path, PAPER, *QUICK)
    assert "Training 10 cells" in out
    assert "report.html" in out
    assert len(records(tmp_path)) == 10
    (folder,) = (tmp_path / "reports" / SLUG).glob("with-*")
    report = json.loads((folder / "report.json").read_text())
    assert {"paper", "table", "claims", "audit", "assumptions", "smells", "environment", "cost"} <= set(report)
    measured = [row for row in report["table"] if row.get("measured")]
    assert len(measured) == 8
    kinds = {finding["kind"] for section in report["audit"] for finding in section["findings"]}
    assert {"preprocessing_scope", "selection_on_test"} <= kinds
    page = (folder / "report.html").read_text()
    assert "<html" in page
    assert 'src="http' not in page
    again = run(tmp_path, PAPER, *QUICK)
    assert "All 10 cells are finished already" in again
    metrics = (folder / "metrics.json").read_bytes()
    run(tmp_path, PAPER, *QUICK, "study.jobs=1")
    others = [f for f in (tmp_path / "reports" / SLUG).glob("with-*") if f != folder]
    assert [(f / "metrics.json").read_bytes() for f in others] == [metrics]


@pytest.mark.slow
@pytest.mark.parametrize("section", [[], ["study.sections=[double_descent]"]])
def test_every_value_to_probe_trains(tmp_path, section):
    """Each under the audit of the data that it saw: noise of another draw, another hold-out, another protocol."""
    short = [
        *section,
        "study.seeds=[0]",
        "study.probe_assumptions=true",
        "trainer.max_steps=20",
        "trainer.eval_every=10",
    ]
    run(tmp_path, PAPER, *short)
    (folder,) = (tmp_path / "reports" / SLUG).glob("with-*")
    report = json.loads((folder / "report.json").read_text())
    assert all(row["used"] for row in report["runs"]), [row["refused"] for row in report["runs"] if not row["used"]]
    probed = {row["levels"]["probe"] for row in report["runs"] if "probe" in row["levels"]}
    assert {"method=mixup", "scheduler=warmup_cosine"} <= probed
    assert {contrast["level"] for contrast in report["contrasts"] if contrast["factor"] == "probe"} == probed
