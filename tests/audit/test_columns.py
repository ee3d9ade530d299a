import numpy as np

from mlintern.audit.checks.group_overlap import group_overlap
from mlintern.audit.checks.temporal_overlap import temporal_overlap
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.report.audit_report import Status
from mlintern.audit.report.options import AuditOptions
from tests.audit.conftest import splits


def with_column(table, name, train, test):
    x, y = table
    return splits((x[:400], y[:400], {name: train}), (x[400:], y[400:], {name: test}))


def test_shared_groups_are_named(table):
    train = np.array([f"p{i // 10}" for i in range(400)])
    test = np.array([f"p{35 + i // 10}" for i in range(200)])
    outcome = group_overlap(Subject(with_column(table, "groups", train, test)))
    (finding,) = outcome.findings
    assert finding.evidence["groups"] == ["p35", "p36", "p37", "p38", "p39"]
    assert finding.evidence["rows"] == {"train": list(range(350, 400)), "test": list(range(50))}
    clean = np.array([f"q{i}" for i in range(200)])
    assert group_overlap(Subject(with_column(table, "groups", train, clean))).status is Status.PASS
    x, y = table
    assert group_overlap(Subject(splits((x, y), (x, y)))).status is Status.NOT_APPLICABLE


def test_time_has_to_run_from_train_to_test(table):
    day = np.datetime64("2024-01-01") + np.arange(600)
    assert temporal_overlap(Subject(with_column(table, "times", day[:400], day[400:]))).status is Status.PASS
    order = np.random.default_rng(0).permutation(600)
    outcome = temporal_overlap(Subject(with_column(table, "times", day[order[:400]], day[order[400:]])))
    assert outcome.status is Status.FAIL
    assert outcome.findings[0].fraction > 0.9


def test_horizon_widens_the_gap(table):
    day = np.arange(600.0)
    subject = Subject(with_column(table, "times", day[:400], day[400:]), AuditOptions(horizon=7))
    outcome = temporal_overlap(subject)
    assert outcome.status is Status.FAIL
    assert outcome.findings[0].evidence["rows"]["train"] == list(range(393, 400))
