import dataclasses
import json

import pytest

from mlintern.audit.report.audit_report import AuditReport, Check, Finding, Price, Severity, Status
from mlintern.audit.report.options import AuditOptions
from mlintern.core.errors import UserError


def finding(kind="exact_duplicate", severity=Severity.HIGH) -> Finding:
    price = Price(2.5, 1.0, 4.0, "accuracy", 0.9, 0.875, "probe: logistic regression")
    return Finding(
        kind, severity, ("train", "test"), 3, 0.1, ({"train": "a", "test": "b"},), {"p": 0.0}, price, "remove"
    )


def report(*findings: Finding, status=Status.PASS) -> AuditReport:
    return AuditReport((Check("exact_duplicate", status, "why", 10, 0.5),), findings, {"train": "aa", "test": "bb"})


def test_json_round_trip_keeps_everything():
    before = report(finding(), status=Status.FAIL)
    after = AuditReport.from_json(json.loads(json.dumps(before.to_json())))
    assert after == before
    assert after.sha256() == before.sha256()


def test_json_has_the_contract_keys():
    value = report(finding(), status=Status.FAIL).to_json()
    assert set(value) == {"clean", "checks", "findings", "data"}
    assert set(value["checks"][0]) == {"name", "status", "reason", "n", "seconds"}
    assert set(value["findings"][0]) == {
        "kind", "severity", "splits", "count", "fraction", "examples", "evidence", "price", "repair",
    }  # fmt: skip


def test_hash_ignores_time_and_sees_findings():
    one = report(finding())
    slower = dataclasses.replace(one, checks=(dataclasses.replace(one.checks[0], seconds=9.0),))
    assert one.sha256() == slower.sha256()
    assert one.sha256() != report().sha256()


def test_blocking_follows_severity_and_acknowledgement():
    found = report(finding(), finding("shift", Severity.INFO), finding("label_conflict", Severity.MEDIUM))
    assert [f.kind for f in found.blocking()] == ["exact_duplicate"]
    assert [f.kind for f in found.blocking("medium")] == ["exact_duplicate", "label_conflict"]
    assert found.blocking("high", ["exact_duplicate"]) == []
    with pytest.raises(UserError, match="audit.acknowledge=duplicate: not a kind"):
        found.blocking("high", ["duplicate"])
    with pytest.raises(UserError, match="audit.fail_on=loud: choose info, low, medium, high"):
        found.blocking("loud")


def test_severities_are_ordered():
    assert Severity.INFO < Severity.LOW < Severity.MEDIUM < Severity.HIGH
    assert max(Severity.LOW, Severity.MEDIUM) is Severity.MEDIUM


@pytest.mark.parametrize("status", list(Status))
def test_clean_is_never_said_over_an_inconclusive_or_failed_check(status):
    found = report(status=status)
    assert found.clean == (status in (Status.PASS, Status.NOT_APPLICABLE))
    assert ("clean" in found.summary()) == found.clean


def test_chance_level_findings_leave_a_report_clean():
    assert report(finding(severity=Severity.INFO)).clean
    assert not report(finding(severity=Severity.LOW)).clean


def test_broken_report_is_one_line():
    with pytest.raises(UserError, match="audit.json: not an audit report"):
        AuditReport.from_json({"checks": []})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("fail_on", "loud", "audit.fail_on=loud"),
        ("acknowledge", ["leak"], "audit.acknowledge=leak"),
        ("price", "free", "audit.price=free"),
        ("memory", "lots", "audit.memory=lots"),
        ("seed", -1, "audit.seed=-1"),
        ("permutations", 3, "audit.permutations=3"),
    ],
)
def test_options_name_the_key_that_is_wrong(field, value, message):
    with pytest.raises(UserError, match=message):
        AuditOptions(**{field: value})


@pytest.mark.parametrize("level", ["quick", "standard", "thorough"])
def test_every_level_of_the_config_group_is_valid(level):
    import pathlib

    import yaml

    path = pathlib.Path(__file__).parents[2] / "conf" / "audit" / f"{level}.yaml"
    values = yaml.safe_load(path.read_text())
    fields = {field.name for field in dataclasses.fields(AuditOptions)}
    assert set(values) == fields - {"ledger"}  # a study's own records say how often test was read
    assert AuditOptions(**values).memory_bytes() >= 2**30
