"""Runs in processes forked from one that has imported everything and computed nothing, a few at a time.

A fork has the state of a fresh process (no generator was drawn from, no thread started) without the seconds that
importing torch and Lightning takes. Rows that need a fresh interpreter start one; see `one`.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.repro_matrix import ours, plain

Job = dict[str, Any]
SIDES: dict[str, Callable[..., dict[str, Any]]] = {"ours": ours.train, "plain": plain.train}
LONGEST_S = 900
"""A run that hangs is ended and counts as different."""


def fork(work: Callable[[], Any]) -> int:
    """Run `work` in a fork that ends with it; returns its process id. What it prints is dropped, errors are not."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    signal.alarm(LONGEST_S)
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - whatever ends a fork must not go on as a second parent
        traceback.print_exc()
    finally:
        os._exit(code)


def run(job: Job, started: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """One job in this process."""
    return SIDES[job["side"]](job, started)


def seconds(job: Job) -> float:
    """How long a job with checkpoints takes from the end of its first step to its end."""
    began: list[float] = []
    run({**job, "checkpoint": True}, lambda: began.append(time.monotonic()))
    return time.monotonic() - began[0]


def killed_and_resumed(job: Job) -> dict[str, Any]:
    """Run a job in a fork, `kill -9` it at a random moment after its first step, and go on in another fork.

    The moment is uniform over the time that an uninterrupted run takes; a run that was over by then is done again.
    """
    draw = random.Random(job["kill"])
    for attempt in range(8):
        copy = {**job, "folder": f"{job['folder']}-{attempt}", "checkpoint": True}
        begin, end = os.pipe()

        def work(copy: Job = copy, end: int = end) -> None:
            first = [True]

            def started() -> None:
                if first[0]:
                    os.write(end, b".")
                    first[0] = False

            run(copy, started)

        pid = fork(work)
        os.close(end)
        os.read(begin, 1)
        os.close(begin)
        time.sleep(draw.random() * job["seconds"] * 0.8**attempt)
        os.kill(pid, signal.SIGKILL)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL:
            return {**in_fork(copy), "losses": None}
    raise RuntimeError(f"{job['side']} {job['subject']}: each of eight runs was over before it was killed")


def in_fork(job: Job) -> dict[str, Any]:
    """One job in a fork of this process."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        pid = fork(lambda: answer.write_text(json.dumps(run(job))))
        os.waitpid(pid, 0)
        return json.loads(answer.read_text()) if answer.exists() else {"failed": True}


def everything(
    tasks: Sequence[tuple[str, Callable[[], Any]]], at_once: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Run named tasks in forks, `at_once` at a time; {name: result}, with {"failed": True} where one raised.

    `say` is told the name of each one that ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        running: dict[int, int] = {}
        waiting = list(enumerate(tasks))
        while waiting or running:
            while waiting and len(running) < at_once:
                i, (_, task) = waiting.pop(0)
                answer = Path(folder) / f"{i}.json"
                running[fork(lambda task=task, answer=answer: answer.write_text(json.dumps(task())))] = i
            pid, _ = os.wait()
            if pid in running:
                say(tasks[running.pop(pid)][0])
        answers = {i: Path(folder) / f"{i}.json" for i in range(len(tasks))}
        return {
            name: json.loads(answers[i].read_text()) if answers[i].exists() else {"failed": True}
            for i, (name, _) in enumerate(tasks)
        }
