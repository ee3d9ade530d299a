"""Columns picked on all rows, and columns that merely look good."""

import numpy as np
import pytest

from mlintern.audit.checks.exact_duplicate import exact_duplicates
from mlintern.audit.checks.selection_before_split import selection_before_split
from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.price.canaries import with_recall
from mlintern.audit.registry import detector
from mlintern.audit.report.audit_report import Severity, Status
from mlintern.audit.report.kinds import Kind


def cut(x, y, border):
    return subject_from_arrays({"train": (x[:border], y[:border]), "test": (x[border:], y[border:])})


def picked(x, y, rows):
    strength = np.abs(np.corrcoef(x[rows].T, y[rows])[-1, :-1])
    return x[:, np.argsort(-strength)[:20]]


@pytest.mark.parametrize("seed", range(3))
def test_noise_picked_on_all_rows_is_found_and_noise_picked_on_train_is_not(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(120, 800)), rng.integers(0, 2, 120)
    (finding,) = selection_before_split(cut(picked(x, y, np.arange(120)), y, 84)).findings
    assert finding.kind == "selection_before_split"
    assert finding.severity is Severity.HIGH
    assert selection_before_split(cut(picked(x, y, np.arange(84)), y, 84)).status is Status.PASS


@pytest.mark.parametrize("effect", [0.1, 0.3, 0.6])
def test_columns_with_equal_effects_were_not_picked(effect):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    assert selection_before_split(cut(rng.normal(size=(400, 12)) + effect * y[:, None], y, 280)).status is Status.PASS


def test_a_pass_of_the_duplicate_check_tells_its_recall():
    rng = np.random.default_rng(0)
    subject = cut(rng.normal(size=(300, 6)), rng.integers(0, 2, 300), 200)
    outcome = with_recall(subject, detector(Kind("exact_duplicate")), exact_duplicates(subject))
    assert outcome.reason.endswith("of 20 copies planted in these data it names 20")
