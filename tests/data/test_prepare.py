"""Prepared data: equal bytes for equal data, every damage noticed, hold-outs that are stratified and fixed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlintern.core.errors import UserError
from mlintern.data.prepare import as_examples, hold_out, is_prepared, load_parts, make_splits, prepare
from mlintern.data.preprocess import Standardise
from mlintern.data.protocol import EvaluationProtocol

X = np.random.RandomState(0).randn(50, 4)
Y = np.arange(50) % 5


def source():
    return {"train": {"features": X[:40], "labels": Y[:40]}, "test": {"features": X[40:], "labels": Y[40:]}}


def test_equal_data_give_equal_bytes(tmp_path):
    prepare(source, tmp_path / "a")
    np.random.rand(3)
    prepare(source, tmp_path / "b")
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == ["dataset.json", "test.npz", "train.npz"]
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    assert np.array_equal(load_parts(tmp_path / "a")["train"].features, X[:40])


def test_a_generator_that_uses_globals_is_reproducible_and_leaves_no_trace(tmp_path):
    def draws():
        return {p: {"features": np.random.rand(6, 2), "labels": np.arange(6) % 2} for p in ("train", "test")}

    np.random.seed(4)
    expected = np.random.rand()
    np.random.seed(4)
    assert prepare(draws, tmp_path / "a") == prepare(draws, tmp_path / "b")
    assert np.random.rand() == expected


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"labels": np.array(["cat", "dog"])}, "labels of type <U3; give class indices from 0"),
        ({"labels": np.array([0, None])}, "labels of type object; give class indices from 0"),
        ({"labels": np.array(["2020-01-01", "2020-01-02"], "M8[D]")}, r"labels of type datetime64\[D\]"),
        ({"features": np.array([[1, 2], [3, None]])}, "features of type object; give numbers"),
        ({"groups": np.array(["a", 3], object)}, "groups of type object; give numbers"),
    ],
)
def test_a_column_that_no_file_keeps_as_it_is_is_refused_where_it_is_made(columns, says):
    with pytest.raises(UserError, match=says):
        as_examples("train", {"features": np.zeros((2, 1)), "labels": np.arange(2), **columns})


def test_text_as_tables_give_it_is_text(tmp_path):
    def given():
        parts = source()
        return {p: {**c, "groups": np.array([f"{p}{i}" for i in c["labels"]], object)} for p, c in parts.items()}

    prepare(given, tmp_path)
    assert load_parts(tmp_path)["train"].groups[1] == "train1"


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "swap"])
def test_damage_is_named(tmp_path, damage):
    prepare(source, tmp_path)
    path = tmp_path / "train.npz"
    data = path.read_bytes()
    if damage == "flip":
        path.write_bytes(data[:700] + bytes([data[700] ^ 1]) + data[701:])
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "delete":
        path.unlink()
        assert not is_prepared(tmp_path)
    else:
        path.write_bytes((tmp_path / "test.npz").read_bytes())
    with pytest.raises(UserError, match=r"train\.npz"):
        load_parts(tmp_path)


@pytest.mark.parametrize("text", ["{", "{}", '{"parts": {"train": ""}}', "[]"])
def test_a_damaged_list_of_parts_is_named_and_nothing_is_rebuilt_in_silence(tmp_path, text):
    prepare(source, tmp_path)
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=r"dataset\.json: .*delete it and run again"):
        is_prepared(tmp_path)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"features": X}, "must hold features and labels"),
        ({"features": X, "labels": Y[:3]}, "50 features but 3 labels"),
        ({"features": X[:0], "labels": Y[:0]}, "is empty"),
        ({"features": np.full((2, 2), np.nan), "labels": Y[:2]}, "NaN"),
        ({"features": X, "labels": Y, "colour": Y}, "must hold features and labels"),
    ],
)
def test_what_a_source_may_not_give(columns, says):
    with pytest.raises(UserError, match=says):
        as_examples("train", columns)


def test_ids_must_be_unique_over_parts(tmp_path):
    def twice():
        part = {"ids": ["a", "b"], "features": X[:2], "labels": Y[:2]}
        return {"train": part, "test": part}

    with pytest.raises(UserError, match="not unique"):
        prepare(twice, tmp_path)
    assert not is_prepared(tmp_path)


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 200), st.integers(2, 5), st.floats(0.1, 0.5), st.integers(0, 5))
def test_the_hold_out_is_stratified_fixed_and_disjoint(n, classes, fraction, seed):
    part = as_examples("train", {"features": np.zeros((n, 1)), "labels": np.arange(n) % classes})
    kept, held = hold_out(part, fraction, seed)
    assert set(kept.ids) | set(held.ids) == set(part.ids)
    assert not set(kept.ids) & set(held.ids)
    counts = np.bincount(held.labels, minlength=classes)
    assert counts.max() - counts.min() <= 1
    assert list(hold_out(part, fraction, seed)[1].ids) == list(held.ids)


def split(n, fraction, rare=0.15, groups=None, classes=2, labels=None):
    """make_splits of `n` rows of which a share is of class 1."""
    y = (np.arange(n) < rare * n).astype(np.int64) if labels is None else labels
    part = as_examples("train", {"features": np.zeros((n, 1)), "labels": y, "groups": groups})
    test = as_examples("test", {"features": np.zeros((n, 1)), "labels": y})
    protocol = EvaluationProtocol("clean", ("train",), fraction, "valid")
    return make_splits("x", {"train": part, "test": test}, protocol, classes=classes)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"n": 533, "fraction": 0.001}, "it holds out 1, and no checkpoint can be chosen on so few; give 0.013 or"),
        ({"n": 533, "fraction": 0.001, "classes": None}, "it holds out 1, and no checkpoint"),
        ({"n": 533, "fraction": 0.005}, "leaves none of the 80 examples of class 1 for validation; give 0.013 or more"),
        ({"n": 533, "fraction": 0.995}, "leaves none of the 80 examples of class 1 for training; give less"),
        ({"n": 50, "fraction": 0.1, "classes": 10}, "it holds out 5, fewer than there are classes (10); give 0.2 or"),
        ({"n": 40, "fraction": 0.01, "groups": np.arange(40)}, "it holds out 1, and no checkpoint"),
    ],
)
def test_a_hold_out_that_can_choose_nothing_is_refused(given, says):
    with pytest.raises(UserError) as refused:
        split(**given)
    assert str(refused.value).startswith(f"protocol.valid_fraction={given['fraction']}: ")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        {"n": 533, "fraction": 0.013},
        {"n": 60, "fraction": 0.1, "labels": np.arange(60) / 60, "classes": None},
        {"n": 60, "fraction": 0.1, "labels": np.zeros((60, 8), dtype=np.int64), "classes": 64},
        {"n": 40, "fraction": 0.1, "groups": np.arange(40) // 4, "rare": 0.05},
        {"n": 40, "fraction": 0.1, "rare": 0.2},
    ],
)
def test_a_small_hold_out_that_can_choose_is_taken(given):
    assert len(split(**given).valid) >= 2


def test_a_published_validation_part_of_one_example_is_refused():
    parts = {p: as_examples(p, c) for p, c in source().items()}
    parts["valid"] = parts["test"].take(np.arange(1))
    with pytest.raises(UserError, match="data.source: the part valid has one example"):
        make_splits("d", parts, EvaluationProtocol("clean", ("train",), 0.1, "valid"))
    make_splits("d", parts, EvaluationProtocol("last", ("train",), 0.0, "last"))


def test_groups_are_held_out_whole():
    columns = {"features": X, "labels": Y, "groups": np.arange(50) // 5}
    kept, held = hold_out(as_examples("train", columns), 0.2, 0)
    assert not set(kept.groups) & set(held.groups)


def test_the_clean_protocol_fits_on_train_alone():
    parts = {p: as_examples(p, c) for p, c in source().items()}
    clean = EvaluationProtocol("clean", ("train",), 0.2, "valid")
    splits = make_splits("d", parts, clean, preprocessor=Standardise())
    assert len(splits.train) == 30  # two of each class's eight are held out
    assert np.allclose(splits.transformed()["train"].mean(axis=0), 0)
    assert not np.allclose(splits.transformed()["test"].mean(axis=0), 0)
    leaking = EvaluationProtocol("leaking", ("train", "test"), 0.0, "test")
    everything = np.concatenate(
        list(make_splits("d", parts, leaking, preprocessor=Standardise()).transformed().values())
    )
    assert np.allclose(everything.mean(axis=0), 0)


@pytest.mark.parametrize(
    "bad",
    [{"valid_fraction": 1.0}, {"valid_fraction": 0.0}, {"fit_on": ()}, {"fit_on": ("all",)}, {"select_on": "best"}],
)
def test_a_protocol_that_makes_no_sense_is_named(bad):
    values = {"name": "x", "fit_on": ("train",), "valid_fraction": 0.1, "select_on": "valid", **bad}
    with pytest.raises(UserError, match="protocol."):
        EvaluationProtocol(**values)
