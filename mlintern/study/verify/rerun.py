"""Training a recorded cell again in scratch folders: as things are now, or with some of them put back as recorded."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mlintern.config import Config
from mlintern.core.errors import UserError
from mlintern.data.prepare import DATASET_FILE
from mlintern.packs.pack import Pack
from mlintern.plan.cell_plan import dataset_folder
from mlintern.sandbox import policy
from mlintern.study.folders import made
from mlintern.study.folders.source_files import made_from, source_files
from mlintern.study.run.life import Work
from mlintern.study.run.lives import ENDS, Lives
from mlintern.study.run.tabled import make_folder, tables_of
from mlintern.study.verify.differences import ABSENT, Difference
from mlintern.study.verify.first_difference import Parting, parting, passed
from mlintern.study.workers.launch import launcher, needs_network
from mlintern.study.workers.pool import Pool, Task


@dataclasses.dataclass(frozen=True)
class RerunSetting:
    """What a rerun is made with, where it is not what the configuration says."""

    threads: int | None = None
    variables: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    """Environment variables to set, or, with None, to leave unset."""


class Rerun:
    """Reruns of one record's cell, each in a folder of its own below `scratch`."""

    def __init__(self, run: Mapping[str, Any], recorded: Path, data: Path, scratch: Path, console: Console):
        self.run, self.recorded, self.scratch, self.console = run, recorded, scratch, console
        self.pack = Pack(run["slug"])
        # the sandbox as this user wants it now: a record is no place to say that its code may run bare
        said = {**run["config"], "logger": {"kind": "none"}, "sandbox": policy.current().config()}
        self.config = Config.from_plain(said)
        self.prepared = dataset_folder(data, self.pack, self.config.data, run["overrides"])
        talk = needs_network(self.config)
        asked, folders = policy.current(), [scratch, self.prepared.parent]
        self.made_from = source_files(self.config, self.pack.folder, asked.reads)
        self.launcher = launcher(self.pack, asked, folders, 1, console, talk=talk, files=self.made_from)
        self._numbers = itertools.count()

    def train(self, setting: RerunSetting, steps: int | None, whole: int | None = None) -> tuple[Path, dict[str, Any]]:
        """Train the cell, or its first `steps` steps; returns its folder and what the worker says of itself.

        All values of the inside of step `whole` are kept.
        """
        out = self.scratch / f"cell-{next(self._numbers)}"
        config = self.config
        if setting.threads is not None:
            loose = dataclasses.replace(config.determinism, level="fast", threads=setting.threads)
            config = dataclasses.replace(config, determinism=loose)
        pins: dict[str, str | None] = {**config.determinism.pins(), **setting.variables}
        kept = {name: value for name, value in pins.items() if value is not None}
        pinned = dataclasses.replace(config.determinism, environment=_beside_threads(kept))
        config = dataclasses.replace(config, determinism=pinned)
        make_folder(self.prepared)
        with Pool(1, kept, 0, self.launcher) as pool:
            tables = tables_of(pool, self.scratch)
            if not (self.prepared / DATASET_FILE).exists():
                data = {"kind": "prepare", "config": config, "folder": str(self.prepared)}
                data |= {**made_from(self.made_from), "writes": [str(self.prepared)]}
                pool.map([Task("data", data)])
                made.tidy(self.prepared, whole=True)
            facts = {"sandbox": dict(self.launcher.record)}
            tabled, name = tables.of(config, self.prepared), self.run["cell_id"]
            work = Work(name, config, out, tabled, self.pack.folder, facts, steps, whole)
            over = [event for event in Lives(pool, tables.desk).run([work]) if event.kind in ENDS]
        if over[0].kind != "done":
            raise UserError(f"{name}: {over[0].message}")
        return out, over[0].result

    def as_recorded(self, changed: Sequence[Difference]) -> Iterator[tuple[str, RerunSetting]]:
        """Circumstances that can be put back on this machine, one at a time and then together: (what, how)."""
        found: list[tuple[str, RerunSetting]] = []
        for item in changed:
            if item.kind != "environment":
                continue
            text = f"{item.kind}: {item.name}: {item.first} then, {item.second} now"
            if item.name == "threads":
                found.append((text, RerunSetting(int(item.first))))
            elif item.name.isupper():
                found.append((text, RerunSetting(None, {item.name: None if item.first == ABSENT else str(item.first)})))
        yield from found
        if len(found) > 1:
            threads = next((setting.threads for _, setting in found if setting.threads), None)
            variables = {name: value for _, setting in found for name, value in setting.variables.items()}
            yield "; ".join(text for text, _ in found), RerunSetting(threads, variables)

    def live(self, setting: RerunSetting, step: int | None) -> Parting | None:
        """Where inside `step` a run with `setting` and one without part, from all values of both."""
        if step is None:
            return None
        (then, _), (now, _) = (self.train(how, step + 1, whole=step) for how in (setting, RerunSetting()))
        return parting(passed(then), passed(now), step)


def _beside_threads(pins: Mapping[str, str]) -> dict[str, str]:
    """The variables of a level that are not its thread counts."""
    return {name: value for name, value in pins.items() if name not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
