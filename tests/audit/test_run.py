"""The bundled paper's two protocols, and the audit's own manners."""

import dataclasses
import random

import numpy as np
import pytest

from mlintern.audit import audit
from mlintern.audit.options import AuditOptions
from mlintern.audit.report import Kind, Severity, Status
from mlintern.data.protocol import EvaluationProtocol

CLEAN = EvaluationProtocol("clean", ("train",), 0.1, "valid")
AS_PUBLISHED = EvaluationProtocol("as_published", ("train", "test"), 0.0, "test")


def test_clean_protocol_of_the_bundled_paper_has_no_finding(clean_splits):
    report = audit(clean_splits, CLEAN)
    assert not report.blocking("info")
    assert [c.name for c in report.checks if c.status is Status.INCONCLUSIVE] == ["latent_group"]
    assert "inconclusive (latent_group)" in report.summary()


@pytest.mark.parametrize("view", ["as drawn", "positions permuted"])
def test_clean_protocol_of_the_bundled_paper_is_clean_once_its_rows_are_declared_independent(clean_splits, view):
    if view == "positions permuted":
        order = np.random.default_rng(0).permutation(40)
        moved = {n: dataclasses.replace(p, features=p.features[:, order]) for n, p in clean_splits.parts().items()}
        clean_splits = clean_splits.replace(**moved)
    report = audit(clean_splits, CLEAN, AuditOptions(independent_rows=True))
    assert report.clean, report.summary()
    assert {check.name: check.status for check in report.checks}["selection_on_test"] is Status.PASS
    assert {check.name: check.status for check in report.checks}["preprocessing_scope"] is Status.PASS


def test_protocol_as_published_has_its_two_leaks(clean_splits):
    report = audit(clean_splits.replace(valid=None, fit_on=("train", "test")), AS_PUBLISHED)
    assert {f.kind for f in report.findings} == {Kind.PREPROCESSING_SCOPE, Kind.SELECTION_ON_TEST}
    assert report.blocking("high")
    assert not report.blocking("high", ["preprocessing_scope", "selection_on_test"])


def test_fitting_on_valid_is_a_lesser_finding(clean_splits):
    report = audit(clean_splits.replace(fit_on=("train", "valid")), CLEAN)
    (finding,) = report.findings
    assert (finding.kind, finding.severity, finding.splits) == (
        Kind.PREPROCESSING_SCOPE,
        Severity.MEDIUM,
        ("train", "valid"),
    )


@pytest.mark.parametrize("select_on", ["valid", "last"])
def test_selection_that_never_reads_test_passes(clean_splits, select_on):
    protocol = EvaluationProtocol("mine", ("train",), 0.1, select_on)
    status = {check.name: check.status for check in audit(clean_splits, protocol).checks}
    assert status["selection_on_test"] is Status.PASS


def test_audit_is_deterministic_and_leaves_global_generators_alone(clean_splits):
    np.random.seed(5)
    random.seed(5)
    before = np.random.get_state()[1].copy(), random.getstate()
    first = audit(clean_splits, CLEAN)
    np.random.seed(6)
    second = audit(clean_splits, CLEAN)
    assert first.sha256() == second.sha256()
    np.random.seed(5)
    assert (np.random.get_state()[1] == before[0]).all()
    assert random.getstate() == before[1]
