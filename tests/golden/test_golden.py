"""Golden losses: the engine's bits per ENGINE_VERSION, exact on any x86-64 CPU with AVX2.

A failure here means that cells of one id would get other bits than before. If that is meant, raise ENGINE_VERSION, run
`python -m tests.golden.write` and add a line to CHANGELOG.md; if not, the change is a bug.
"""

import importlib.metadata
import json
import platform
import struct
from pathlib import Path

import pytest

from mlintern.engine import ENGINE_VERSION
from mlintern.study.verify.bits import ulp_distance
from tests.golden.runs import ROOT, STEPS, bits

GOLDEN = ROOT / f"tests/golden/engine_{ENGINE_VERSION}.json"


def unsuited() -> str | None:
    """Why the golden bits promise nothing for this machine or this torch; None where they do."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"golden losses hold on x86-64, this is {platform.machine()}"
    cpu = Path("/proc/cpuinfo")
    if cpu.exists() and "avx2" not in cpu.read_text().split():
        return "golden losses hold on CPUs with AVX2, which this one lacks"
    if GOLDEN.exists():
        written, here = json.loads(GOLDEN.read_text())["torch"], importlib.metadata.version("torch").split("+")[0]
        if written != here:
            return f"golden losses were written with torch {written}, this is {here}"
    return None


@pytest.fixture(scope="module")
def measured():
    if reason := unsuited():
        pytest.skip(reason)
    return bits()["runs"]


def golden() -> dict:
    assert GOLDEN.exists(), f"{GOLDEN.name}: none for this engine version; run `python -m tests.golden.write`"
    return json.loads(GOLDEN.read_text())["runs"]


@pytest.mark.parametrize("name", ["mlp", "mlp_mixup_shards", "cnn_shift", "gru", "transformer_dropout"])
def test_bits_are_those_of_this_engine_version(measured, name):
    expected, found = golden()[name], measured[name]
    for step, (a, b) in enumerate(zip(expected["losses"], found["losses"], strict=True)):
        was, now = (struct.unpack(">f", bytes.fromhex(x))[0] for x in (a, b))
        assert a == b, f"step {step}: loss {was!r} before, {now!r} now ({ulp_distance(was, now)} ulp apart)"
    assert found["weights_sha256"] == expected["weights_sha256"], "all losses agree, the final weights do not"


def test_the_runs_learn_and_differ():
    """Frozen bits of a run that does nothing would be worth nothing."""
    runs = golden()
    assert len({run["weights_sha256"] for run in runs.values()}) == len(runs)
    for name, run in runs.items():
        losses = [struct.unpack(">f", bytes.fromhex(value))[0] for value in run["losses"]]
        assert len(losses) == STEPS
        assert sum(losses[-5:]) < sum(losses[:5]), name
