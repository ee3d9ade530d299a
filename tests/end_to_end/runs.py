"""Running the command line in processes of their own, as a user would, with everything it writes in one folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from mlintern.core.roots import ROOT

PAPER = "paper=2011.14439"
SLUG = "arxiv_2011_14439"


def start(folder: Path, *argv: str) -> subprocess.Popen:
    """Start `python -m mlintern` with its outputs below `folder`."""
    where = [f"run.dir={folder}/runs", f"run.data_dir={folder}/data", f"run.report_dir={folder}/reports"]
    environment = {**os.environ, "COLUMNS": "200", "PYTHONHASHSEED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "mlintern", *argv, *where],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *argv: str, code: int = 0) -> str:
    """Run to the end; returns what was printed."""
    process = start(folder, *argv)
    out, _ = process.communicate(timeout=280)
    assert process.returncode == code, out
    return out


def records(folder: Path) -> list[dict]:
    """Every record, sorted by variant, levels and seed."""
    found = [json.loads(path.read_text()) for path in (folder / "runs").glob("*/*/run.json")]
    return sorted(found, key=lambda r: (r["variant"], sorted(r["levels"].items()), r["seed"]))


def bits(record: dict) -> tuple:
    """What must be equal between two runs of one cell."""
    return tuple(
        record[name]
        for name in (
            "cell_id",
            "loss_chain_sha256",
            "weights_sha256",
            "metrics",
            "evaluations",
            "selection",
            "test_readings",
        )
    )


def wait_for(condition, seconds: float = 120.0) -> None:
    """Poll until `condition()` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def kill(process: subprocess.Popen, how: int = signal.SIGKILL) -> None:
    """Signal the process alone (its workers must notice by themselves), and wait for it."""
    os.kill(process.pid, how)
    process.communicate(timeout=120)
