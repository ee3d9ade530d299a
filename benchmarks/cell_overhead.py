"""What a cell costs beside its training: `python -m benchmarks.cell_overhead [--cells 12]`.

Trains the tiny pack's (tests/study/tiny.py) smallest cells by one worker and prints, per cell after the worker's first,
the wall time that is not its training steps: composing, plan, audit check, job, building, evaluation, record, index,
and its share of the report. Exit 1 if that is above the limit.
"""

import argparse
import resource
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
        study(folder, 1)  # prepares and audits the data, once for all
        one, in_one, cpu_one = study(folder, 1)
        many, in_many, cpu_many = study(folder, 1 + arguments.cells)
    # Both studies start processes, import torch and write a report; the longer one has so many cells more.
    overhead = ((many - in_many) - (one - in_one)) / arguments.cells
    print(f"1 cell: {one:.2f} s, {in_one:.2f} s of it training; {cpu_one:.2f} s of CPU")
    print(f"{1 + arguments.cells} cells: {many:.2f} s, {in_many:.2f} s of it training; {cpu_many:.2f} s of CPU")
    cpu = (cpu_many - cpu_one) / arguments.cells
    print(f"overhead per further cell, its worker there: {overhead:.2f} s (limit {LIMIT_S:g} s)")
    print(f"CPU per further cell, training included: {cpu:.2f} s (what a quiet machine would take)")
    return 0 if overhead <= LIMIT_S else 1


def study(folder: Path, seeds: int) -> tuple[float, float, float]:
    """Seconds of a study of so many seeds, seconds of training in it, and seconds of CPU of all its processes."""
    before = set(tiny.records(folder))
    first = 100 * len(before)  # seeds that no study before had
    listed = ",".join(str(first + seed) for seed in range(seeds))
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    tiny.run(folder, tiny.PAPER, f"study.seeds=[{listed}]", "study.design=none", "study.jobs=1", seconds=1800)
    wall, now = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    training = sum(run["wall_s"] for cell, run in tiny.records(folder).items() if cell not in before)
    return wall, training, cpu


if __name__ == "__main__":
    sys.exit(main())
