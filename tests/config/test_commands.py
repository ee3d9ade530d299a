"""The real command over hostile packs: one line, exit code 2, nothing written and nothing imported."""

import shutil
import subprocess
import sys

import pytest

from mlintern.core.roots import ROOT
from tests.config.packs import NET, PAPER, SLUG, pipe, write


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    for name in ("mlintern", "conf", "hydra_plugins", "locks"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


EVIL = "hydra: {callbacks: {x: {_target_: papers.local_evil.modules.Net}}}\n"


@pytest.mark.parametrize(
    ("changes", "argv", "says"),
    [
        ({PAPER: "+sandbox: none\n"}, ["seed=0"], "sandbox is the user's"),
        ({PAPER: f"+{EVIL}"}, ["-m", "seed=0,1"], "hydra is the user's"),
        ({PAPER: f"+{EVIL}"}, ["--cfg", "job"], "hydra is the user's"),
        ({PAPER: "# @package _global_\ndefaults:\n  - override /hydra/launcher: mine\n"}, ["-m", "seed=0,1"], ":3: "),
        ({NET: pipe}, ["--info"], "net.yaml"),
        ({NET: "- 1\n"}, ["hydra/sweeper=optuna", "trainer.max_steps=1,2"], "net.yaml:1: is a list"),
    ],
)
def test_refused(project, changes, argv, says):
    shutil.rmtree(project / "papers", ignore_errors=True)
    write(project, changes)
    done = subprocess.run(
        [sys.executable, "-m", "mlintern", f"paper={SLUG}", *argv],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (project / "canary").exists()
    assert not [path for path in project.glob("*") if path.name in ("data", "reports", "multirun", "outputs")]
    assert not [path for path in project.glob("runs/*") if path.name != ".snapshots"]
