"""What the boundary costs a cell: sandbox, host scoring, snapshot and checks, against the same work in one process.

    python -m benchmarks.sandbox_overhead [--kinds alone study demo] [--pairs 5] [--cells 8]

Each pair runs the command as it is and `benchmarks/bare_cells.py`, one after the other and the first of the two in
turn, over the same cells, from no data to the end; they must come to the same bits. Kinds: `alone`, one tiny cell that
trains in a moment; `study`, several of them with a report; `demo`, a cell of the bundled paper with all of its steps.
Printed are medians, by the clock and of CPU, and for the difference a cell its median with an interval over the pairs
of 95 % (the range, up to eight pairs). Both run one cell at a time (`study.jobs=1`), but the command has processes that
work side by side: CPU says what a machine without a free core would wait.

A sandbox that is killed takes the CPU of its processes with it, unseen by whoever waits for it: what is counted is the
larger of what the kernel summed and what was seen of each process while it lived. Exit code 1: above a limit.
"""

import argparse
import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

from mlintern.core.roots import ROOT
from mlintern.sandbox.usage import descendants
from tests.study import tiny

SETTLED = ("data", "runs", "reports")
"""Folders of a project that are removed before each run, so that everything is in it; the snapshot is made anew too."""
BUNDLED = "arxiv_2011_14439"
MOST_SECONDS, MOST_SHARE = 0.5, 0.05
"""Limits: seconds by the clock that a cell may take longer, and the share of a demo's cell."""
SEEN_EVERY_S = 0.05


@dataclass(frozen=True)
class Took:
    """One run."""

    wall: float
    cpu: float
    bits: dict[str, str]
    """{cell id: hash of its weights}."""


def timed(folder: Path, *command: str) -> Took:
    """Run a command from nothing."""
    for name in SETTLED:
        shutil.rmtree(folder / name, ignore_errors=True)
    before, began, seen = os.times(), time.perf_counter(), dict[int, float]()
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "160"}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([sys.executable, *command], cwd=folder, env=environment, stdout=said, stderr=said)
        over = threading.Event()
        watching = threading.Thread(target=watch, args=(process.pid, seen, over))
        watching.start()
        process.wait()
        wall = time.perf_counter() - began
        over.set()
        watching.join()
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read())
    after = os.times()
    summed = after.children_user + after.children_system - before.children_user - before.children_system
    weights = {cell: run["weights_sha256"] for cell, run in tiny.records(folder).items()}
    return Took(wall, max(summed, sum(seen.values())), weights)


def watch(pid: int, seen: dict[int, float], over: threading.Event) -> None:
    """Keep the CPU of a process and of all below it, as last seen."""
    tick = os.sysconf("SC_CLK_TCK")
    while not over.wait(SEEN_EVERY_S):
        for each in [pid, *descendants(pid)]:
            try:
                fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            seen[each] = (int(fields[11]) + int(fields[12])) / tick


def bundled(folder: Path) -> Path:
    """The project with the bundled paper's pack alone."""
    for name in ("mlintern", "conf", "hydra_plugins", "locks", f"papers/{BUNDLED}"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return folder


def compared(folder: Path, slug: str, overrides: list[str], cells: int, pairs: int) -> tuple[float, float]:
    """Run the pairs and print them; (seconds by the clock that a cell took longer, the share of the whole)."""
    overrides = [*overrides, "study.jobs=1"]
    runs = {
        "the command": ["-m", "mlintern", f"paper={slug}", *overrides],
        "one bare process": [str(ROOT / "benchmarks" / "bare_cells.py"), slug, *overrides],
    }
    for command in runs.values():  # the disk's caches
        timed(folder, *command)
    took: dict[str, list[Took]] = {name: [] for name in runs}
    for pair in range(pairs):
        for name in list(runs)[:: 1 if pair % 2 else -1]:
            took[name].append(timed(folder, *runs[name]))
    held, bare = took.values()
    if len({str(sorted(one.bits.items())) for one in (*held, *bare)}) != 1 or len(held[0].bits) != cells:
        raise SystemExit(f"{slug}: not the same {cells} cells with the same bits")
    found = {}
    for what in ("wall", "cpu"):
        pair_s = [(getattr(a, what), getattr(b, what)) for a, b in zip(held, bare, strict=True)]
        more = [(a - b) / cells for a, b in pair_s]
        share = statistics.median(a / b for a, b in pair_s) - 1
        low, high = interval(more)
        print(
            f"  {'clock' if what == 'wall' else 'CPU'}: {statistics.median(a for a, _ in pair_s):.2f} s against "
            f"{statistics.median(b for _, b in pair_s):.2f} s; a cell {statistics.median(more):+.2f} s "
            f"[{low:+.2f}, {high:+.2f}], {share:+.1%}",
            flush=True,
        )
        found[what] = statistics.median(more), share
    return found["wall"]


def interval(values: list[float]) -> tuple[float, float]:
    """Of the median: the values that lie between are so many that it is missed in at most 5 % of cases."""
    ordered, out = sorted(values), int(stats.binom.ppf(0.025, len(values), 0.5))
    out = max(out - 1, 0)
    return ordered[out], ordered[-1 - out]


def main() -> int:
    """Run the kinds that are asked for; 1 where one is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=("alone", "study", "demo"), default=["alone", "study", "demo"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cells", type=int, default=8, help="cells of the tiny study")
    arguments = parser.parse_args()
    above = False
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as place:
            if kind == "demo":
                slug, overrides, cells = BUNDLED, ["model=mlp", "seed=0"], 1
                folder = bundled(Path(place))
            else:
                slug, cells = tiny.SLUG, 1 if kind == "alone" else arguments.cells
                seeds = ",".join(map(str, range(cells)))
                study = [f"study.seeds=[{seeds}]", "study.design=none"]
                overrides = ["model=net", "seed=0"] if kind == "alone" else study
                folder = tiny.project(Path(place), "    - {model: [plain], data: [blobs]}")
            compileall.compile_dir(folder / "mlintern", quiet=1)  # as `make venv` and pip do
            print(f"{kind}: {cells} cell{'s' * (cells > 1)}, {arguments.pairs} pairs", flush=True)
            seconds, share = compared(folder, slug, overrides, cells, arguments.pairs)
            above |= seconds >= MOST_SECONDS or (kind == "demo" and share >= MOST_SHARE)
    return int(above)


if __name__ == "__main__":
    sys.exit(main())
