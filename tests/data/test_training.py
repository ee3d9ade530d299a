"""Fewer training examples and wrong labels: fixed draws, in proportion, before the hold-out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlintern.core.errors import UserError
from mlintern.data.prepare import make_splits
from mlintern.data.protocol import EvaluationProtocol
from mlintern.data.splits import Examples
from mlintern.data.training import LabelNoise, fewer


def examples(labels, prefix="train", **columns):
    ids = np.array([f"{prefix}-{i:04d}" for i in range(len(labels))])
    return Examples(
        ids=ids, features=np.arange(len(labels), dtype=float)[:, None], labels=np.asarray(labels), **columns
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=200), st.data())
def test_smaller_sizes_are_part_of_larger_ones_with_classes_in_proportion(labels, data):
    part = examples(labels)
    small, large = sorted(data.draw(st.integers(1, len(labels))) for _ in range(2))
    few, many = fewer(part, small), fewer(part, large)
    assert set(few.ids) <= set(many.ids)
    assert list(few.ids) == sorted(few.ids)
    for value in set(labels):
        share = labels.count(value) / len(labels)
        assert abs((few.labels == value).sum() - share * small) <= len(set(labels)) / 2 + 0.5
    assert len(fewer(part, len(labels))) == len(labels)


def test_whole_groups_are_kept_together():
    groups = np.repeat(np.arange(10), 6)
    part = examples(np.zeros(60, dtype=int), groups=groups)
    few = fewer(part, 20)
    assert sorted(np.unique(few.groups, return_counts=True)[1].tolist()) == [2, 6, 6, 6]


def test_targets_that_are_no_classes_are_drawn_evenly():
    part = examples(np.linspace(0, 1, 1000))
    few = fewer(part, 200)
    assert len(few) == 200
    assert abs(few.labels.mean() - 0.5) < 0.1


@pytest.mark.parametrize("size", [0, 5])
def test_a_size_that_is_not_there_is_refused(size):
    with pytest.raises(UserError, match=r"data\.train_size=\d: the training part has 4"):
        fewer(examples([0, 1, 0, 1]), size)


def test_exactly_the_share_is_wrong_and_the_same_every_time():
    part = examples(np.arange(1000) % 10)
    noisy = LabelNoise(0.15).applied("train", part, 10)
    wrong = noisy.labels != part.labels
    assert wrong.sum() == 150
    assert set(np.unique((noisy.labels - part.labels)[wrong] % 10)) == set(range(1, 10))  # every other class comes up
    assert np.array_equal(noisy.labels, LabelNoise(0.15).applied("train", part, 10).labels)
    assert not np.array_equal(noisy.labels, LabelNoise(0.15, seed=1).applied("train", part, 10).labels)
    assert LabelNoise(0.15).applied("test", part, 10) is part
    assert np.array_equal(part.labels, np.arange(1000) % 10)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"fraction": 1.5}, "label_noise.fraction=1.5"),
        ({"fraction": "much"}, "label_noise.fraction=much"),
        ({"parts": ["train"]}, "data.label_noise.fraction: no value; give data.label_noise.fraction=…"),
        ({"fraction": 0.1, "share": 2}, "data.label_noise.share: no such key; there are fraction, parts, seed"),
        ({"fraction": 0.1, "parts": ["exam"]}, "choose from train, valid, test"),
        ({"fraction": 0.1, "parts": "train"}, "data.label_noise.parts=train: not a list"),
        ({"fraction": 0.1, "seed": -1}, "seed=-1"),
        (0.15, "data.label_noise=0.15: not a mapping of keys to values"),
    ],
)
def test_what_is_off_is_named(value, says):
    with pytest.raises(UserError, match=says):
        LabelNoise.from_plain(value)


def test_labels_that_are_no_classes_cannot_be_made_wrong():
    with pytest.raises(UserError, match="needs a class index"):
        LabelNoise(0.1).applied("train", examples([0.5, 1.5]), 2)


def test_both_come_before_the_hold_out():
    parts = {"train": examples(np.arange(400) % 4), "test": examples(np.arange(100) % 4, "test")}
    protocol = EvaluationProtocol("clean", ("train",), 0.1, "valid")
    splits = make_splits("d", parts, protocol, train_size=200, label_noise=LabelNoise(0.2), classes=4)
    assert len(splits.train) + len(splits.valid) == 200
    assert 18 <= len(splits.valid) <= 22
    true = dict(zip(parts["train"].ids, parts["train"].labels, strict=True))
    seen = [
        (true[i], label)
        for part in (splits.train, splits.valid)
        for i, label in zip(part.ids, part.labels, strict=True)
    ]
    assert sum(a != b for a, b in seen) == 40
    assert np.array_equal(splits.test.labels, parts["test"].labels)
