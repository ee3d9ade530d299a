"""What is written: whole files, the same bytes for the same study, and numbers that are in the records."""

import copy
import json
from pathlib import Path

import pytest

from mlintern.core.errors import UserError
from mlintern.report.model.report import Report
from mlintern.report.write import METRICS_FILE, REPORT_FILE, metrics, write_report
from mlintern.study.account.analyse import analyse
from mlintern.study.account.report_sections import circumstances
from tests.report import fake_runs

CONTRACT = {
    "paper": {"id", "title"},
    "table": {"row", "column", "metric", "paper", "measured", "verdict"},
    "claims": {"id", "statement", "verdict", "test", "effect", "ci_low", "ci_high", "p", "p_adjusted", "n"},
}


def test_report_json_has_the_fields_that_scripts_rely_on(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    found = json.loads((tmp_path / REPORT_FILE).read_text())
    assert {"paper", "table", "claims", "audit", "assumptions", "smells", "environment", "cost"} <= set(found)
    for name, fields in CONTRACT.items():
        rows = found[name] if isinstance(found[name], list) else [found[name]]
        assert rows
        assert all(fields <= set(row) for row in rows)
    measured = [row["measured"] for row in found["table"] if row["measured"]]
    assert all({"mean", "ci_low", "ci_high", "n", "values"} <= set(m) for m in measured)
    assert all({"mean", "std", "n"} <= set(row["paper"]) for row in found["table"])


def test_a_report_reads_back_as_it_was(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    assert Report.model_validate_json((tmp_path / REPORT_FILE).read_text()) == report


def test_time_and_place_of_a_run_change_no_byte(tmp_path: Path) -> None:
    """Another machine, slower, in another year: what differs is in cost.json alone."""
    here = fake_runs.runs()
    there = copy.deepcopy(here)
    for run in there:
        run["wall_s"] *= 3
        run["environment"].update(host="cluster", cpu="another CPU", python="3.12.1")
        run["git"] = {"commit": "2" * 40, "dirty": True, "diff_sha256": "3" * 64}
        run.update(
            {"started": "2027-01-01T00:00:00+00:00", "finished": "2027-01-01T00:09:00+00:00", "peak_memory_bytes": 7}
        )
    audits = fake_runs.audits()
    for audit in audits.values():
        for check in audit["checks"]:
            check["seconds"] *= 9
    plan = fake_runs.plan(here)
    one = analyse(fake_runs.spec(), here, fake_runs.audits(), plan, fake_runs.cost(), **fake_runs.NO_FILES)
    two = analyse(fake_runs.spec(), there[::-1], audits, plan, {"seconds": {"total": 9999.0}}, **fake_runs.NO_FILES)
    write_report(one, tmp_path / "one", circumstances(here, fake_runs.cost()))
    write_report(two, tmp_path / "two", circumstances(there, {"seconds": {"total": 9999.0}}))
    for name in (METRICS_FILE, "model_card.md", "report.json", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    costs = [json.loads((tmp_path / which / "cost.json").read_text()) for which in ("one", "two")]
    assert costs[1]["environment"]["host"] == "cluster"
    assert costs[1]["cost"]["cells_wall_s"] == 3 * costs[0]["cost"]["cells_wall_s"]


def test_metrics_hold_what_the_records_hold_and_nothing_of_the_machine(report: Report) -> None:
    found = metrics(report)
    run = next(r for r in fake_runs.runs() if r["variant"] == "gru" and r["seed"] == 2)
    assert found["cells"]["gru/data=mnist1d/protocol=clean/seed=2"] == {
        "cell_id": run["cell_id"],
        "loss_chain_sha256": run["loss_chain_sha256"],
        "metrics": run["metrics"],
        "weights_sha256": run["weights_sha256"],
    }
    assert len(found["cells"]) == len(fake_runs.runs())
    assert not {"wall_s", "host", "started"} & set(json.dumps(found).replace('"', " ").split())


def test_a_folder_that_cannot_be_written_is_named_and_leaves_nothing(report: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write .*file"):
        write_report(report, tmp_path / "file" / "reports")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_half_written_file_is_left(report: Report, tmp_path: Path) -> None:
    page = write_report(report, tmp_path)
    assert page.name == "report.html"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.json", "model_card.md", "report.html", "report.json"]
