"""Columns that give the label away, metadata that does, moments that betray the scaler, and a shift that only warns."""

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from mlintern.audit import audit
from mlintern.audit.checks.metadata_leak import metadata_leak
from mlintern.audit.checks.preprocessing_scope import preprocessing_scope
from mlintern.audit.checks.shift import shift
from mlintern.audit.checks.target_leak import target_leak
from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.report.audit_report import Severity, Status
from mlintern.audit.report.options import AuditOptions


@pytest.fixture(scope="module")
def task():
    return datasets.make_classification(900, 12, n_informative=6, flip_y=0.15, random_state=1)


def cut(x, y, border=600, **side):
    return subject_from_arrays({"train": (x[:border], y[:border]), "test": (x[border:], y[border:])}, **side)


def copied(y, rng):
    return [y + 0.05 * rng.normal(size=len(y))]


def bent(y, rng):
    """Large in both directions for one class: nothing that a correlation sees."""
    return [np.where(y == 1, rng.choice([-1, 1], len(y)) * (2 + rng.random(len(y))), 0.4 * rng.normal(size=len(y)))]


def masked(y, rng):
    mask = rng.integers(0, 2, len(y))
    return [mask, mask ^ y]


def differing(y, rng):
    base = 5 * rng.normal(size=len(y))
    return [base, base + 0.1 * y + 0.01 * rng.normal(size=len(y))]


def in_ratio(y, rng):
    """Of either sign and any size: only the quotient of the two tells."""
    base = 9 * rng.normal(size=len(y))
    return [base, base * np.where(y == 1, 1.05, 0.95)]


@pytest.mark.parametrize("plant", [copied, bent, masked, differing, in_ratio])
def test_columns_that_are_the_label_are_named(task, plant):
    x, y = task
    added = plant(y, np.random.default_rng(0))
    outcome = target_leak(cut(np.column_stack([x, *added]), y))
    assert outcome.status is Status.FAIL, outcome.reason
    assert outcome.findings[0].severity is Severity.HIGH
    assert outcome.findings[0].evidence["column_numbers"] == list(range(12, 12 + len(added)))


@pytest.mark.parametrize("noise", [0.3, 0.5])
def test_a_strong_feature_is_no_leak(task, noise):
    x, y = task
    strong = y + noise * np.random.default_rng(0).normal(size=len(y))
    assert target_leak(cut(np.column_stack([x, strong]), y)).status is Status.PASS


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_real_tables_have_no_such_column(name):
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    assert target_leak(cut(x[order], y[order], int(0.7 * len(x)))).status is Status.PASS


def test_file_names_that_hold_the_label_are_found_and_do_not_block(task):
    x, y = task
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(12)]).assign(y=y)
    rng = np.random.default_rng(0)
    frame["file"] = [f"scans/{'pos' if label else 'neg'}_{rng.integers(10**6):06d}.png" for label in y]
    options = AuditOptions(price="none")
    report = audit(train=frame[:600], test=frame[600:], label="y", options=options)
    assert [f.evidence["column"] for f in report.findings if f.kind == "metadata_leak"] == ["file"]
    assert not report.blocking()
    frame["file"] = frame["file"].to_numpy()[rng.permutation(900)]
    report = audit(train=frame[:600], test=frame[600:], label="y", options=options)
    assert not [f for f in report.findings if f.kind == "metadata_leak"]


def test_a_running_number_among_the_features_blocks(task):
    x, y = task
    order = np.argsort(y, kind="stable")
    x = np.column_stack([x[order], np.arange(900)])
    mixed = np.random.default_rng(0).permutation(900)
    outcome = metadata_leak(cut(x[mixed], y[order][mixed]))
    assert outcome.status is Status.FAIL
    assert outcome.findings[0].severity is Severity.HIGH


def standard(rows):
    return rows.mean(0), rows.std(0)


def ranged(rows):
    return rows.min(0), np.ptp(rows, axis=0)


def robust(rows):
    low, middle, high = np.quantile(rows, (0.25, 0.5, 0.75), axis=0)
    return middle, high - low


@pytest.mark.parametrize("scale", [standard, ranged, robust])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_tell_a_scaler_fitted_on_everything_from_one_fitted_on_train(task, scale, dtype):
    x, y = task
    move, width = scale(x)
    outcome = preprocessing_scope(cut(((x - move) / width).astype(dtype), y))
    assert outcome.status is Status.FAIL, outcome.reason
    assert outcome.findings[0].evidence["fit_on"] == ["train", "test"]
    move, width = scale(x[:600])
    assert preprocessing_scope(cut(((x - move) / width).astype(dtype), y)).status is Status.PASS


def test_raw_and_naturally_bounded_features_show_no_scaling(task):
    x, y = task
    assert preprocessing_scope(cut(x, y)).status is Status.NOT_APPLICABLE
    pixels, digit = datasets.load_digits(return_X_y=True)
    assert preprocessing_scope(cut(pixels / 16, digit, 1200)).status in (Status.NOT_APPLICABLE, Status.PASS)


def test_a_shift_warns_and_never_blocks(task):
    x, y = task
    x = x.copy()
    x[600:] += 1.5
    report = audit(train=(x[:600], y[:600]), test=(x[600:], y[600:]), options=AuditOptions(price="none"))
    assert [f.kind for f in report.findings] == ["shift"]
    assert not report.blocking("info")
    assert shift(cut(*task)).findings == ()


def test_which_of_two_columns_is_larger_may_be_the_label():
    rng = np.random.default_rng(0)
    x, y = datasets.make_classification(1200, 15, n_informative=8, flip_y=0.2, random_state=0)
    start = rng.normal(size=1200)
    x = np.column_stack([x, start, start + np.where(y == 1, 1, -1) * rng.exponential(1, 1200)])
    finding = target_leak(cut(x, y, 840)).findings[0]
    assert finding.evidence["column_numbers"] == [15, 16]
    assert finding.severity is Severity.HIGH
