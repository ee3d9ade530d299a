"""docs/add-a-*.md: each example as it stands there, in a copy of the project, by the commands that stand there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlintern.core.roots import ROOT
from mlintern.core.targets import definitions
from mlintern.core.targets.check import ENGINE_PREFIXES, TARGET, target_problem

GUIDES = sorted(path for path in (ROOT / "docs").glob("add-a*.md") if path.stem != "add-a-check")
"""All but that of a check, whose file tests/audit/test_registry.py runs."""
TRAINING = [guide for guide in GUIDES if "-m mlintern paper=" in guide.read_text()]
_FILE = re.compile(r"^(?:[^\n]*, )?`([\w./]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files(guide: Path) -> dict[str, str]:
    """{path: text} of the files that a guide shows."""
    return dict(_FILE.findall(guide.read_text()))


def commands(guide: Path) -> list[tuple[list[str], list[str]]]:
    """(command, lines that it prints, … for what may differ) of a guide's consoles."""
    found: list[tuple[list[str], list[str]]] = []
    for console in _CONSOLE.findall(guide.read_text()):
        for line in console.splitlines():
            if line.startswith("$ "):
                found.append((shlex.split(line.removeprefix("$ ")), []))
            elif line.strip():
                found[-1][1].append(line)
    return found


def write(guide: Path, folder: Path) -> list[Path]:
    """The guide's files, written into a folder; none replaces one that is there."""
    made = []
    for name, text in files(guide).items():
        path = folder / name
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        made.append(path)
    return made


def follow(guide: Path, folder: Path) -> None:
    """Does what a guide says in a copy of the project, and looks for what it says is printed."""
    for name in ("mlintern", "conf", "hydra_plugins", "locks", "papers/arxiv_2011_14439"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    write(guide, folder)
    for command, lines in commands(guide):
        assert command[0] == "python"
        done = subprocess.run(
            [sys.executable, *command[1:]],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        at = 0
        for line in lines:
            found = re.compile("[^\n]*".join(map(re.escape, line.split("…")))).search(done.stdout, at)
            assert found, f"{line}: {done.stdout}{done.stderr}"
            at = found.end()


def named(guides: list[Path]):
    return pytest.mark.parametrize("guide", guides, ids=lambda guide: guide.stem)


def test_there_is_a_guide_for_each_thing_with_a_file_and_a_command():
    things = {"a-claim", "a-metric", "a-model", "a-dataset", "an-optimizer", "a-reader"}
    assert things <= {guide.stem.removeprefix("add-") for guide in GUIDES}
    for guide in GUIDES:
        code = [name for name in files(guide) if name.startswith("mlintern/")]
        assert len(code) == 1, guide  # one file to add one thing
        assert commands(guide), guide


@named(TRAINING)
def test_a_config_may_build_what_a_guide_adds(guide, tmp_path):
    """What needs no training: the example's file is a part, and takes the arguments that its line in conf/ gives."""
    for path in write(guide, tmp_path):
        if path.suffix == ".yaml":
            items = [yaml.safe_load(path.read_text())]
            while items:
                item = items.pop()
                items += [value for value in item.values() if isinstance(value, dict)]
                if target := item.pop(TARGET, None):
                    assert target_problem(target, ENGINE_PREFIXES, [tmp_path, ROOT]) is None
                    taken = definitions.arguments(definitions.find(target, [tmp_path]), [tmp_path, ROOT])
                    assert taken is None or set(item) <= set(taken)
        else:
            compile(path.read_text(), path, "exec")


@named([guide for guide in GUIDES if guide not in TRAINING])
def test_a_guide_can_be_followed(guide, tmp_path):
    follow(guide, tmp_path)


@pytest.mark.slow
@named(TRAINING)
def test_a_guide_with_a_training_can_be_followed(guide, tmp_path):
    follow(guide, tmp_path)
