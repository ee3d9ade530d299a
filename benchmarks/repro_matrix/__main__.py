"""The reproducibility matrix: `python -m benchmarks.repro_matrix [--rows WORD] [--jobs N] [--no-overheads]`.

MLP, CNN and transformer, each with dropout and augmentation, under everything that should not matter, by the engine and
by a plain Lightning Trainer set up as its documentation recommends (see `plain`). Each row says how many runs ended
with the weights (and, where both have them, the losses) of the side's own reference run, bit for bit. Then what the
guarantees cost (see `overheads`). Exit code 1 if a run of ours differs.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.repro_matrix import subjects
from mlintern.engine.determinism import Determinism


def pinned() -> None:
    """Start again with the pins of determinism=strict, which precede the import of torch; both sides get them."""
    pins = {**Determinism(**subjects.base()["determinism"]).pins(), "PYTHONHASHSEED": "0"}
    pins |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    if any(os.environ.get(name) != value for name, value in pins.items()):
        argv = [sys.executable, "-m", "benchmarks.repro_matrix", *sys.argv[1:]]
        os.execve(sys.executable, argv, {**os.environ, **pins})


def equal(reference: dict[str, Any], found: dict[str, Any]) -> bool:
    """Equal weights, and equal losses where both sides of the comparison have them."""
    if "weights" not in reference or found.get("weights") != reference["weights"]:
        return False
    losses = reference["losses"], found["losses"]
    return None in losses or losses[0] == losses[1]


def measure(
    side: Any, words: list[str], at_once: int, say: Callable[[str], None]
) -> dict[str, tuple[int, int, list[str]]]:
    """Run a side's rows, those with one of `words` in their name if there are any."""
    from benchmarks.repro_matrix import forks

    results = forks.everything(side.references(), at_once, say)
    side.seconds = {subject: results[f"{subject} seconds"] for subject in subjects.SUBJECTS}
    side.plan()
    rows = [row for row in side.rows if not words or any(word in row.name for word in words)]
    wanted = {task.partition("/")[0] for row in rows for _, task in row.cases}
    results |= forks.everything([(name, task) for name, task in side.tasks if name in wanted], at_once, say)
    found = {}
    for row in rows:
        wrong = []
        for reference, name in row.cases:
            task, _, subject = name.partition("/")
            result = results[task].get(subject, {"failed": True}) if subject else results[task]
            if not equal(results[reference], result):
                wrong.append(name + (" (failed)" if result.get("failed") else ""))
        found[row.name] = (len(row.cases) - len(wrong), len(row.cases), wrong)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.repro_matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", action="append", default=[], help="only rows with this word in their name")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="runs at a time")
    parser.add_argument("--no-overheads", action="store_true", help="leave out the times")
    parser.add_argument("--verbose", action="store_true", help="say on stderr which runs have ended")
    args = parser.parse_args()
    pinned()
    # Imported before anything is forked, so that no fork pays for it
    import lightning  # noqa: F401
    import torch
    import torchmetrics  # noqa: F401

    import mlintern.engine.training  # noqa: F401
    from benchmarks.repro_matrix import elsewhere
    from benchmarks.repro_matrix.rows import Side
    from portability.circumstances import Elsewhere

    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="matrix-", dir="/var/tmp") as folder:
        base = Path(folder)
        base.chmod(0o755)
        data = base / "data"
        subjects.prepare(data)
        there = Elsewhere(base / "there")
        moved = elsewhere.runner(there, data)
        try:
            sides = {name: Side(name, base, data, moved) for name in ("ours", "plain")}
            tables = {}
            for name, side in sides.items():

                def say(task: str, name: str = name) -> None:
                    if args.verbose:
                        print(f"{time.monotonic() - began:5.0f} s  {name}: {task}", file=sys.stderr, flush=True)

                tables[name] = measure(side, args.rows, args.jobs, say)
        finally:
            there.remove()
    print(f"bit-equal runs, of {', '.join(subjects.SUBJECTS)}; another place is: {there.described()}")
    print(f"{'':<40}{'mlintern':>12}{'plain Trainer':>16}")
    for name, (k, n, wrong) in tables["ours"].items():
        other_k, other_n, _ = tables["plain"][name]
        print(f"{name:<40}{f'{k} of {n}':>12}{f'{other_k} of {other_n}':>16}")
        for case in wrong:
            print(f"    DIFFERENT: {case}")
    totals = [(sum(k for k, _, _ in table.values()), sum(n for _, n, _ in table.values())) for table in tables.values()]
    print(f"{'all':<40}{'{} of {}'.format(*totals[0]):>12}{'{} of {}'.format(*totals[1]):>16}")
    print(f"({time.monotonic() - began:.0f} s)", flush=True)
    if not args.no_overheads:
        from benchmarks.repro_matrix import overheads

        overheads.main()
    return 0 if totals[0][0] == totals[0][1] else 1


if __name__ == "__main__":
    sys.exit(main())
