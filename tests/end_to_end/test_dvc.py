"""DVC in real clones: a fresh one reaches the same bytes, and `dvc status` and dvc.lock say what is so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portability.clone import SLUG, clone, shorten

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
METRICS = f"reports/{SLUG}/metrics.json"
PAPER = "paper=2011.14439"


def call(folder: Path, *argv: str) -> str:
    """Run `python -m …` in a clone, as in a shell where the environment is active."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def status(folder: Path) -> str:
    return call(folder, "dvc", "status").strip()


CLEAN = "Data and pipelines are up to date."


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """A fresh clone after `dvc repro`."""
    folder = clone(tmp_path_factory.mktemp("repro") / "clone")
    shorten(folder, ("mlp",))
    call(folder, "dvc", "repro")
    return folder


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Another fresh clone, its files made in the opposite order, after the main job."""
    folder = clone(tmp_path_factory.mktemp("main") / "another" / "clone", backwards=True)
    shorten(folder, ("mlp",))
    call(folder, "mlintern", PAPER)
    return folder


def test_a_fresh_clone_reaches_the_same_bytes(reproduced, ran):
    assert (reproduced / METRICS).read_bytes() == (ran / METRICS).read_bytes()


def test_status_is_clean_after_the_main_job(ran):
    assert status(ran) == CLEAN
    assert (ran / "dvc.lock").exists()


def test_overrides_do_not_touch_what_dvc_tracks(ran):
    lock = (ran / "dvc.lock").read_bytes()
    call(ran, "mlintern", PAPER, "model=mlp", "seed=7")
    assert (ran / "dvc.lock").read_bytes() == lock
    assert status(ran) == CLEAN
