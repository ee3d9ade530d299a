"""Rows with many labels: words of a sentence, targets of several numbers. They are audited as they come."""

import numpy as np
import pytest

from mlintern.audit import AuditOptions, audit
from mlintern.audit.inputs.labels import with_one_label_each
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.report.audit_report import Status
from mlintern.data.splits import Examples, Splits

OPTIONS = AuditOptions(price="probe", canaries=False)


def sentences(rng, rows=400):
    """Sources and, as a decoder has them, targets shifted by a place: features [n, 12], labels [n, 6]."""
    source = rng.integers(1, 30, (rows, 6))
    target = (source[:, ::-1] * 7) % 31
    return np.hstack([source, np.zeros((rows, 1), int), target[:, :-1]]), target


def split(features, labels, border, classes=None):
    parts = (slice(0, border), slice(border, None))
    ids = np.array([f"file/{i}" for i in range(len(features))])
    train, test = (Examples(ids=ids[rows], features=features[rows], labels=labels[rows]) for rows in parts)
    return Splits(name="s", train=train, test=test, classes=classes)


def status(report):
    return {check.name: check.status for check in report.checks}


def test_a_sentence_copied_with_another_translation_is_a_conflict():
    rng = np.random.default_rng(0)
    features, labels = sentences(rng)
    features[300:310] = features[:10]
    labels[300:310] = labels[:10]
    labels[300:305, 2] += 1  # one word of several, and not the one that stands in for all
    report = audit(split(features, labels, 300, 32), options=OPTIONS)
    found = {finding.kind: finding for finding in report.findings}
    assert found["exact_duplicate"].count == 10
    assert found["label_conflict"].count == 5


def test_a_decoder_that_reads_earlier_words_leaks_nothing():
    report = audit(split(*sentences(np.random.default_rng(0)), 300, 32), options=OPTIONS)  # type: ignore[call-arg]
    assert status(report)["target_leak"] is Status.NOT_APPLICABLE
    assert [finding.kind for finding in report.findings] == []


@pytest.mark.parametrize("width", [1, 3])
def test_measured_targets_of_several_numbers(width):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 8))
    labels = (features @ rng.normal(size=(8, width)) + rng.normal(size=(400, width))).astype(np.float32)
    labels[300:320], features[300:320] = labels[:20], features[:20] + 0.001 * rng.normal(size=(20, 8))
    report = audit(split(features, labels, 300), options=OPTIONS)
    assert {finding.kind for finding in report.findings} >= {"near_duplicate"}
    single = with_one_label_each(Subject(split(features, labels, 300)))
    assert single.train.labels.shape == (300,)
    assert single.train.labels.var() >= labels[:300].var(0).max() * 0.999


def test_labels_that_stand_alone_stay_as_they_are():
    features, labels = sentences(np.random.default_rng(0))
    subject = Subject(split(features, labels[:, 0], 300, 32))
    assert with_one_label_each(subject) is subject
