"""The live snapshot: what a process had done when it was killed is there, whole, and goes on to the same bits."""

import contextlib
import os
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlintern.engine import live
from mlintern.engine.checkpoint import Cadence
from tests.engine import small

KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from mlintern.engine import checkpoint, live
from tests.engine import small

path, step, where = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
loop = small.make_loop(checkpoint=path, cadence_s=1e6 if where == "step" else 0.0, validate=False, eval_every=1000)

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if where == "step":
    loop.on_progress = lambda done: done == step and die()
elif where == "copy":  # in the middle of a snapshot: its first tensor is written, the others are not
    loop.cadence.seconds = 1e6
    loop.on_progress = lambda done: setattr(loop.snapshot, "every", 1) if loop.snapshot else None
    copy = torch._foreach_copy_
    def half(to, what):
        copy(to[:1], what[:1])
        if loop.state.step == step:
            die()
        copy(to[1:], what[1:])
    torch._foreach_copy_ = half
elif where == "write":  # in the middle of writing a checkpoint
    loop.due = lambda: True
    save = checkpoint.weights.save_file
    def torn(tensors, draft, metadata):
        save(tensors, draft, metadata=metadata)
        if loop.state.step == step:
            with open(draft, "r+b") as handle:
                handle.truncate(os.path.getsize(draft) // 2)
            die()
    checkpoint.weights.save_file = torn
elif where == "rename":  # the checkpoint is written, its snapshot not yet begun
    loop.due = lambda: True
    start = live.Snapshot
    live.Snapshot = lambda *a: die() if loop.state.step == step else start(*a)
    live.Snapshot.possible = start.possible
loop.run()
"""


@pytest.fixture(scope="module")
def reference():
    loop = small.make_loop(validate=False, eval_every=1000)
    loop.run()
    return loop


def killed(path, step, where):
    """Train in a process of its own that kills itself (SIGKILL) at that step and place."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(step), where], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def resumed(path):
    loop = small.make_loop(checkpoint=path, validate=False, eval_every=1000)
    loop.restore()
    at = loop.state.step
    loop.run()
    return loop, at


def same(loop, reference):
    digests = (loop.state.trace.digests() == reference.state.trace.digests()).all()
    return digests and small.bits(loop) == small.bits(reference)


@pytest.mark.extended
@pytest.mark.parametrize(
    ("step", "where", "least"),
    [
        (2, "step", 1),
        (7, "step", 6),  # the last batch of an epoch
        (23, "step", 22),
        (40, "step", 39),  # the last batch of training
        (24, "copy", 22),
        (25, "copy", 23),
        (14, "write", 13),
        (40, "write", 39),
        (21, "rename", 20),
    ],
)
def test_a_kill_loses_the_running_step_at_most(reference, tmp_path, step, where, least):
    path = tmp_path / "checkpoint"
    killed(path, step, where)
    loop, at = resumed(path)
    if where == "step":  # a copy may be put off when the machine is so slow that it takes 5 % of a step
        assert at >= 1
    else:
        assert at >= least
    assert same(loop, reference)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.0, 1e6])), min_size=1, max_size=4))
