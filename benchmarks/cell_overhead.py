"""What a cell costs beside its training: `python -m benchmarks.cell_overhead [--cells 12]`.

Trains the tiny pack's (tests/study/tiny.py) smallest cells by one worker and prints, per cell after the worker's first,
the wall time that is not its training steps: composing, plan, audit check, job, building, evaluation, record, index,
and its share of the report. Exit 1 if that is above the limit.
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.study import tiny

LIMIT_S = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=12, help="cells of the longer of the two studies (default: 12)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = tiny.project(Path(name), "    - {model: [plain], data: [blobs]}")
        one, in_one, _ = study(folder, 1)
        many, in_many, marks = study(folder, 1 + arguments.cells)
    # Both studies start processes, import torch and write a report; the longer one has so many cells more.
    overhead = ((many - in_many) - (one - in_one)) / arguments.cells
    print(f"1 cell: {one:.2f} s, {in_one:.2f} s of it training")
    print(f"{1 + arguments.cells} cells: {many:.2f} s, {in_many:.2f} s of it training")
    print(f"finished cells as they were said, s after the start: {', '.join(f'{mark:.1f}' for mark in marks)}")
    print(f"overhead per further cell in a worker that is there: {overhead:.2f} s (limit {LIMIT_S:g} s)")
    return 0 if overhead <= LIMIT_S else 1


def study(folder: Path, seeds: int) -> tuple[float, float, list[float]]:
    """Seconds of a study of so many seeds, seconds of training in it, and when each cell was said to be finished."""
    before = set(tiny.records(folder))
    began, marks = time.monotonic(), []
    first = 100 * len(before)  # seeds that no study before had
    listed = ",".join(str(first + seed) for seed in range(seeds))
    process = tiny.start(
        folder, tiny.PAPER, f"study.seeds=[{listed}]", "study.design=none", "study.jobs=1", PYTHONUNBUFFERED="1"
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if re.match(r"\s+\d+/\d+  plain", line):
            marks.append(time.monotonic() - began)
    if process.wait() != 0:
        raise SystemExit("".join(said))
    wall = time.monotonic() - began
    training = sum(run["wall_s"] for cell, run in tiny.records(folder).items() if cell not in before)
    return wall, training, marks


if __name__ == "__main__":
    sys.exit(main())
