"""Kinds of jobs for the tests of pool and worker: they do what good and bad code does, and take no torch."""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from mlintern.core.errors import Interrupted


def preload():
    pass


def serve(worker, job):
    DOING[job["do"]](worker, job)


def work(worker, job):
    worker.progress(1)
    worker.tell(event="done", result={"value": job.get("value"), "parent": os.getppid()})


def die(worker, job):
    print("last words", file=sys.stderr, flush=True)
    os._exit(7)


def die_once(worker, job):
    if not os.path.exists(job["mark"]):
        open(job["mark"], "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    work(worker, job)


def mistake(worker, job):
    worker.tell(event="error", message="x.yaml: wrong", user=True, exit_code=2)


def bug(worker, job):
    worker.tell(event="error", message="ValueError: no", user=False)


def ask(worker, job):
    try:
        worker.tell(event="done", result=worker.ask(step=3))
    except Interrupted:
        worker.tell(event="interrupted")


def say(worker, job):
    os.write(worker.events, job["bytes"].encode("latin-1") * job.get("times", 1))
    time.sleep(job.get("seconds", 0))
    worker.tell(event="done", result={})


def flood(worker, job):
    while True:
        os.write(worker.events if job["where"] == "events" else 2, job["piece"].encode() * 10_000)


def outputs(worker, job):
    os.write(worker.outputs, b"what was asked for")
    worker.tell(event="done", result={})


def look(worker, job):
    """What a child can reach: files, descriptors, processes, and what earlier jobs left."""
    found = {"readable": {}, "written": {}}
    for path in job.get("read", []):
        try:
            found["readable"][path] = Path(path).read_text()
        except OSError:
            found["readable"][path] = None
    for path in job.get("write", []):
        try:
            Path(path).write_text("x")
            found["written"][path] = True
        except OSError:
            found["written"][path] = False
    found["descriptors"] = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    found["processes"] = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    found["left"] = sorted(os.listdir("/dev/shm"))
    found["modules"] = sorted(name for name in sys.modules if name.split(".")[0] in ("papers", "torch"))
    worker.tell(event="done", result=json.loads(json.dumps(found)))


def leave(worker, job):
    """A process that would outlive its job, and a file in shared memory."""
    Path("/dev/shm/left").write_text("a message to the next job")
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    worker.tell(event="done", result={})


def fill(worker, job):
    """Leave files, or one that grows, or folders in folders, until somebody ends it."""
    place = Path(job["writes"][0])
    number = 0
    while True:
        number += 1
        if job["how"] == "files":
            (place / f"f{number}").write_text("x")
        elif job["how"] == "folders":
            if number < 300:  # pytest cannot remove a tree that is much deeper
                place /= "d"
                place.mkdir()
            time.sleep(0.001)
        else:
            with open(place / "grows", "ab") as file, contextlib.suppress(OSError):
                file.write(b"x" * (1 << 18))
            time.sleep(0.001)


def get_ready(worker, job):
    """Import a pack's module, or build something of it, with the patience of a second."""
    from mlintern.core import patience
    from mlintern.engine.instantiate import build

    patience.IMPORT, patience.BUILD = patience.Patience(1, job.get("wall_s", 60)), patience.Patience(1)
    sys.path.insert(0, job["project"])
    build({"_target_": "papers.slow.modules.Thing"}, "model")
    for _ in range(2 * 10**7 * job.get("trains", 0)):
        pass
    worker.tell(event="done", result={})


def loop(worker, job):
    worker.tell(event="told", what="looping")
    while True:
        pass


DOING = {
    name.replace("_", " "): value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and name not in ("preload", "serve")
}
