"""Where two runs part inside a step, and which of their differences can be why."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from mlintern.engine import source
from mlintern.engine.inside import STAGES, Inside, chosen, read
from mlintern.study.verify.bits import ulp_distances
from mlintern.study.verify.causes import REACH, can_explain, ranked
from mlintern.study.verify.differences import Difference
from mlintern.study.verify.first_difference import Parting, parting
from tests.engine import small


class Net(nn.Module):
    """A block called twice, a batch norm, and an operation between modules."""

    def __init__(self, slope=0.0, momentum=0.1):
        super().__init__()
        self.first, self.block, self.last = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 3)
        self.norm = nn.BatchNorm1d(16, momentum=momentum)
        self.slope = slope

    def forward(self, x):
        h = self.norm(self.first(x))
        h = nn.functional.leaky_relu(self.block(h), self.slope)
        return self.last(self.block(h))


def taken_down(whole=None, net=Net, steps=3, prepare=lambda loop: None, **options):
    """(rows, bits) of a short run, with what passed in its steps."""
    before, small.Net = small.Net, net
    try:
        loop = small.make_loop(validate=False, **options)
    finally:
        small.Net = before
    loop.inside = Inside(whole)
    prepare(loop)
    loop.run(until=steps)
    return loop.inside.rows(), small.bits(loop)


@pytest.fixture(scope="module")
def reference():
    return taken_down()


def test_looking_changes_no_bit(reference):
    rows, bits = reference
    before, small.Net = small.Net, Net
    try:
        loop = small.make_loop(validate=False)
    finally:
        small.Net = before
    loop.run(until=3)
    assert small.bits(loop) == bits
    assert {row.stage for row in rows} <= set(STAGES)
    assert {row.step for row in rows} == {0, 1, 2}


def test_steps_that_are_kept():
    assert [step for step in range(70) if chosen(step)] == [0, 1, 2, 3, 4, 8, 16, 32, 64]


def test_equal_runs_do_not_part(reference):
    rows, bits = taken_down()
    assert bits == reference[1]
    assert all(parting(reference[0], rows, step) is None for step in range(4))


def scaled(loop):
    loop.model.first.weight.data.mul_(1 + 2e-7)


@pytest.mark.parametrize(
    ("options", "stage", "name"),
    [
        ({"seed": 1}, "rows", "row numbers"),
        ({"augment": lambda f, g: f + np.float32(1e-7), "workers": 0}, "batch", "inputs"),
        ({"prepare": scaled}, "weight", "first.weight"),
        ({"optimizer": lambda p: torch.optim.AdamW(p, lr=0.02, fused=True)}, "setting", "lr"),
        ({"net": lambda: Net(slope=1e-3)}, "input", "block#2"),
        ({"net": lambda: Net(momentum=0.11)}, "updated weight", "norm.running_mean"),
        ({"clip_norm": 1e-3}, "final gradient", "first.weight"),
    ],
    ids=["order", "augmentation", "initial weights", "optimizer", "operation between modules", "momentum", "clipping"],
)
def test_the_first_tensor_is_named(reference, options, stage, name):
    base = reference[0]
    if stage == "batch":
        base = taken_down(augment=lambda f, g: f, workers=0)[0]
    found = parting(base, taken_down(**options)[0], 0)
    assert found is not None
    assert (found.stage, found.name) == (stage, name)
    assert str(found)


def test_size_in_ulp_from_samples_and_from_all_values(reference):
    sampled = parting(reference[0], taken_down(prepare=scaled)[0], 0)
    assert sampled.seen == 32
    assert 1 <= sampled.ulp <= 4
    whole = parting(taken_down(0)[0], taken_down(0, prepare=scaled)[0], 0)
    assert whole.seen == whole.size == 128
    assert whole.differing >= sampled.differing
    assert "of 128 values differ, by at most" in str(whole)
    mixed = parting(taken_down(0)[0], taken_down(prepare=scaled)[0], 0)
    assert (mixed.seen, mixed.differing, mixed.ulp) == (32, sampled.differing, sampled.ulp)


def test_a_module_that_only_one_run_has(reference):
    class More(Net):
        def __init__(self):
            super().__init__()
            self.extra = nn.Linear(2, 2)

    found = parting(reference[0], taken_down(net=More)[0], 0)
    assert (found.name, found.shapes) == ("extra.weight", ("absent", "float32 [2, 2]"))
    back = parting(taken_down(net=More)[0], reference[0], 0)
    assert back.shapes == ("float32 [2, 2]", "absent")


def test_what_is_written_is_read_again(reference, tmp_path):
    inside = Inside()
    inside.passed = reference[0]
    inside.write(tmp_path / "inside.parquet")
    again = read(tmp_path / "inside.parquet")
    assert len(again) == len(reference[0])
    for a, b in zip(again, reference[0], strict=True):
        assert (a.step, a.stage, a.name, a.kind, a.sha, a.shape) == (b.step, b.stage, b.name, b.kind, b.sha, b.shape)
        assert a.values.tobytes() == b.values.tobytes()


def test_ulp_of_other_types():
    assert list(ulp_distances(np.float16([1, -1]), np.float16([1.001, -1]))) == [1, 0]
    assert list(ulp_distances(np.float64([1.0]), np.nextafter(np.float64([1.0]), 2))) == [1]
    assert list(ulp_distances(np.float32([1.0]), np.float32([1.0078125]), "bfloat16")) == [1]


def test_every_file_of_code_that_can_be_a_cause_is_there():
    """A file that has moved would be the cause of nothing."""
    patterns = [pattern for kind, pattern, _ in REACH if kind == "code" and pattern.endswith(r"\.py")]
    files = source.source_sha256()
    for pattern in patterns:
        named = [file for file in files if re.fullmatch(pattern, file)]
        assert len(named) == pattern.count("|") + 1, (pattern, named)


SEED = Difference("seed", "seed", 0, 1)
DATA = Difference("data", "train part, as prepared", "a", "b")
TEST = Difference("data", "test part, as prepared", "a", "b")
PACK = Difference("code", "the pack's Python code", "a", "b")
THREADS = Difference("environment", "threads", 2, 1)
TORCH = Difference("environment", "package torch", "2.13.0", "2.12.0")
SEEDING = Difference("code", "mlintern/core/streams/seeding.py", "a", "b")
CLIP = Difference("config", "trainer.clip_norm", None, 1.0)
MOMENTUM = Difference("config", "optimizer.momentum", 0.9, 0.8)
SCHEDULE = Difference("config", "scheduler.warmup_steps", 5, 6)


@pytest.mark.parametrize(
    ("stage", "causes", "innocent"),
    [
        ("rows", [SEED, TORCH, SEEDING], [PACK, THREADS, CLIP, MOMENTUM, TEST]),
        ("batch", [SEED, DATA, TORCH], [TEST, THREADS, CLIP, SCHEDULE]),
        ("output", [PACK, THREADS, TORCH, SEED], [DATA, TEST, CLIP, MOMENTUM, SCHEDULE]),
        ("setting", [MOMENTUM, SCHEDULE, TORCH], [DATA, SEED, THREADS, CLIP]),
        ("gradient", [PACK, THREADS, TORCH], [DATA, SEED, CLIP, SCHEDULE]),
        ("final gradient", [CLIP, THREADS, TORCH], [DATA, SEED, SCHEDULE]),
    ],
)
def test_only_what_reaches_there_can_be_the_cause(stage, causes, innocent):
    where = Parting(0, stage, "x")
    assert [item for item in (*causes, *innocent) if can_explain(item, where)] == causes
    order = ranked([*innocent, *causes], where)
    assert order == [*causes, *innocent]
