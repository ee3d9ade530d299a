"""What the sandbox costs a cell: the same tiny cell through the command, bare and sandboxed in turn.

    python -m benchmarks.sandbox_overhead [--pairs 7]

Prints seconds of wall time (with the interpreter's start and imports, which both have) and of CPU, per kind, and the
median of the paired differences.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.study import tiny

SETTLED = ("data", "runs")
"""Folders of a project that are removed before each run, so that data, audit and training are all in it."""


def timed(folder: Path, *argv: str) -> tuple[float, float]:
    """Wall and CPU seconds of one command over the tiny pack."""
    for name in SETTLED:
        shutil.rmtree(folder / name, ignore_errors=True)
    before, began = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "mlintern", tiny.PAPER, "model=net", "seed=0", *argv]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True
    )
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Run the pairs and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as place:
        folder = tiny.project(Path(place))
        timed(folder, "sandbox=none")  # caches of bytecode and of the disk
        rows = [(timed(folder, "sandbox=none"), timed(folder)) for _ in range(pairs)]
    for name, column in (("wall", 0), ("CPU", 1)):
        bare, held = [a[column] for a, _ in rows], [b[column] for _, b in rows]
        differences = [b - a for a, b in zip(bare, held, strict=True)]
        print(
            f"{name}: bare {statistics.median(bare):.2f} s, sandboxed {statistics.median(held):.2f} s, difference "
            f"{statistics.median(differences):+.2f} s (from {min(differences):+.2f} to {max(differences):+.2f}, "
            f"{pairs} pairs)"
        )


if __name__ == "__main__":
    main()
