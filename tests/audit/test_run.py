"""The bundled paper's two protocols, and the audit's own manners."""

import dataclasses
import random

import numpy as np
import pytest

from mlintern.audit import audit
from mlintern.audit.report.audit_report import Severity, Status
from mlintern.audit.report.options import AuditOptions
from mlintern.data.protocol import EvaluationProtocol

CLEAN = EvaluationProtocol("clean", ("train",), 0.1, "valid")
AS_PUBLISHED = EvaluationProtocol("as_published", ("train", "test"), 0.0, "test")


@pytest.fixture(scope="module")
def clean_report(clean_splits):
    """The bundled paper's clean protocol, audited once."""
    np.random.seed(5)
    return audit(clean_splits, CLEAN)


@pytest.fixture(scope="module")
def few_rows(clean_splits):
    """A tenth of the bundled paper's rows, for what depends on the protocol and not on the rows."""

    def first(part):
        return dataclasses.replace(part, ids=part.ids[::10], features=part.features[::10], labels=part.labels[::10])

    return clean_splits.replace(**{name: first(part) for name, part in clean_splits.parts().items()})


def test_clean_protocol_of_the_bundled_paper_has_no_finding(clean_report):
    assert not clean_report.blocking("info")
    assert [c.name for c in clean_report.checks if c.status is Status.INCONCLUSIVE] == ["latent_group"]
    assert "inconclusive (latent_group)" in clean_report.summary()


@pytest.mark.parametrize("view", ["as drawn", pytest.param("positions permuted", marks=pytest.mark.slow)])
def test_clean_protocol_of_the_bundled_paper_is_clean_once_its_rows_are_declared_independent(clean_splits, view):
    if view == "positions permuted":
        order = np.random.default_rng(0).permutation(40)
        moved = {n: dataclasses.replace(p, features=p.features[:, order]) for n, p in clean_splits.parts().items()}
        clean_splits = clean_splits.replace(**moved)
    report = audit(clean_splits, CLEAN, AuditOptions(independent_rows=True))
    assert report.clean, report.summary()
    assert {check.name: check.status for check in report.checks}["selection_on_test"] is Status.PASS
    assert {check.name: check.status for check in report.checks}["preprocessing_scope"] is Status.PASS


def test_protocol_as_published_has_its_two_leaks(few_rows):
    report = audit(few_rows.replace(valid=None, fit_on=("train", "test")), AS_PUBLISHED)
    assert {f.kind for f in report.findings} == {"preprocessing_scope", "selection_on_test"}
    assert report.blocking("high")
    assert not report.blocking("high", ["preprocessing_scope", "selection_on_test"])


def test_fitting_on_valid_is_a_lesser_finding(few_rows):
    report = audit(few_rows.replace(fit_on=("train", "valid")), CLEAN)
    (finding,) = report.findings
    assert (finding.kind, finding.severity, finding.splits) == (
        "preprocessing_scope",
        Severity.MEDIUM,
        ("train", "valid"),
    )


@pytest.mark.parametrize("select_on", ["valid", "last"])
def test_selection_that_never_reads_test_passes(few_rows, select_on):
    protocol = EvaluationProtocol("mine", ("train",), 0.1, select_on)
    status = {check.name: check.status for check in audit(few_rows, protocol).checks}
    assert status["selection_on_test"] is Status.PASS


def test_audit_is_deterministic_and_leaves_global_generators_alone(clean_splits, clean_report):
    np.random.seed(6)
    random.seed(6)
    before = np.random.get_state(), random.getstate()
    assert audit(clean_splits, CLEAN).sha256() == clean_report.sha256()
    after = np.random.get_state(), random.getstate()
    assert (after[0][1] == before[0][1]).all() and after[0][2:] == before[0][2:]
    assert after[1] == before[1]
