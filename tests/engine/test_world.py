"""World sizes: a run is defined by its logical shards, not by the processes that compute them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

from mlintern.config import Composer
from mlintern.core.errors import UserError
from mlintern.core.records.record import STEPS_FILE, WEIGHTS_FILE
from mlintern.core.roots import ROOT
from mlintern.engine.buffers import from_bytes, to_bytes
from mlintern.engine.determinism import Determinism
from mlintern.engine.feed import Batch
from mlintern.engine.fsdp import layers
from mlintern.engine.shards import Shards
from tests.engine.world_runs import MODELS, SLUG

WORLD_TOLERANCE = 1e-5
"""Relative for losses, relative and absolute for weights: what 24 steps may make of another order of summation."""


def start(folder: Path, model: str, *legs: str) -> subprocess.Popen:
    """`tests.engine.world_runs` with the pins of determinism=strict."""
    pins = Determinism(**yaml.safe_load((ROOT / "conf/determinism/strict.yaml").read_text())).pins()
    argv = [sys.executable, "-m", "tests.engine.world_runs", str(folder), model, *legs]
    return subprocess.Popen(
        argv, cwd=ROOT, env={**os.environ, **pins}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def results(folder: Path, model: str, *legs: str) -> list[dict | None]:
    process = start(folder, model, *legs)
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def test_two_processes_and_a_resume_on_one_give_the_bits_of_one(tmp_path):
    alone, stopped, resumed = results(tmp_path, "everything", "whole:1", "a/stop9:2", "a/whole:1")
    assert stopped is None, "stopped at step 9 by the two processes"
    assert alone["status"] == "finished"
    assert resumed == alone


@pytest.mark.slow
def test_trainer_ddp_trains_on_the_samples_of_one_process_and_reaches_its_weights(tmp_path):
    """Two gloo processes against one without shards: sums of float32 in another order, so no equal bits.

    A step's loss is the mean over its global batch: it agrees at every step only if the samples do.
    """
    alone, both = results(tmp_path, "mlp", "whole:cpu", "whole:ddp")
    assert alone["loss_chain_sha256"] != both["loss_chain_sha256"], "the two runs are one and the same"
    one, two = (pd.read_parquet(tmp_path / f"whole-{name}" / STEPS_FILE)["loss"] for name in ("cpu", "ddp"))
    assert np.allclose(one, two, rtol=WORLD_TOLERANCE, atol=0)
    assert not np.isclose(one[1:], one[:-1], rtol=WORLD_TOLERANCE, atol=0).any(), "other samples would pass too"
    assert alone["selection"]["step"] == both["selection"]["step"]
    first, second = (load_file(tmp_path / f"whole-{name}" / WEIGHTS_FILE) for name in ("cpu", "ddp"))
    assert first.keys() == second.keys()
    for name, weight in first.items():
        assert torch.allclose(weight, second[name], rtol=WORLD_TOLERANCE, atol=WORLD_TOLERANCE), name


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_trainer_fsdp_divides_the_model_and_reaches_the_weights_of_whole_ones(tmp_path, model):
    """Two processes that hold half of the model each, against two that hold all of it: the same samples, to rounding.

    Stopped and continued it repeats its own bits, and either strategy continues from the other's checkpoint.
    """
    legs = [
        "whole:ddp",
        "whole:fsdp",
        "a/stop9:fsdp",
        "a/whole:fsdp",
        "b/stop9:fsdp",
        "b/whole:ddp",
        "c/stop9:ddp",
        "c/whole:fsdp",
    ]
    whole, divided, _, again, _, to_whole, _, to_divided = results(tmp_path, model, *legs)
    assert again == divided
    assert divided["cell_id"] != whole["cell_id"]
    assert divided["loss_chain_sha256"] != whole["loss_chain_sha256"], "the two runs are one and the same"
    losses = {
        name: pd.read_parquet(tmp_path / name / STEPS_FILE)["loss"] for name in ("whole-ddp", "whole-fsdp", "b", "c")
    }
    for name in ("whole-fsdp", "b", "c"):
        assert np.allclose(losses["whole-ddp"], losses[name], rtol=WORLD_TOLERANCE, atol=0), name
    assert to_whole["status"] == to_divided["status"] == "finished"
    if model != "everything":  # a bias before a batch norm has no gradient but rounding, which Adam makes steps of
        first, second = (load_file(tmp_path / f"whole-{name}" / WEIGHTS_FILE) for name in ("ddp", "fsdp"))
        for name, weight in first.items():
            assert torch.allclose(weight, second[name], rtol=WORLD_TOLERANCE, atol=WORLD_TOLERANCE), name


def test_blocks_of_module_lists_are_gathered_one_at_a_time():
    model = nn.ModuleDict(
        {
            "encoder": nn.Sequential(nn.ModuleList([nn.Linear(2, 2), nn.Sequential(nn.ModuleList([nn.Linear(2, 2)]))])),
            "frozen": nn.ModuleList([nn.Linear(2, 2).requires_grad_(False), nn.ReLU()]),
            "head": nn.Linear(2, 2),
        }
    )
    blocks = model["encoder"][0]
    assert list(layers(model)) == [blocks[0], blocks[1]]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_world_size_gives_the_same_bits_and_cell_id(tmp_path, model):
    alone, two, four = results(tmp_path, model, "whole:1", "whole:2", "whole:4")
    assert two == alone
    assert four == alone


@pytest.mark.slow
def test_a_resume_on_another_world_size_gives_the_same_bits(tmp_path):
    alone, *rest, last = results(tmp_path, "everything", "whole:1", "a/stop5:4", "a/stop13:2", "a/whole:4")
    assert rest == [None, None]
    assert last == alone


@pytest.mark.slow
def test_ranks_die_with_rank_zero_and_the_run_continues(tmp_path):
    """kill -9 of rank 0 at step 9, from within."""
    process = start(tmp_path, "everything", "a/kill9:4")
    out, err = process.communicate(timeout=280)
    assert process.returncode == -9, err
    others = json.loads(out.splitlines()[-1])
    assert len(others) in (3, 4)  # the other ranks, and rank 0's own loader process while it lives
    deadline = time.monotonic() + 60
    while left := [pid for pid in others if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"ranks {left} outlived rank 0"
        time.sleep(0.2)
    alone, resumed = results(tmp_path, "everything", "whole:1", "a/whole:1")
    assert resumed == alone


def test_what_shards_leave_in_the_buffers_becomes_one_again():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.zeros(2))
            self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
            self.register_buffer("last", torch.tensor([False]))
            self.register_buffer("mask", torch.tensor([-torch.inf, 3e38, 0.1]))
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, x):
            assert self.calls == 0, "every shard starts from the same buffers"
            self.mean = self.mean + x.mean(dim=0)  # type: ignore[has-type]
            self.calls += 1
            self.last = x[:1, 0] > 4
            return self.weight * x.sum()

    model = Counting()
    mask = model.mask.clone()
    rows = torch.tensor([[1.0, 0.0], [3.0, 0.0], [5.0, 8.0]])

    def backward(piece, shard, weight):
        loss = weight * model(piece.inputs)
        loss.backward()
        return loss.detach()

    Shards(4).step(Batch(rows, rows[:, 0]), model, list(model.parameters()), backward)  # the fourth shard is empty
    assert torch.allclose(model.mean, torch.tensor([3.0, 8 / 3]))
    assert model.calls == 1
    assert model.last
    assert torch.equal(model.mask, mask)
    copies = [[b.clone() for b in model.buffers()]] * 2
    assert all(map(same, from_bytes(to_bytes(copies), copies), copies))


def same(found, expected):
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_shard_of_one_example_under_a_batch_norm_is_explained():
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4))
    rows = torch.ones(5, 2)

    def backward(piece, shard, weight):
        return model(piece.inputs).sum() * weight

    with pytest.raises(UserError, match="trainer.shards=4: one shard of a batch of 5 has one example"):
        Shards(4).step(Batch(rows, rows[:, 0]), model, list(model.parameters()), backward)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: nn.SyncBatchNorm(4), "takes its statistics over whichever processes"),
        (lambda: nn.Embedding(4, 4, max_norm=1.0), "changes its weights"),
    ],
)
def test_what_has_no_meaning_in_a_shard_is_refused_with_the_reason(make, why):
    model = nn.Sequential(nn.Linear(4, 4), make())
    with pytest.raises(UserError, match=f"trainer.shards=2: 1 .*{why}"):
        Shards(2).check(model, 8)
    Shards(1).check(model, 8)


@pytest.mark.parametrize(("accumulate", "devices"), [(2, 1), (4, 2)])
def test_an_accumulation_that_contradicts_the_shards_is_refused(accumulate, devices):
    with pytest.raises(UserError, match=f"trainer.accumulate={accumulate}: {devices} process"), Composer(SLUG) as c:
        c.compose(["trainer.shards=4", f"trainer.accumulate={accumulate}", f"trainer.devices={devices}"])


@pytest.mark.parametrize(("count", "world"), [(1, 2), (2, 4), (4, 3), (4, 0)])
def test_processes_that_cannot_share_the_shards_are_refused(count, world):
    with pytest.raises(UserError, match=f"trainer.devices={world}: must be a power of two and at most"):
        Shards(count, world)
