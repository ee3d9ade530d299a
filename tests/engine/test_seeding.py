"""Streams: pure functions of (seed, name, counters), and nothing else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlintern.core.errors import UserError
from mlintern.core.streams import seeding

SEEDS = st.integers(0, seeding.MAX_SEED)
COUNTERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(max_size=6))
PATHS = st.tuples(
    SEEDS, st.text(max_size=8), st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(max_size=6)), max_size=4)
)


@given(PATHS, PATHS)
def test_different_paths_have_different_keys(a, b):
    same = (a[0], a[1], a[2]) == (b[0], b[1], b[2])
    assert (seeding.key_bytes(a[0], a[1], *a[2]) == seeding.key_bytes(b[0], b[1], *b[2])) is same


def test_counters_do_not_run_together():
    keys = {
        seeding.key(0, "s", 1, 23),
        seeding.key(0, "s", 12, 3),
        seeding.key(0, "s", "1", 23),
        seeding.key(0, "s1", 23),
    }
    assert len(keys) == 4


@given(SEEDS, st.integers(0, 1000), st.integers(1, 200))
def test_order_is_a_permutation_that_depends_on_epoch(seed, epoch, n):
    order = seeding.epoch_order(seed, epoch, n)
    assert sorted(order) == list(range(n))
    assert np.array_equal(order, seeding.epoch_order(seed, epoch, n))
    if n > 20:
        assert not np.array_equal(order, seeding.epoch_order(seed, epoch + 1, n))


@pytest.mark.parametrize("bad", [-1, 2**63, "abc", 1.5, True, None])
def test_bad_seed_is_refused_by_name(bad):
    with pytest.raises(UserError, match=f"seed={bad}"):
        seeding.check_seed(bad)


def test_seed_zero_is_a_seed_like_any_other():
    assert seeding.check_seed(0) == 0
    assert seeding.key(0, "init") not in (0, seeding.key(1, "init"))


def test_reseeding_sets_what_dropout_draws():
    def draw(step):
        seeding.reseed_default(7, "dropout", step)
        return torch.nn.functional.dropout(torch.ones(64))

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))


def test_forks_and_legacy_globals_leave_no_trace():
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.rand(3), np.random.rand(3)
    torch.manual_seed(5)
    np.random.seed(5)
    with seeding.fork_torch(1, "evaluation", 2), seeding.legacy_globals(1, "data"):
        torch.rand(100), np.random.rand(100)
    assert torch.equal(torch.rand(3), expected[0])
    assert np.array_equal(np.random.rand(3), expected[1])