def test_any_kills_anywhere_lead_to_the_same_bits(reference, kills):
    """Each sitting ends at its step as a killed one does, without a last word; the next goes on from what is there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        for step, seconds in kills:
            loop = small.make_loop(checkpoint=path, cadence_s=seconds, validate=False, eval_every=1000)

            def die(done, step=step):
                if done == step:
                    raise KeyboardInterrupt

            loop.on_progress = die
            with contextlib.suppress(KeyboardInterrupt):
                loop.run()
        loop, _ = resumed(path)
        assert same(loop, reference)


def in_process(path, steps, every=1):
    """A run that stops after `steps` as if it had been killed: with a checkpoint of step 1, and a snapshot."""
    loop = small.make_loop(checkpoint=path, cadence_s=1e6, validate=False, eval_every=1000)
    loop.run(until=1)
    loop.on_progress = lambda step: setattr(loop.snapshot, "every", every) if loop.snapshot else None
    for batch in loop.feed.batches(1, steps):
        loss, digest = loop.train_step(batch, loop.state.step), loop.digest()
        loop.state.step += 1
        loop.snapshot.every = every
        loop.snapshot.step_done(loop.state.step, loss, digest)
    return loop


def test_every_step_is_kept(reference, tmp_path):
    path = tmp_path / "checkpoint"
    in_process(path, 30)
    loop, at = resumed(path)
    assert at == 30
    assert same(loop, reference)


def test_every_third_step_is_kept_where_that_is_the_budget(reference, tmp_path):
    path = tmp_path / "checkpoint"
    in_process(path, 30, every=3)
    loop, at = resumed(path)
    assert at in (28, 29, 30)
    assert same(loop, reference)


@pytest.mark.parametrize(
    "spoil",
    [
        "boot",
        "unfinished",
        "other checkpoint",
        "cut",
        "other run",
        "weights",
        "losses",
        "layout",
        "link",
        "pipe",
        "folder",
    ],
)
def test_what_cannot_be_trusted_is_left(reference, tmp_path, spoil):
    path = tmp_path / "checkpoint"
    in_process(path, 30)
    file = path.with_name(live.LIVE_FILE)
    data = bytearray(file.read_bytes())
    _, length, _, _, size, _, _ = live._HEAD.unpack_from(data)
    start = -(-(live._LAYOUT_AT + length) // 4096) * 4096
    if spoil == "boot":
        data[32] ^= 1
    elif spoil == "unfinished":
        for half in (0, 1):
            struct.pack_into("<q", data, live._MARKS_AT + half * live._MARK.size, 0)
    elif spoil == "other checkpoint":
        struct.pack_into("<q", data, 16, 5)
    elif spoil == "other run":
        data[72] = ord("x")
    elif spoil == "weights":
        for half in (0, 1):
            data[start + half * size] ^= 1
    elif spoil == "losses":
        data[start + 2 * size] ^= 1
    elif spoil == "layout":
        data[live._LAYOUT_AT] = ord("{")
    else:
        data = data[:20]
    file.unlink()
    if spoil == "link":
        file.symlink_to("/dev/zero")
    elif spoil == "pipe":
        os.mkfifo(file)
    elif spoil == "folder":
        file.mkdir()
    else:
        file.write_bytes(data)
    loop, at = resumed(path)
    assert at == 1
    assert same(loop, reference)


def test_an_evaluation_makes_copies_wait_for_a_checkpoint(tmp_path):
    path = tmp_path / "checkpoint"
    loop = small.make_loop(checkpoint=path, cadence_s=1e6, eval_every=7)
    loop.cadence.affordable = lambda: loop.state.step in (1, 9)
    seen = {}
    loop.on_progress = lambda step: seen.setdefault(step, loop.snapshot is not None)
    loop.run(until=12)
    assert [step for step, there in seen.items() if there] == [2, 3, 4, 5, 6, 10, 11, 12]


def test_the_budget():
    snapshot = live.Snapshot.__new__(live.Snapshot)
    snapshot.every, snapshot._cost, snapshot._asked = 1, float("inf"), 10
    snapshot._budget(0.02, 1.0)  # ten steps of a tenth of a second
    assert snapshot.every == 5  # a copy of 20 ms is 5 % of five steps of 80 ms
    snapshot._budget(0.0001, 1.0)
    assert snapshot.every == 1


def test_what_is_not_kept_so():
    model = torch.nn.Linear(2, 2)
    assert live.Snapshot.possible(model, torch.optim.Adam(model.parameters()))
    large = torch.nn.Linear(1, live.LARGEST // 4 + 1, device="meta")
    assert not live.Snapshot.possible(large, torch.optim.SGD(large.parameters()))
    assert not Cadence(float("inf")).due()
    assert os.path.basename(live.LIVE_FILE) == live.LIVE_FILE
