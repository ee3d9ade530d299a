"""The nearest-neighbour ceiling: above the best possible model where that is known, and silent where it cannot tell."""

import math

import numpy as np
import pytest

from mlintern.audit.inputs.subject import Subject
from mlintern.audit.price.ceiling import bound, nearest_neighbour_ceiling
from mlintern.audit.report.audit_report import AuditReport, Ceiling
from mlintern.audit.run import audit
from mlintern.data.splits import Examples, Splits


def subject(seed, n, dimensions, tested=1000, apart=1.0):
    """Two unit Gaussians two `apart` away from each other along one axis: the best accuracy is Phi(apart)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n + tested)
    x = rng.normal(size=(n + tested, dimensions))
    x[:, 0] += (2 * y - 1) * apart
    parts = {
        name: Examples(ids=np.array([f"{name}{i}" for i in range(len(x[rows]))]), features=x[rows], labels=y[rows])
        for name, rows in (("train", slice(0, n)), ("test", slice(n, None)))
    }
    return Subject(splits=Splits("gaussians", **parts))


@pytest.mark.parametrize("dimensions", [1, 2, 4, 6])
def test_it_lies_above_the_best_model_and_below_what_a_leak_gives(dimensions):
    best = 0.5 * (1 + math.erf(1 / math.sqrt(2)))
    found = [nearest_neighbour_ceiling(subject(seed, 2000, dimensions)) for seed in range(5)]
    assert all(best < ceiling.accuracy < 0.96 for ceiling in found)
    assert all(0.6 * dimensions < ceiling.dimension < 1.3 * dimensions for ceiling in found)


def test_it_is_silent_where_distances_are_large():
    assert nearest_neighbour_ceiling(subject(0, 1000, 48)) is None


@pytest.mark.parametrize("tested", [100, 150])
def test_it_is_silent_on_few_rows(tested):
    assert nearest_neighbour_ceiling(subject(0, 2000, 2, tested)) is None


def test_classes_that_never_meet_leave_all_the_room():
    assert nearest_neighbour_ceiling(subject(0, 2000, 2, apart=6.0)) is None


def test_a_curve_that_still_falls_is_followed_to_its_end():
    rng = np.random.default_rng(0)
    flat, falling = (
        np.array([rng.random(4000) < p for p in errors], float) for errors in ((0.3,) * 3, (0.5, 0.4, 0.3))
    )
    assert bound(falling, 4000, 2.0, 2).extrapolated < bound(flat, 4000, 2.0, 2).extrapolated - 0.05


def test_the_audit_keeps_it():
    report = audit(subject(1, 600, 2).splits)
    assert isinstance(report.ceiling, Ceiling)
    assert AuditReport.from_json(report.to_json()) == report
    assert "ceiling" not in audit(subject(1, 600, 40).splits).to_json()
