"""A cell's life: trained, sealed, asked what it predicts, scored, measured, recorded; by the host, one stage at a time.

    train ─▶ seal ─▶ predict ─▶ score ─▶ measure ─▶ record
             (copied out of the training's reach)     └ only where the pack's own code must

A stage that is done is on disk, so that a command that was killed goes on from there: a checkpoint in `work/`, which is
the training's own; `sealed.json` beside the sealed weights; `run.json` at last. Each stage's code runs in a process of
its own, which has what its job names and nothing else (see `mlintern.study.workers.stages`).
"""

import dataclasses
import datetime
import fcntl
import os
import shutil
from collections import deque
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from mlintern.config import Config
from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.core.records import record
from mlintern.core.records.hashing import file_sha256
from mlintern.engine import ENGINE_VERSION, source
from mlintern.engine import told as telling
from mlintern.engine.assemble import assemble, engine_now, finite
from mlintern.engine.told import Told
from mlintern.study.folders.locks import open_lock
from mlintern.study.folders.standing import is_finished
from mlintern.study.run import readings_of_test
from mlintern.study.run.tabled import Tabled, blindness, make_folder, needs_measuring, trusts_metric
from mlintern.study.workers.desk import Desk, Question
from mlintern.study.workers.launch import needs_network
from mlintern.study.workers.pool import Event, Pool, Task
from mlintern.study.workers.stages import READING_FILE

WORK_FOLDER = "work"
"""In a cell's folder: all that the process of its training may write."""
SEALED_FILE = "sealed.json"
MOST_WEIGHTS, MOST_TRACE = min(64 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2), 4 << 30
"""Of a file: weights were in this machine's memory, and the trusted process, which no limit holds, reads them."""
_OLDER = ("checkpoint.safetensors", "checkpoint.live", telling.TOLD_FILE)
TICK = Event("progress", Task("", {}))

Steps = Generator[None, "Event | Question", Any]
"""Waits at each yield for the next event or answer that concerns this cell."""


@dataclasses.dataclass(frozen=True)
class Work:
    """One cell to see through."""

    name: str
    """How messages call it."""
    config: Config
    folder: Path
    tabled: Tabled
    pack: Path
    """The pack's folder."""
    facts: Mapping[str, Any]
    """The record's fields that the caller knows."""
    until: int | None = None
    """Only so many steps, and no record."""
    whole: int | None = None
    """A step of which everything that passes inside is kept."""
    tolerant: bool = False


