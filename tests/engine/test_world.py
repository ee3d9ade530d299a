"""World sizes: a run is defined by its logical shards, not by the processes that compute them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from torch import nn

from mlintern.config import ROOT
from mlintern.engine.determinism import Determinism
from mlintern.engine.shards import Shards
from mlintern.errors import UserError


def start(folder: Path, *legs: str) -> subprocess.Popen:
    """`tests.engine.world_runs` with the pins of determinism=strict."""
    pins = Determinism(**yaml.safe_load((ROOT / "conf/determinism/strict.yaml").read_text())).pins()
    argv = [sys.executable, "-m", "tests.engine.world_runs", str(folder), *legs]
    return subprocess.Popen(
        argv, cwd=ROOT, env={**os.environ, **pins}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def results(folder: Path, *legs: str) -> list[dict | None]:
    process = start(folder, *legs)
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def test_two_processes_and_a_resume_on_one_give_the_bits_of_one(tmp_path):
    alone, stopped, resumed = results(tmp_path, "whole:1", "a/stop9:2", "a/whole:1")
    assert stopped is None, "stopped at step 9 by the two processes"
    assert alone["status"] == "finished"
    assert resumed == alone


@pytest.mark.slow
def test_every_world_size_gives_the_same_bits_and_cell_id(tmp_path):
    alone, two, four = results(tmp_path, "whole:1", "whole:2", "whole:4")
    assert two == alone
    assert four == alone


@pytest.mark.slow
def test_a_resume_on_another_world_size_gives_the_same_bits(tmp_path):
    alone, *rest, last = results(tmp_path, "whole:1", "a/stop5:4", "a/stop13:2", "a/whole:4")
    assert rest == [None, None]
    assert last == alone


@pytest.mark.slow
def test_ranks_die_with_rank_zero_and_the_run_continues(tmp_path):
    """kill -9 of rank 0 at step 9, from within."""
    process = start(tmp_path, "a/kill9:4")
    out, err = process.communicate(timeout=280)
    assert process.returncode == -9, err
    others = json.loads(out.splitlines()[-1])
    assert len(others) == 3
    deadline = time.monotonic() + 60
    while left := [pid for pid in others if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"ranks {left} outlived rank 0"
        time.sleep(0.2)
    alone, resumed = results(tmp_path, "whole:1", "a/whole:1")
    assert resumed == alone


@pytest.mark.parametrize(
    "make",
    [lambda: nn.BatchNorm1d(4), lambda: nn.SyncBatchNorm(4), lambda: nn.InstanceNorm1d(4, track_running_stats=True)],
)
def test_batch_statistics_are_refused_with_the_reason(make):
    model = nn.Sequential(nn.Linear(4, 4), make())
    with pytest.raises(UserError, match="trainer.shards=2: 1 .*keeps batch statistics, which depend on how"):
        Shards(2).check(model, 8)
    Shards(1).check(model, 8)


@pytest.mark.parametrize(("count", "world"), [(1, 2), (2, 4), (4, 3), (4, 0)])
def test_processes_that_cannot_share_the_shards_are_refused(count, world):
    with pytest.raises(UserError, match=f"trainer.devices={world}: must be a power of two and at most"):
        Shards(count, world)
