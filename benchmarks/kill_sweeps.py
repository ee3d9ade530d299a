"""Kills at random moments over sweeps by several launchers: `python -m benchmarks.kill_sweeps [--kills 50]`.

Each sweep runs the tiny pack's study (tests/study/tiny.py) and is killed with kill -9 again and again: its command
alone, one of its workers, or every process of it at once; then the same command is given again, until it ends by
itself. Afterwards its records must be those of a sweep that nobody disturbed, no cell may have been trained again
after it was finished, and nothing half-written may be left. Prints one line per sweep; exit 1 if one of them fails.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.study import tiny

LAUNCHERS = ("basic", "joblib", "ray")
ARGV = [tiny.PAPER, "study=quick", "trainer.max_steps=600", "trainer.eval_every=200"]
KINDS = ("command", "worker", "everything")
LONGEST_S = 1200.0
LONGEST_WAIT_S = 25.0


def processes(folder: Path) -> dict[int, list[str]]:
    """{pid: argv} of everything that works for a project: its folder is on the PYTHONPATH of all of them."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            argv = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            environment = (path / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in environment:
            found[int(path.name)] = argv
    return found


def kill(kind: str, command: int | None, folder: Path, draw: random.Random) -> None:
    """Kill what `kind` says, with kill -9."""
    everyone = processes(folder)
    workers = [pid for pid, argv in everyone.items() if "mlintern.study.workers.worker" in argv]
    if kind == "worker" and workers:
        victims = [draw.choice(workers)]
    elif kind == "everything":
        victims = list(everyone)
    else:
        victims = [command] if command is not None else []
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def finished(folder: Path) -> dict[str, tuple[int, str]]:
    """{cell id: (inode, when it began)} of the records that are there: another of either is another training."""
    found = {}
    for path in folder.glob("runs/*/*/run.json"):
        run = json.loads(path.read_text())
        found[run["cell_id"]] = (path.stat().st_ino, run["started"])
    return found


def sweep(
    folder: Path, launcher: str, kills: int, draw: random.Random, reference: dict[str, tuple]
) -> tuple[int, list[str]]:
    """Run one sweep under at most `kills` kills; how many there were, and what is wrong with what is left."""
    argv = [*ARGV, f"hydra/launcher={launcher}", *(["hydra.launcher.n_jobs=2"] if launcher == "joblib" else [])]
    problems: list[str] = []
    done, gave_up, before = 0, 0, finished(folder)
    deadline = time.monotonic() + LONGEST_S
    while True:
        with open(folder / "printed.txt", "w+") as printed:  # no pipe: an orphan that idles on would hold it open
            process, ended = tiny.start(folder, *argv, out=printed), False
            while not ended:
                left_s = max(0.1, deadline - time.monotonic())
                wait_s = min(left_s, draw.uniform(0.5, LONGEST_WAIT_S) if done < kills else left_s)
                try:
                    process.wait(timeout=wait_s)
                    ended = True
                except subprocess.TimeoutExpired:
                    if time.monotonic() > deadline:
                        kill("everything", process.pid, folder, draw)
                        return done, [*problems, f"not at its end after {LONGEST_S:.0f} s"]
                    kill(draw.choice(KINDS), process.pid, folder, draw)
                    done += 1
            printed.seek(0)
            out = printed.read()
        now = finished(folder)
        problems += [f"{cell} was trained again" for cell in before if now.get(cell) != before[cell]]
        before = now
        if process.returncode == 0:
            break
        gave_up += process.returncode > 0  # on a cell of which worker after worker was killed; again, then
        if gave_up > kills + 1:
            return done, [*problems, f"ended with code {process.returncode}: {out[-400:]}"]
    if tiny.bits(folder) != reference:
        problems.append("the records are not those of an undisturbed sweep")
    return done, problems + [f"{path} is half-written" for path in folder.glob("runs/*/*/.*.tmp")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="kills in all (default: 50)")
    parser.add_argument("--per-sweep", type=int, default=3, help="most kills of one sweep (default: 3)")
    parser.add_argument("--launchers", default=",".join(LAUNCHERS), help=f"(default: {','.join(LAUNCHERS)})")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments and victims (default: 0)")
    arguments = parser.parse_args()
    return run(arguments.kills, arguments.per_sweep, arguments.launchers.split(","), arguments.seed)


def run(kills: int, per_sweep: int, launchers: list[str], seed: int) -> int:
    """`kills` kills over sweeps by each launcher in turn; 0 if every sweep came out as it must."""
    draw, left, failed, nth = random.Random(seed), kills, 0, 0
    with tempfile.TemporaryDirectory() as name:
        undisturbed = tiny.project(Path(name) / "undisturbed")
        tiny.run(undisturbed, *ARGV, seconds=900)
        reference = tiny.bits(undisturbed)
        while left > 0:
            folder = tiny.project(Path(name) / f"sweep-{nth}")
            shutil.copytree(undisturbed / "data", folder / "data")
            launcher, began = launchers[nth % len(launchers)], time.monotonic()
            done, problems = sweep(folder, launcher, min(left, draw.randint(1, per_sweep)), draw, reference)
            said = "; ".join(problems) or "records as undisturbed"
            print(f"sweep {nth + 1}, {launcher}: {done} kills, {time.monotonic() - began:.0f} s: {said}", flush=True)
            failed += bool(problems)
            left, nth = left - done, nth + 1
            kill("everything", None, folder, draw)
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{kills} kills over {nth} sweeps: {failed} came out wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
