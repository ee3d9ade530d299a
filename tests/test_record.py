"""Cell ids: what determines a result is in, everything else is not; what has no stable hash is refused."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlintern.config import Composer
from mlintern.core.errors import UserError
from mlintern.core.records import record

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_the_hash_does_not_depend_on_the_order_of_keys(value):
    assert record.stable_hash(value) == record.stable_hash(dict(reversed(value.items())))


@pytest.mark.parametrize("bad", [{1: 2}, {"a": object()}, {"a": {3, 4}}, {"a": float("nan")}, {"a": b"x"}, {"a": len}])
def test_what_cannot_be_hashed_stably_is_refused(bad):
    with pytest.raises(UserError, match="config"):
        record.stable_hash(bad)


def test_kinds_of_numbers_are_told_apart():
    assert len({record.stable_hash({"a": v}) for v in (1, 1.0, True, "1", None, [1])}) == 6


@pytest.fixture(scope="module")
def config():
    with Composer("arxiv_2011_14439") as composer:
        return composer.compose(["model=cnn"])[0].plain()


def changed(config, key, value):
    config = copy.deepcopy(config)
    *groups, name = key.split(".")
    place = config
    for group in groups:
        place = place[group]
    place[name] = value
    return config


def identity(config):
    return record.cell_id(config, 1, "code", {"train": "a", "test": "b"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.num_workers", 3),
        ("trainer.devices", 2),
        ("logger", {"kind": "csv"}),
        ("run.dir", "/elsewhere"),
        ("run.checkpoint_seconds", 9.0),
        ("study.jobs", 7),
        ("audit.fail_on", "medium"),
        ("sandbox", "none"),
        ("llm.model", "x"),
        ("data.name", "other"),
        ("protocol.name", "other"),
    ],
)
def test_what_does_not_determine_a_result_is_not_in_the_id(config, key, value):
    assert identity(changed(config, key, value)) == identity(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("model.channels", 24),
        ("optimizer.lr", 0.02),
        ("trainer.max_steps", 5999),
        ("trainer.shards", 2),
        ("trainer.eval_batch_size", 499),
        ("protocol.fit_on", ["train", "test"]),
        ("protocol.select_on", "last"),
        ("data.preprocess", None),
        ("determinism.level", "fast"),
    ],
)
def test_what_determines_a_result_is_in_the_id(config, key, value):
    assert identity(changed(config, key, value)) != identity(config)


def test_code_data_and_engine_are_in_the_id(config):
    ids = {
        record.cell_id(config, *rest)
        for rest in ((1, "c", {"a": "x"}), (2, "c", {"a": "x"}), (1, "d", {"a": "x"}), (1, "c", {"a": "y"}))
    }
    assert len(ids) == 4
