"""The row "another path and user": jobs in a copy of this project, where another user runs them."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlintern.core.roots import ROOT
from portability.circumstances import Elsewhere

COPIED = ("mlintern", "conf", "papers", "benchmarks", "portability", "pyproject.toml")


def runner(elsewhere: Elsewhere, data: Path) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Copy project and data once; returns what runs jobs there."""
    elsewhere.make()
    project, work = elsewhere.base / "a copy", elsewhere.base / "work"
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, project / name)
    shutil.copytree(data, work / "data")
    elsewhere.give(project)
    elsewhere.give(work)

    def run(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        side = jobs[0]["side"]
        moved = [{**job, "data": str(work / "data"), "folder": str(work / side / job["subject"])} for job in jobs]
        questions, answers = work / f"{side}.jobs.json", work / f"{side}.answers.json"
        questions.write_text(json.dumps(moved))
        questions.chmod(0o644)
        pins = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG")}
        argv = [str(elsewhere.python), "-m", "benchmarks.repro_matrix.one", str(questions), str(answers)]
        elsewhere.run(argv, project, pins)
        return json.loads(answers.read_text())

    return run