class Failed(Exception):
    """A cell has no record, for a reason that is no fault of the tool's."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind
        """`failed` or `out_of_memory`."""


class _Gone(Exception):
    """Whoever asked is not there any more; where it is started again it will ask again."""


class Life:
    """One cell, from its folder's lock to its record. `over` says how it went."""

    def __init__(self, work: Work, pool: Pool, desk: Desk):
        self.work, self.pool, self.desk = work, pool, desk
        self.task = Task(work.name, {})
        """What events of this cell are told of."""
        self.told: deque[Event] = deque()
        """Events for whoever shows progress."""
        self.over: Event | None = None
        self.computing = True
        """It has, or wants, a worker: not so once its last job is done."""
        self.waits_for_lock = False
        self.concerns: set[Any] = set()
        """Tasks and questions that it waits for."""
        self._backlog: deque[Event | Question] = deque()
        self._lock: int | None = None
        self._environment: Question | None = None
        self._steps = self._live()
        self._began = now()

    def start(self) -> None:
        """As far as it goes without waiting."""
        self._go(None)

    def take(self, news: "Event | Question") -> None:
        """Go on with what concerns it; nothing does once it is over, or a failure would look like an end."""
        if self.over is None:
            self._go(news)

    def _go(self, news: "Event | Question | None") -> None:
        try:
            if news is None:
                next(self._steps)
            else:
                self._steps.send(news)
        except StopIteration as stopped:
            self.over = Event("done", self.task, result=stopped.value or {})
        except Failed as failed:
            self.over = Event(failed.kind, self.task, message=str(failed))
        if self.over is not None:
            self.computing = False
            self._unlock()

    # -- the stages ------------------------------------------------------------------------------------------------

    def _live(self) -> Steps:
        yield from self._locked()
        folder = make_folder(self.work.folder)
        if self.work.until is None and is_finished(folder):
            return {"status": "finished elsewhere"}
        files.remove_drafts(folder)
        self.told.append(Event("started", self.task))
        sealed = self._sealed_before()
        if self.pool.imported:  # else its worker is not ready yet, and what it imports not known
            self._environment = self._ask_environment()
        if sealed is None:
            yield from self._train()
            if self.work.until is not None and self._stopped_short():
                return {"status": "unfinished", "engine": engine_now(), **(yield from self._known())}
            sealed = self._seal()
        told, hashes = sealed
        try:
            return (yield from self._judged(told, hashes))
        except UserError as error:  # of what the worker left or sent
            (folder / SEALED_FILE).unlink(missing_ok=True)
            raise Failed("failed", str(error)) from None

    def _judged(self, told: Told, hashes: dict[str, str]) -> Steps:
        """Everything that happens to sealed weights."""
        work, folder = self.work, self.work.folder
        weights = folder / record.WEIGHTS_FILE
        names = {"weights": str(weights), "steps": str(folder / record.STEPS_FILE)}
        sealed = {"config": work.config, "count": told.steps, "chain": told.loss_chain_sha256, **names}
        checks = self.desk.ask("sealed", sealed)
        self.concerns.add(checks)
        if self._environment is None:
            self._environment = self._ask_environment()
        key = {"key": work.tabled.key, "config": work.config}
        question = {**key, "parts": work.tabled.parts, "cell": str(folder)}
        yield from self._asked("predict", self._predicting(weights, work.tabled.parts, told.step), "score", question)
        found = yield from self._answer(checks)
        measured: list[str] = []
        if needs_measuring(work.config):
            measured = (yield from self._measured(told, weights))["measured"]
        self.computing = False
        known = yield from self._known()
        metrics = (yield from self._wait("finish", **key, cell=str(folder), folder=str(folder)))["metrics"]
        readings_of_test.note(folder, readings_of_test.Reading(told.step, hashes[record.WEIGHTS_FILE], {}))
        looks = readings_of_test.read(folder)
        known |= {
            "weights_sha256": found["weights_sha256"],
            "test_readings": len({look.weights for look in looks}),
            "blind": blindness(work.config, work.tabled, work.facts.get("sandbox", {}), work.pack),
            "started": self._began,
            "finished": now(),
        }
        told = dataclasses.replace(told, probes=[name for name in told.probes if name in measured])
        readings = [look.row for look in looks if look.row]
        result = assemble(work.facts, work.config, told, metrics, readings, found["diverged_at"], known, measured)
        files.write_json(folder / record.RUN_FILE, record.seal(result, folder))
        self._clear()
        return {"status": result["status"], **known, "engine": result["engine"], "differs": result["told"]["differs"]}

    def _train(self) -> Steps:
        """Have it trained in `work/`, which is all that the training may write."""
        work, tabled = self.work, self.work.tabled
        place = make_folder(work.folder / WORK_FOLDER)
        task = self._task(
            "train",
            {
                "out": str(place),
                "tables": str(tabled.paths.folder),
                "parts": tabled.seen,
                "until": work.until,
                "whole": work.whole,
                "reads": tabled.reads(tabled.seen, targets=True),
                "writes": [str(place)],
                "network": needs_network(work.config),
            },
            attempts=0,
        )
        self.pool.add(task, next=True)
        while True:
            event = yield from self._next(task)
            if event.kind == "asked":
                yield from self._read_test(task, event)
            elif event.kind == "done":
                return
            elif event.kind in ("failed", "out_of_memory"):
                raise Failed(event.kind, event.message)
            elif event.kind == "started":
                for look in readings_of_test.read(work.folder):
                    self._tell_look(look)
            else:
                self.told.append(dataclasses.replace(event, task=self.task))

    def _read_test(self, task: Task, event: Event) -> Steps:
        """Answer a training whose protocol chooses on test with the score of its weights, and with that alone."""
        work = self.work
        metric = work.config.protocol.metric
        copied = work.folder / READING_FILE
        try:
            sha = files.copy_sealed(work.folder / WORK_FOLDER / READING_FILE, copied, MOST_WEIGHTS)
            looks = readings_of_test.read(work.folder)
            step = readings_of_test.checked(event.result.get("step"), sha, looks, work.config)
            row = next((look.row for look in looks if (look.step, look.weights) == (step, sha) and look.row), None)
            if row is None:
                scores = yield from self._scores(task, copied, step)
                row = finite({"step": step, "split": "test", **scores})
                look = readings_of_test.Reading(step, sha, row)
                readings_of_test.note(work.folder, look)
                self._tell_look(look)
            self.pool.answer(task, {"value": row.get(metric, float("nan"))})
        except UserError as error:
            self.pool.refuse(task, str(error))
        except (_Gone, RuntimeError):
            return
        finally:
            copied.unlink(missing_ok=True)

    def _tell_look(self, look: readings_of_test.Reading) -> None:
        """As the training tells what it evaluates."""
        values = {name: value for name, value in look.row.items() if name not in ("step", "split")}
        if values:
            said = {"event": "evaluated", "step": look.step, "part": "test", "values": values}
            self.told.append(Event("told", self.task, result=said))

    def _scores(self, asking: Task, weights: Path, step: int) -> Steps:
        """{name: value} of some weights on test, had at the side of the training that waits for it."""
        work = self.work
        question = {"key": work.tabled.key, "config": work.config, "parts": ["test"]}
        job = self._predicting(weights, ["test"], step)
        found = yield from self._asked("predict", job, "score", question, asking)
        scores = found["metrics"]["test"]
        if not trusts_metric(work.config):
            told = Told(0, step, None, [], "", 0.0, 0, 0, [])
            scores |= (yield from self._measured(told, weights, asking))["metrics"].get("test", {})
        return scores

    def _measured(self, told: Told, weights: Path, asking: Task | None = None) -> Steps:
        """What the pack's own code says of the weights, in a process that has the targets and can only answer."""
        work = self.work
        parts = list(work.tabled.rows) if asking is None else ["test"]
        place = make_folder(work.folder / "measure")
        key = {"key": work.tabled.key, "config": work.config}
        try:
            yield from self._wait("measure_tables", **key, out=str(place))
            job = {
                "weights": str(weights),
                "tables": str(place),
                "parts": parts,
                "step": told.step,
                "reads": [str(weights), str(place)],
                "shared_memory": False,
            }
            question = {**key, "reading": asking is not None, "cell": str(work.folder)}
            return (yield from self._asked("measure", job, "measured", question, asking))
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _predicting(self, weights: Path, parts: list[str], step: int) -> dict[str, Any]:
        tabled = self.work.tabled
        return {
            "weights": str(weights),
            "tables": str(tabled.paths.folder),
            "parts": parts,
            "step": step,
            "reads": [str(weights), *tabled.reads(parts)],
            "shared_memory": False,
        }

    # -- sealing ---------------------------------------------------------------------------------------------------

    def _seal(self) -> tuple[Told, dict[str, str]]:
        """Copy what the training left to where it cannot reach it; raises Failed where that is not in order."""
        folder, place = self.work.folder, self.work.folder / WORK_FOLDER
        try:
            told = telling.read(place)
            if told.steps > (most := self.work.config.trainer.max_steps):
                raise Failed("failed", f"its training told of {told.steps:,} steps; trainer.max_steps is {most:,}")
            hashes = {
                record.WEIGHTS_FILE: files.copy_sealed(
                    place / telling.SELECTED_FILE, folder / record.WEIGHTS_FILE, MOST_WEIGHTS
                ),
                **self._seal_traces(),
            }
        except UserError as error:
            raise Failed("failed", str(error)) from None
        note = {"told": telling.plain(told), "files": hashes, "code": source.source_hash()}
        files.write_json(folder / SEALED_FILE, note)
        return told, hashes

    def _seal_traces(self) -> dict[str, str]:
        folder, place = self.work.folder, self.work.folder / WORK_FOLDER
        names = [record.STEPS_FILE, *([record.INSIDE_FILE] if (place / record.INSIDE_FILE).exists() else [])]
        return {name: files.copy_sealed(place / name, folder / name, MOST_TRACE) for name in names}

    def _sealed_before(self) -> tuple[Told, dict[str, str]] | None:
        """What an earlier command sealed, if it is as it was then."""
        folder = self.work.folder
        if self.work.until is not None or not os.path.lexists(folder / SEALED_FILE):
            return None
        try:
            note = files.read_json(folder / SEALED_FILE)
            told, hashes = telling.from_plain(note["told"], folder / SEALED_FILE), dict(note["files"])
            same = all(file_sha256(folder / name) == sha for name, sha in hashes.items())
            if same and source.is_equal(str(note["code"]), ENGINE_VERSION):
                return told, hashes
        except (UserError, OSError, KeyError, TypeError, ValueError):
            pass
        return None

    def _stopped_short(self) -> bool:
        """A run of some steps only leaves its traces, and nothing to seal."""
        if (self.work.folder / WORK_FOLDER / telling.TOLD_FILE).exists():
            return False
        try:
            self._seal_traces()
        except UserError as error:
            raise Failed("failed", str(error)) from None
        return True

    def _clear(self) -> None:
        """Remove what only a cell without a record needs."""
        folder = self.work.folder
        (folder / SEALED_FILE).unlink(missing_ok=True)
        shutil.rmtree(folder / WORK_FOLDER, ignore_errors=True)
        for name in _OLDER:
            (folder / name).unlink(missing_ok=True)

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _ask_environment(self) -> Question:
        """Ask for what takes a moment the first time: every file that was imported is looked at."""
        asked = self.desk.ask("environment", {"config": self.work.config, "imported": sorted(self.pool.imported)})
        self.concerns.add(asked)
        return asked

    def _known(self) -> Steps:
        """The record's fields that the host and the trusted process know."""
        environment = yield from self._answer(self._environment or self._ask_environment())
        return {"environment": environment, "data": dict(self.work.tabled.data)}

    def _task(self, kind: str, job: Mapping[str, Any], attempts: int, outputs: int | None = None) -> Task:
        work = self.work
        sizes = work.tabled.sizes if _is_control(work.config) else {}
        whole = {"kind": kind, "config": work.config, "sizes": sizes, "top": work.tabled.top, **job}
        task = Task(work.name, whole, attempts=attempts, tolerant=work.tolerant, outputs=outputs)
        self.concerns.add(task)
        return task

    def _asked(
        self,
        kind: str,
        job: Mapping[str, Any],
        what: str,
        question: Mapping[str, Any],
        asking: Task | None = None,
    ) -> Steps:
        """Have a job send values to the trusted process, and wait for what that makes of them.

        It runs at the side of `asking`, where that waits for it; raises _Gone where that is not there any more. A
        process that dies on the way is given another try, as a training is.
        """
        for attempt in range(self.pool.retries + 1):
            asked = self.desk.ask(what, question, frames=True)
            self.concerns.add(asked)
            task = self._task(kind, job, self.pool.retries, asked.writing)
            task.tolerant = True  # what it says against itself is weighed with what the scorer says
            if asking is None:
                self.pool.add(task, next=True)
            else:
                try:
                    self.pool.beside(asking, task)
                except RuntimeError:
                    self.desk.ended(asked)
                    yield from self._answered(asked)
                    raise _Gone from None
                asked.close()
            while True:
                event = yield from self._next(task)
                if event.kind == "started":
                    asked.close()
                if event.kind == "warning":
                    self.told.append(dataclasses.replace(event, task=self.task))
                if event.kind in ("done", "failed", "out_of_memory"):
                    break
            self.desk.ended(asked)
            answer = yield from self._answered(asked)
            if event.kind == "out_of_memory":
                raise Failed(event.kind, event.message)
            if answer.error is None and event.kind == "done":
                assert answer.answer is not None
                return answer.answer
            gone = event.kind == "failed" and event.message.startswith("its worker process")
            if not gone or attempt == self.pool.retries:
                refused = answer.error is not None and "and then no more" not in answer.error
                raise UserError(answer.error if refused or event.kind == "done" else event.message)
        raise AssertionError("unreachable")

    def _wait(self, what: str, **question: Any) -> Steps:
        asked = self.desk.ask(what, question)
        self.concerns.add(asked)
        return (yield from self._answer(asked))

    def _answer(self, asked: Question) -> Steps:
        answered = yield from self._answered(asked)
        if answered.error is not None:
            raise UserError(answered.error)
        return answered.answer

    def _answered(self, asked: Question) -> Steps:
        if asked.answer is None and asked.error is None:
            yield from self._next(asked)
        self.concerns.discard(asked)
        return asked

    def _next(self, of: Task | Question) -> Steps:
        """The next thing that is heard of one task or question; the rest waits its turn."""
        for news in self._backlog:
            if _source(news) is of:
                self._backlog.remove(news)
                return news
        while True:
            news = yield
            if _source(news) is of:
                return news
            if news is not TICK:
                self._backlog.append(news)

    # -- the lock --------------------------------------------------------------------------------------------------

    def _locked(self) -> Steps:
        """Hold the cell's folder, so that no two commands see to it; the system frees it at any death."""
        folder = make_folder(self.work.folder)
        try:
            self._lock = open_lock(folder)
        except OSError as error:
            raise files.write_problem(folder, error) from None
        said = False
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.waits_for_lock = False
                return
            except BlockingIOError:
                self.waits_for_lock = True
            if not said:
                message = "another process is training this cell; waiting for it"
                self.told.append(Event("waiting", self.task, message=message))
                said = True
            yield

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def abandon(self) -> None:
        """Let go of everything, for the command ends."""
        self._steps.close()
        self._unlock()


def _source(news: Event | Question) -> Any:
    return news.task if isinstance(news, Event) else news


def _is_control(config: Config) -> bool:
    from mlintern.engine.rows import is_control

    return is_control(config.model)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
