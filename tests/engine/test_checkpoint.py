"""A checkpoint that is not as it was written, or of another run, is said and not taken up: training starts anew."""

import dataclasses
import os

import pytest

from mlintern.core.errors import Interrupted
from mlintern.engine import checkpoint, inside, weights
from mlintern.engine.inside import Inside
from tests.engine import small


@pytest.fixture(scope="module")
def reference():
    loop = small.make_loop()
    loop.run()
    return small.bits(loop)


def made(path, **options):
    loop = small.make_loop(checkpoint=path, **options)
    loop.inside = Inside()
    return loop


def stopped(path):
    with pytest.raises(Interrupted):
        made(path, stop_at=13).run()


def spoil(path, how):
    content = bytearray(path.read_bytes())
    if how == "torn":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "weights":
        content[-10] ^= 1
        path.write_bytes(content)
    elif how == "note":
        path.write_bytes(content.replace(b'\\"step\\": 13', b'\\"step\\": 12'))
        assert path.read_bytes() != bytes(content)
    elif how == "header":
        path.write_bytes(b"\xff" * 8 + content[8:])
    elif how == "no note":
        tensors, _ = weights.load_tensors(path)
        weights.save_tensors(path, tensors, {})
    elif how == "other version":
        tensors, note = weights.load_tensors(path)
        weights.save_tensors(path, tensors, {name: value for name, value in note.items() if name != checkpoint.SEAL})
    elif how == "inside torn":
        path.with_name("inside.parquet").write_bytes(b"PAR1")
    elif how == "inside gone":
        path.with_name("inside.parquet").unlink()
    elif how == "inside edited":
        kept = Inside()
        kept.passed = [dataclasses.replace(row, sha="0" * 16) for row in inside.read(path.with_name("inside.parquet"))]
        kept.write(path.with_name("inside.parquet"))
    elif how == "pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        path.rename(path.with_name("elsewhere"))
        path.symlink_to(path.with_name("elsewhere"))


WAYS = ("torn", "empty", "weights", "note", "header", "no note", "other version", "pipe", "link")
INSIDES = ("inside torn", "inside gone", "inside edited")


@pytest.mark.parametrize("how", [*WAYS, *INSIDES])
def test_a_damaged_checkpoint_is_not_taken_up(reference, tmp_path, how):
    path = tmp_path / "checkpoint.safetensors"
    stopped(path)
    spoil(path, how)
    loop = made(path)
    said = []
    loop.say = said.append
    loop.restore()
    assert loop.state.step == 0
    (line,) = said
    assert str(tmp_path) in line
    assert line.endswith(": training starts anew")
    loop.run()
    assert small.bits(loop) == reference
    assert [row.step for row in loop.inside.passed].count(4) > 0


def test_a_whole_one_is_taken_up(reference, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    stopped(path)
    loop = made(path)
    loop.restore()
    assert loop.state.step == 13
    loop.run()
    assert small.bits(loop) == reference


def test_another_runs_checkpoint_is_not_taken_up(reference, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    other = small.make_loop(checkpoint=path, stop_at=13)
    other.plan = dataclasses.replace(other.plan, identity="another")
    with pytest.raises(Interrupted):
        other.run()
    loop = small.make_loop(checkpoint=path)
    with pytest.warns(UserWarning, match="is of another run: training starts anew"):
        loop.run()
    assert small.bits(loop) == reference
