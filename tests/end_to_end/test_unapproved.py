"""Code that nobody approved trains inside the sandbox, to the same bits; without a sandbox it is refused."""

import os
import shutil
import subprocess
import sys

import pytest

from mlintern.config import ROOT
from tests.end_to_end.runs import PAPER, SLUG, bits, records

CELL = ["model=logistic", "seed=0", "trainer.max_steps=40"]


@pytest.fixture
def copy(tmp_path):
    """A copy of the project in which nobody has approved the pack, without its history and environment."""
    for name in ("mlintern", "conf", "papers", "pyproject.toml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def run(folder, *argv):
    return subprocess.run(
        [sys.executable, "-m", "mlintern", PAPER, *CELL, *argv],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "COLUMNS": "200", "SECRET_OF_MINE": "do not tell"},
    )


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_unapproved_code_runs_in_the_sandbox_to_the_same_bits(copy):
    approved = run(copy)
    assert approved.returncode == 0, approved.stderr
    (reference,) = records(copy)
    shutil.rmtree(copy / "runs")
    (copy / "papers" / SLUG / "pack.lock").unlink()
    sandboxed = run(copy)
    assert sandboxed.returncode == 0, sandboxed.stderr + sandboxed.stdout
    assert "runs inside the sandbox" in sandboxed.stdout
    (record,) = records(copy)
    assert bits(record) == bits(reference)


def test_a_module_that_reaches_for_the_host_gets_nothing(copy):
    modules = copy / "papers" / SLUG / "modules.py"
    target = copy / "stolen"
    payload = (
        f"import os\ntry:\n    open({str(target)!r}, 'w').write(str(dict(os.environ)))\nexcept OSError:\n    pass\n"
        "assert 'SECRET_OF_MINE' not in os.environ\n"
    )
    modules.write_text(modules.read_text() + "\n" + payload)
    done = run(copy)
    assert "is not as approved" in done.stdout + done.stderr
    assert not target.exists()
