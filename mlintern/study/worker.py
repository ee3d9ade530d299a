"""A worker process: reads jobs as JSON lines on stdin, answers with events as JSON lines on stdout.

It is started with the determinism level's environment already set, imports torch once and runs one job after the
other. Whatever a library or a pack prints goes to stderr, so that it cannot end up among the events. The end of stdin
means stop, whether the parent closed it or died: the running cell writes a checkpoint and the worker ends.
"""

import contextlib
import fcntl
import json
import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mlintern.errors import Interrupted, UserError

PROGRESS_EVERY_S = 0.5
LAST_WORDS_S = 90.0
LOCK_POLL_S = 0.2
LOCK_FILE = ".lock"
"""In a cell's folder; locked by whoever trains it."""


class Worker:
    """One process's side of the conversation with the pool."""

    def __init__(self, events: IO[str]):
        self.events = events
        self.stopping = False
        self.last_progress = 0.0
        self.splits: dict[str, Any] = {}

    def jobs(self, source: int) -> Iterator[dict[str, Any]]:
        """The jobs as they come; a thread reads them, so that the end of the input is seen in the middle of one.

        It reads the bare file descriptor: a Python file's lock, held by the thread, would stay locked for ever in the
        loader processes that a cell forks.
        """
        waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

        def read() -> None:
            pending = b""
            while data := os.read(source, 1 << 16):
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    waiting.put(line)
            self.stopping = True
            waiting.put(None)
            time.sleep(LAST_WORDS_S)  # long enough for a checkpoint; a job that hangs must not outlive its parent
            os._exit(1)

        threading.Thread(target=read, daemon=True).start()
        while (line := waiting.get()) is not None:
            yield json.loads(line)

    def tell(self, **event: Any) -> None:
        """Send one event; a parent that is gone means stop."""
        try:
            self.events.write(json.dumps(event) + "\n")
            self.events.flush()
        except BrokenPipeError:
            self.stopping = True

    def progress(self, step: int) -> None:
        """Report a step, at most every half second."""
        now = time.monotonic()
        if now - self.last_progress >= PROGRESS_EVERY_S:
            self.last_progress = now
            self.tell(event="progress", step=step)

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """Do one job and return its result."""
        return getattr(self, f"do_{job['kind']}")(job)

    def do_prepare(self, job: dict[str, Any]) -> dict[str, Any]:
        """Build a dataset into its folder."""
        from mlintern.data.prepare import prepare
        from mlintern.engine.instantiate import allowed_prefixes, build
        from mlintern.vet.targets import check_targets

        source = job["config"]["data"]["source"]
        check_targets({"data": {"source": source}}, allowed_prefixes(job["config"]["paper"]["slug"]))
        return {"parts": prepare(build(source, "data.source"), Path(job["folder"]))}

    def load_splits(self, config: dict[str, Any], folder: str) -> Any:
        """The splits of a config; the last few are kept, because a study's cells share them."""
        from mlintern.data.prepare import load_parts, make_splits
        from mlintern.data.protocol import EvaluationProtocol
        from mlintern.data.training import LabelNoise
        from mlintern.engine.instantiate import allowed_prefixes, build
        from mlintern.vet.targets import check_targets

        data, protocol = config["data"], config["protocol"]
        key = json.dumps([folder, {k: v for k, v in data.items() if k != "num_workers"}, protocol], sort_keys=True)
        if key not in self.splits:
            check_targets({"data": data}, allowed_prefixes(config["paper"]["slug"]))
            if len(self.splits) >= 4:
                self.splits.pop(next(iter(self.splits)))
            self.splits[key] = make_splits(
                data["name"],
                load_parts(Path(folder)),
                EvaluationProtocol(**{**protocol, "fit_on": tuple(protocol["fit_on"])}),
                preprocessor=build(data["preprocess"], "data.preprocess") if data.get("preprocess") else None,
                view=build(data["view"], "data.view") if data.get("view") else None,
                classes=data.get("classes"),
                train_size=data.get("train_size"),
                label_noise=LabelNoise.from_config(noise) if (noise := data.get("label_noise")) else None,
            )
        return self.splits[key]

    def do_audit(self, job: dict[str, Any]) -> dict[str, Any]:
        """Audit one dataset under one protocol; the report goes to the job's file."""
        from mlintern.audit.options import AuditOptions
        from mlintern.audit.run import audit
        from mlintern.data.protocol import EvaluationProtocol
        from mlintern.study.pricing import engine_fit

        config = job["config"]
        protocol = EvaluationProtocol(**{**config["protocol"], "fit_on": tuple(config["protocol"]["fit_on"])})
        splits, options = self.load_splits(config, job["folder"]), AuditOptions(**config["audit"])
        fit = engine_fit(config, splits) if options.price == "model" else None
        report = audit(splits, protocol, options, fit=fit)
        report.write(Path(job["out"]))
        return {"sha256": report.sha256()}

    def do_estimate(self, job: dict[str, Any]) -> dict[str, Any]:
        """Time a few steps of a cell in this process, and the memory that they took."""
        from mlintern.engine import memory, rows
        from mlintern.engine.cell import seconds_per_step

        memory.reset_peak()
        splits = self.load_splits(job["config"], job["folder"])
        seconds = seconds_per_step(job["config"], *rows.seen(job["config"], splits), len(splits.test))
        return {**seconds, "peak_memory_bytes": memory.peak_bytes()}

    def do_cell(self, job: dict[str, Any]) -> dict[str, Any]:
        """Train one cell; while another process trains it, wait and take over what that leaves."""
        from mlintern.engine import ENGINE_VERSION
        from mlintern.engine.inside import Inside
        from mlintern.engine.source import source_sha256
        from mlintern.engine.whole import run_cell
        from mlintern.environment import environment_record
        from mlintern.files import remove_drafts
        from mlintern.record import RUN_FILE

        out = Path(job["out"])
        with self.lock(out):
            if (out / RUN_FILE).exists():
                return {"status": "finished elsewhere"}
            remove_drafts(out)
            splits = self.load_splits(job["config"], job["folder"])
            until, whole = job.get("until"), job.get("whole")
            inside = Inside(whole)
            record = run_cell(
                job["config"], splits, out, job["facts"], self.progress, lambda: self.stopping, until, inside
            )
        return {
            "status": record["status"] if record else "unfinished",
            "environment": environment_record(),
            "engine": {"version": ENGINE_VERSION, "files": source_sha256()},
            "data": splits.fingerprints(),
        }

    @contextlib.contextmanager
    def lock(self, out: Path) -> Iterator[None]:
        """Hold a cell's folder for the block, so that no two processes train it; the system frees it at any death."""
        from mlintern.files import write_problem

        try:
            out.mkdir(parents=True, exist_ok=True)
            lock = open(out / LOCK_FILE, "w")  # noqa: SIM115 - held until the block ends
        except OSError as error:
            raise write_problem(out, error) from None
        with lock:
            said = False
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if self.stopping:
                        raise Interrupted from None
                if not said:
                    self.tell(event="waiting", message="another process is training this cell; waiting for it")
                    said = True
                time.sleep(LOCK_POLL_S)
            yield


def serve(source: int, worker: Worker) -> None:
    """Answer the jobs that come from a file descriptor until there are no more."""
    for job in worker.jobs(source):
        try:
            worker.tell(event="done", result=worker.run(job))
        except UserError as error:
            worker.tell(event="error", message=str(error), user=True, exit_code=error.exit_code)
        except Interrupted:
            worker.tell(event="interrupted")
        except Exception as error:  # noqa: BLE001 - a pack's code may raise anything; the parent decides what follows
            from mlintern.engine.memory import is_out_of_memory

            text = f"{type(error).__name__}: {error}"
            if is_out_of_memory(error):
                worker.tell(event="out_of_memory", message=text.splitlines()[0])
            else:
                worker.tell(event="error", message=text, user=False, traceback=traceback.format_exc())


def main() -> None:
    """Entry point of `python -m mlintern.study.worker`."""
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints, prints to stderr
    source = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which then closes our input
    serve(source, Worker(events))


if __name__ == "__main__":
    main()
