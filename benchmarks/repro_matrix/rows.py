"""The rows of the matrix: what is varied, as tasks whose results are held against one reference run per subject.

A row is a list of (reference, task); both sides have the same rows, each in its own terms. What a task returns is a
run's bits, `{"losses", "weights"}`; losses that a side cannot give (after a kill, over processes) are not compared.
"""

import dataclasses
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.repro_matrix import forks, subjects
from mlintern.core.roots import ROOT
from mlintern.engine.determinism import Determinism

Task = Callable[[], Any]
KILLS = 20


@dataclasses.dataclass
class Row:
    """One line of the table, for one side."""

    name: str
    cases: list[tuple[str, str]]
    """(name of the reference, name of the task), subject by subject."""


@dataclasses.dataclass
class Side:
    """All rows and tasks of one side."""

    side: str
    folder: Path
    data: Path
    elsewhere: Callable[[list[forks.Job]], list[dict[str, Any]]]
    """Runs jobs at another path and under another user."""
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    """{subject: how long a run takes after its first step}."""
    tasks: list[tuple[str, Task]] = dataclasses.field(default_factory=list)
    rows: list[Row] = dataclasses.field(default_factory=list)

    def job(self, subject: str, name: str, **options: Any) -> forks.Job:
        plain = "".join(c if c.isalnum() else "-" for c in name)  # W&B takes a folder's name as a run's id
        folder = self.folder / self.side / subject / plain
        return {
            "side": self.side,
            "subject": subject,
            "folder": str(folder),
            "data": str(self.data),
            "options": options,
        }

    def references(self) -> list[tuple[str, Task]]:
        """The runs that everything is held against: one of each subject, and one in four pieces."""
        found: list[tuple[str, Task]] = []
        for subject in subjects.SUBJECTS:
            job = self.job(subject, "reference")
            pieces = self.job(subject, "pieces", **self.pieces(1))
            found += [(f"{subject} reference", lambda job=job: forks.run(job))]
            found += [(f"{subject} pieces", lambda job=pieces: forks.run(job))]
            timed = self.job(subject, "timed")
            found += [(f"{subject} seconds", lambda job=timed: forks.seconds(job))]
        return found

    def pieces(self, devices: int) -> dict[str, Any]:
        """A global batch in four pieces on so many processes."""
        if self.side == "ours":
            return {"shards": 4, "devices": devices}
        return {"accumulate": 4 // devices, "devices": devices}

    def row(self, name: str, variants: Mapping[str, Mapping[str, Any]], reference: str = "reference") -> None:
        """Add a row whose variants, options by name, apply to every subject."""
        cases = []
        for subject in subjects.SUBJECTS:
            for variant, options in variants.items():
                task = f"{subject} {name} {variant}"
                job = self.job(subject, f"{name} {variant}", **options)
                self.tasks.append((task, lambda job=job: forks.run(job)))
                cases.append((f"{subject} {reference}", task))
        self.rows.append(Row(name, cases))

    def group(self, name: str, task: str, run: Callable[[list[forks.Job]], list[Any]], order: list[str]) -> None:
        """Add to a row what one task makes of all subjects' jobs in the given order."""
        jobs = [self.job(subject, f"{name} {task}") for subject in order]
        self.tasks.append((f"{name} {task}", lambda: dict(zip(order, run(jobs), strict=True))))
        cases = [(f"{subject} reference", f"{name} {task}/{subject}") for subject in order]
        if self.rows and self.rows[-1].name == name:
            self.rows[-1].cases += cases
        else:
            self.rows.append(Row(name, cases))

    def plan(self) -> None:
        """Make all rows."""
        mine = self.side == "ours"
        order = list(subjects.SUBJECTS)
        self.row("rerun", {"again": {}})
        self.row("1, 2 and 4 loader workers", {str(n): {"workers": n} for n in (1, 2, 4)})
        if mine:
            self.row("validation at every step, at the end", {"often": {"eval_every": 1}, "off": {"eval_every": None}})
            self.row("sanity check before training", {"with": {"rehearse": True}})
        else:
            often, off = {"val_check_interval": 1}, {"limit_val_batches": 0}
            self.row("validation at every step, at the end", {"often": {"trainer": often}, "off": {"trainer": off}})
            self.row("sanity check before training", {"without": {"trainer": {"num_sanity_val_steps": 0}}})
        kinds = {"csv": {"kind": "csv"}, "tensorboard": {"kind": "tensorboard"}}
        kinds["wandb"] = {"kind": "wandb", "project": "matrix", "mode": "offline"}
        loggers = {kind: {"logger": value if mine else kind} for kind, value in kinds.items()}
        self.row("CSV, TensorBoard, W&B offline", loggers)
        self.row("metrics off, progress on", {"metrics": {"metrics": False}, "progress": {"progress": True}})
        self.kills()
        self.group("other order, other launcher", "reversed in one process", _one_by_one, order[::-1])
        launcher = self.by_the_pool if mine else self.by_a_fresh_interpreter
        self.group("other order, other launcher", "launcher", launcher, order[::-1])
        self.row("world sizes 2 and 4", {str(n): self.pieces(n) for n in (2, 4)}, "pieces")
        self.resumes_on_another_world_size()
        for seed in (1, 77):
            name = "fresh interpreter, PYTHONHASHSEED"
            self.group(name, str(seed), lambda jobs, s=seed: self.by_a_fresh_interpreter(jobs, s), order)
        self.row("an unused layer, first and last", {place: {"unused": place} for place in ("first", "last")})
        self.group("another path and user", "there", self.elsewhere, order)

    def kills(self) -> None:
        """Twenty kills at random moments of runs with 0 to 2 workers, shared among the subjects."""
        draw = random.Random(20)
        cases = []
        for i in range(KILLS):
            subject = list(subjects.SUBJECTS)[i % len(subjects.SUBJECTS)]
            job = self.job(subject, f"kill {i}", workers=draw.choice((0, 1, 2)) if self.side == "ours" else 0)
            job |= {"kill": i, "seconds": self.seconds[subject]}
            self.tasks.append((f"{subject} kill {i}", lambda job=job: forks.killed_and_resumed(job)))
            cases.append((f"{subject} reference", f"{subject} kill {i}"))
        self.rows.append(Row("kill -9 at a random moment, resume", cases))

    def resumes_on_another_world_size(self) -> None:
        """Stop on two processes at step 14, go on with one."""
        cases = []
        for subject in subjects.SUBJECTS:
            first = self.job(subject, "moved", **self.pieces(2), stop=14)
            first["checkpoint"] = True
            second = {**first, "options": self.pieces(1)}

            def task(first: forks.Job = first, second: forks.Job = second) -> dict[str, Any]:
                stopped = forks.in_fork(first)
                assert stopped == {}, "the first leg is asked to stop"
                return {**forks.run(second), "losses": None}

            self.tasks.append((f"{subject} moved", task))
            cases.append((f"{subject} pieces", f"{subject} moved"))
        self.rows.append(Row("resume on another world size", cases))

    def by_the_pool(self, jobs: list[forks.Job]) -> list[dict[str, Any]]:
        """See cells through in the study's own worker processes, two at a time."""
        from benchmarks.repro_matrix.ours import bits
        from mlintern.study.run.life import Work
        from mlintern.study.run.lives import ENDS, Lives
        from mlintern.study.run.tabled import tables_of
        from mlintern.study.workers.pool import Bare, Pool

        bare = Bare(path=f"{ROOT}{os.pathsep}{subjects.HERE}")
        with Pool(2, Determinism(**subjects.base()["determinism"]).pins(), launcher=bare) as pool:
            tables = tables_of(pool, self.folder)
            works = []
            for job in jobs:
                config, out = subjects.config(job["subject"]), Path(job["folder"])
                tabled = tables.of(config, Path(job["data"]))
                works.append(Work(job["subject"], config, out, tabled, subjects.HERE, {}))
            over = [event for event in Lives(pool, tables.desk).run(works) if event.kind in ENDS]
        assert all(event.kind == "done" for event in over), over
        return [bits(Path(job["folder"])) for job in jobs]

    def by_a_fresh_interpreter(self, jobs: list[forks.Job], hash_seed: int = 5) -> list[dict[str, Any]]:
        """Run jobs in an interpreter of their own, with another PYTHONHASHSEED."""
        stem = self.folder / f"{self.side}-{hash_seed}-{jobs[0]['folder'].rpartition('/')[2]}"
        questions, answers = stem.with_suffix(".jobs.json"), stem.with_suffix(".answers.json")
        questions.write_text(json.dumps(jobs))
        argv = [sys.executable, "-m", "benchmarks.repro_matrix.one", str(questions), str(answers)]
        subprocess.run(argv, cwd=ROOT, check=True, env={**os.environ, "PYTHONHASHSEED": str(hash_seed)})
        return json.loads(answers.read_text())


def _one_by_one(jobs: list[forks.Job]) -> list[dict[str, Any]]:
    return [forks.run(job) for job in jobs]
