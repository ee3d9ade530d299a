"""Shards of the large checks through Ray Data: the same findings as in one process. Ray itself is an extra."""

import dataclasses
import importlib.util

import numpy as np
import pytest

from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.run import audit_subject
from mlintern.audit.search.backend import backend, mapped
from mlintern.core.errors import UserError


def test_an_unknown_backend_is_one_line():
    with pytest.raises(UserError, match="audit.backend=spark: choose local or ray"):
        AuditOptions(backend="spark")


def test_ray_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(UserError, match="audit.backend=ray: Ray is not installed"),
        backend(AuditOptions(backend="ray")),
    ):
        pass


def negative(shared, item):
    return shared - item


def failing(shared, item):
    raise ValueError("no such row")


def subject(options):
    """Exact, jittered and edited copies, and more rows than are compared pair by pair."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150_000, 12)).astype(np.float32)
    y = (x[:, 0] + rng.normal(size=len(x)) > 0).astype(np.int64)
    border = 120_000
    x[border : border + 400] = x[:400]
    x[border + 400 : border + 700] = x[400:700] + 0.001 * rng.normal(size=(300, 12))
    x[border + 700 : border + 900] = x[700:900]
    x[np.arange(border + 700, border + 900), rng.integers(0, 12, 200)] += 1
    return subject_from_arrays({"train": (x[:border], y[:border]), "test": (x[border:], y[border:])}, options)


@pytest.mark.extended
def test_a_local_ray_of_two_workers_finds_what_one_process_finds():
    ray = pytest.importorskip("ray")
    options = AuditOptions(price="none", max_rows=2000)
    here = audit_subject(subject(options))
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error")
    try:
        there = audit_subject(subject(dataclasses.replace(options, backend="ray")))
        ray_options = dataclasses.replace(options, backend="ray")
        assert mapped(ray_options, negative, [1, 2, 3], 10) == [9, 8, 7]
        with pytest.raises(UserError, match="audit.backend=ray: a task failed"):
            mapped(ray_options, failing, [1, 2], 0)
        assert ray.is_initialized()  # a session that was up stays up
    finally:
        ray.shutdown()
    assert there.sha256() == here.sha256()
    assert {"exact_duplicate", "near_duplicate"} <= {finding.kind for finding in here.findings}


@pytest.mark.extended
def test_a_session_of_its_own_is_closed():
    ray = pytest.importorskip("ray")
    with backend(AuditOptions(backend="ray")):
        assert ray.cluster_resources()["CPU"] == 2
        assert mapped(AuditOptions(backend="ray"), negative, [1, 2], 3) == [2, 1]
    assert not ray.is_initialized()
