"""Portability for real: a shortened study in a clone elsewhere, and another CPU."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlintern.core.roots import ROOT
from portability import emulation
from portability.circumstances import Elsewhere

SEEN = """
import errno, importlib.util, json, locale, os, socket, time
import torch
os.mkdir("made")
with socket.socket() as attempt:
    network = attempt.connect_ex(("127.0.0.1", 9)) != errno.ENETUNREACH
print(json.dumps({
    "uid": os.geteuid(), "zone": time.timezone, "cores": len(os.sched_getaffinity(0)), "network": network,
    "encoding": locale.getpreferredencoding(False), "seed": os.environ["PYTHONHASHSEED"],
    "mode": os.stat("made").st_mode & 0o777, "mlintern": importlib.util.find_spec("mlintern") is not None,
}))
"""


@pytest.mark.extended
def test_a_command_runs_under_the_other_circumstances(capfd):
    where = Elsewhere(Path(tempfile.mkdtemp(dir="/var/tmp")))
    where.make()
    try:
        (where.base / "work").mkdir()
        where.give(where.base / "work")
        where.run([str(where.python), "-c", SEEN], where.base / "work")
    finally:
        where.remove()
    seen = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert not seen["mlintern"], "only a clone that is the working folder may give mlintern"
    assert seen["zone"] == -45900
    assert seen["seed"] == "4242"
    assert seen["mode"] == 0o750
    assert seen["encoding"].lower() != "utf-8"
    assert where.user is None or seen["uid"] != os.geteuid()
    assert seen["network"] == (not where.offline)
    assert not where.one_core or seen["cores"] == 1
    assert not where.base.exists()


@pytest.mark.extended
@pytest.mark.timeout(1200)
def test_a_short_study_comes_to_the_same_bits_elsewhere():
    argv = [sys.executable, "-m", "portability", "--short", "--only", "study"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "same bits" in done.stdout
    assert "hashes and metrics of the cells" in done.stdout


@pytest.mark.extended
@pytest.mark.timeout(1200)
@pytest.mark.skipif(shutil.which(emulation.QEMU) is None, reason="qemu-user is not installed")
def test_operations_are_the_same_on_another_cpu():
    lines: list[str] = []
    assert emulation.compare_cpus(["Haswell-noTSX"], lines.append, ["--no-training"]), lines
