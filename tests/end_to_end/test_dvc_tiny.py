"""DVC over a tiny paper of its own: what is recorded, what a third clone gets, and no byte tells of time or host."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlintern.core.roots import ROOT
from tests.study import tiny

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
GRID = "    - {model: [net], data: [blobs], ablation: [null, norm_none]}"
CLEAN = "Data and pipelines are up to date."
SLUG = tiny.SLUG


def call(folder: Path, *argv: str, code: int = 0, **environment: str) -> str:
    """Run `python -m …` in a project, as in a shell where the environment is active; what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=folder,
        env={**kept, "PATH": path, "COLUMNS": "160", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def git(folder: Path, *argv: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *argv], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A repository with the tiny paper, after its whole study and `dvc push` to a folder."""
    folder = tiny.project(tmp_path_factory.mktemp("first") / "project", GRID)
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "pipelines", folder / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "papers.yaml").write_text(f"papers:\n  - {SLUG}\n")
    git(folder, "init", "-q")
    call(folder, "dvc", "init", "-q")
    call(folder, "dvc", "remote", "add", "-q", "-d", "local", str(folder.parent / "remote"))
    call(folder, "mlintern", tiny.PAPER)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    assert CLEAN in call(folder, "dvc", "status")
    call(folder, "dvc", "push", "-q")
    return folder


def clone(first: Path, into: Path) -> Path:
    into.parent.mkdir(parents=True, exist_ok=True)
    git(into.parent, "clone", "-q", str(first), str(into))
    return into


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file that DVC holds, but what says when and where."""
    found = {}
    for top in ("data", "reports", "runs"):
        for path in (folder / top).rglob("*"):
            name = path.relative_to(folder).as_posix()
            tracked = top != "runs" or name.startswith(f"runs/{SLUG}/study/") or path.name == "study.json"
            if path.is_file() and tracked and path.name not in ("cost.json", "made.json"):
                found[name] = path.read_bytes()
    return found


def test_a_third_clone_has_all_after_a_pull(first, tmp_path):
    third = clone(first, tmp_path / "third")
    call(third, "dvc", "pull", "-q")
    assert CLEAN in call(third, "dvc", "status")
    assert "4 cells planned: 4 finished" in call(third, "mlintern", "status", SLUG)
    before = outputs(third)
    assert before == outputs(first)
    call(third, "mlintern", "report", SLUG)
    assert outputs(third) == before
    assert "up to date" in call(third, "dvc", "repro")
    # and the main job trains nothing again: the cells are brought back as they were, times and hosts included
    assert "All 4 cells are finished already" in call(third, "mlintern", tiny.PAPER)
    assert tiny.records(third) == tiny.records(first)
    assert CLEAN in call(third, "dvc", "status")


def test_a_rebuild_elsewhere_gives_the_same_bytes(first, tmp_path):
    fourth = clone(first, tmp_path / "a longer name" / "fourth")
    lock = (fourth / "dvc.lock").read_text()
    call(fourth, "dvc", "repro", "-q", TZ="Asia/Kathmandu", LC_ALL="C", PYTHONHASHSEED="77", HOME=str(tmp_path))
    assert outputs(fourth) == outputs(first)
    changed = set((fourth / "dvc.lock").read_text().splitlines()) ^ set(lock.splitlines())
    assert len(changed) <= 4  # md5 and size of study.cost.json, before and after
    host = json.loads(next((first / "runs" / SLUG).glob("*/run.json")).read_text())["environment"]["host"]
    for name, content in outputs(fourth).items():
        assert host.encode() not in content, name
        assert str(first).encode() not in content, name


def test_an_edit_of_the_code_is_never_recorded_over_old_data(first, tmp_path):
    folder = clone(first, tmp_path / "edited")
    call(folder, "dvc", "pull", "-q")
    modules = folder / "papers" / SLUG / "modules.py"
    modules.write_text(modules.read_text().replace("+ 0.7 * y[:, None]", "+ 3.0 * y[:, None]"))
    assert f"prepare@{SLUG}" in call(folder, "dvc", "status")
    old = {path.name for path in (folder / "data" / SLUG).iterdir()}
    out = call(folder, "mlintern", tiny.PAPER)
    assert "Preparing 1 dataset" in out
    assert "Training 4 cells" in out
    assert not old & {path.name for path in (folder / "data" / SLUG).iterdir()}  # as a fresh clone would have it
    assert CLEAN in call(folder, "dvc", "status")


def test_data_of_unknown_code_are_not_recorded_over_a_changed_dependency(first, tmp_path):
    folder = clone(first, tmp_path / "unknown")
    call(folder, "dvc", "pull", "-q")
    with (folder / "mlintern/data/views.py").open("a") as file:
        file.write("# another line\n")
    lock = (folder / "dvc.lock").read_bytes()
    out = call(folder, "mlintern", tiny.PAPER)
    assert "dvc.lock stays as it was: mlintern/data is not as it says" in out
    assert (folder / "dvc.lock").read_bytes() == lock


def test_a_change_while_a_stage_runs_fails_the_stage(first, tmp_path):
    folder = clone(first, tmp_path / "while")
    git(folder, "rm", "-q", "--cached", "dvc.lock")
    (folder / "dvc.lock").unlink()
    stage = folder / "pipelines/prepare.py"
    edit = f"open({str(folder / 'papers' / SLUG / 'modules.py')!r}, 'a').write('#')"
    stage.write_text(stage.read_text().replace("session.prepare()", f"session.prepare(), {edit}"))
    out = call(folder, "pipelines.prepare", SLUG, code=2)
    assert f"papers/{SLUG}/modules.py changed while the study ran" in out
