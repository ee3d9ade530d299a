"""The tables of a study's datasets: asked for once each, and gone with the command.

They lie below `runs/<slug>/tables/`, where workers may read and the host alone writes. A folder of tables belongs to
one process of the host; what a killed one has left is removed by the next.
"""

import contextlib
import dataclasses
import fcntl
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from mlintern.config import Config
from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.core.records.record import stable_hash
from mlintern.engine.rows import MOST_NAMED, ignored
from mlintern.engine.tables import SEEN, Paths
from mlintern.engine.trusted import is_packs, is_trusted
from mlintern.study.workers.desk import Desk
from mlintern.study.workers.pool import Pool, Task

FOLDER = "tables"
_OF_CLASSES = ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss", ".Accuracy")
"""Losses and metrics for which a whole number is a class."""
_LOCK = ".lock"


@dataclasses.dataclass(frozen=True)
class Tabled:
    """One dataset under one protocol, as workers are given it."""

    key: str
    paths: Paths
    rows: Mapping[str, int]
    """{part: how many}."""
    data: Mapping[str, str]
    """{part: sha256} of what the cell sees, hold-out and view applied."""
    sizes: Mapping[str, Any]
    """What a control's model is built with."""
    target_is_input: bool
    top: int | None = None
    """The highest class index in any part; see `mlintern.engine.rows`."""
    unseen: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What of the labels no training example has; see `mlintern.engine.rows.unseen`."""

    @property
    def seen(self) -> list[str]:
        """Parts that training sees."""
        return [part for part in SEEN if part in self.rows]

    @property
    def parts(self) -> list[str]:
        """All parts, those first that training does not see."""
        return ["test", *self.seen]

    def reads(self, parts: list[str], targets: bool = False) -> list[str]:
        """The files that a job needs for these parts."""
        named = [self.paths.inputs(part) for part in parts]
        return [str(path) for path in [*named, *([self.paths.targets(part) for part in parts] if targets else [])]]


class HostTables:
    """All tables of one process of the host."""

    def __init__(self, runs: Path, pool: Pool):
        self.runs, self.pool, self.desk = runs, pool, Desk(pool.environment)
        pool.closing.append(self.close)
        self._found: dict[str, Tabled] = {}
        self._folder: Path | None = None
        self._lock: IO[str] | None = None

    def of(self, config: Config, prepared: Path) -> Tabled:
        """The tables of a cell's data, made where they are not there yet. Raises UserError for data that are off."""
        data = {name: value for name, value in config.data.items() if name not in ("num_workers", "shuffle_labels")}
        protocol = {name: getattr(config.protocol, name) for name in ("fit_on", "valid_fraction", "split_seed")}
        key = stable_hash([str(prepared), data, protocol, ignored(config)], "data")[:16]
        if key not in self._found:
            self._found[key] = self._made(key, config, prepared)
        return self._found[key]

    def get_ready(self, config: Config) -> None:
        """Start the trusted process, which will be wanted: what it imports takes as long as what a worker does."""
        if not self.desk.started:
            self.desk.ask("ready", {"config": config})

    def _made(self, key: str, config: Config, prepared: Path) -> Tabled:
        self.get_ready(config)
        folder = self._home() / key
        folder.mkdir()
        question = {"key": key, "config": config, "folder": str(prepared), "out": str(folder)}
        facts = self.desk.wait(self.desk.ask("tables", question))
        if facts["own"]:
            facts = self._transformed(question, facts, config)
        names = ("rows", "data", "sizes", "target_is_input", "top", "unseen")
        return Tabled(key, Paths(folder), **{name: facts[name] for name in names})

    def _transformed(self, question: Mapping[str, Any], facts: Mapping[str, Any], config: Config) -> dict[str, Any]:
        """Have the pack's own view or preprocessing make the inputs, in a process that has raw features alone."""
        asked = self.desk.ask("transformed", question, frames=True)
        paths = Paths(Path(question["out"]))
        job = {
            "kind": "transform",
            "config": config,
            "tables": question["out"],
            "parts": list(facts["rows"]),
            "view": bool(config.data.view) and not is_trusted(config.data.view),
            "fit_on": list(config.protocol.fit_on),
            "reads": [str(paths.raw(part)) for part in facts["rows"]],
            "shared_memory": False,
        }
        task = Task("data.preprocess", job, attempts=self.pool.retries, outputs=asked.writing)
        failed = ""
        for event in self.pool.run([task]):
            if event.kind == "started":
                asked.close()
            elif event.kind == "warning":
                self.pool.warned(task.name, event.message)
            elif event.kind in ("failed", "out_of_memory"):
                failed = event.message
        self.desk.ended(asked)
        try:
            return self.desk.wait(asked)
        except UserError as error:
            raise UserError(f"data.preprocess: {failed}" if failed else str(error)) from None

    def _home(self) -> Path:
        """This process's folder."""
        if self._folder is None:
            home = self.runs / FOLDER
            home.mkdir(parents=True, exist_ok=True)
            remove_left(home)
            self._folder = Path(tempfile.mkdtemp(dir=home))
            self._folder.chmod(0o755)  # a sandbox may run as somebody else
            self._lock = open(self._folder / _LOCK, "w")  # noqa: SIM115 - held as long as the tables are
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self._folder

    def close(self) -> None:
        """Remove them, and end the trusted process."""
        self.desk.close()
        self._found.clear()
        if self._folder is not None and self._lock is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.close()
            with contextlib.suppress(OSError):  # another process has tables there
                self._folder.parent.rmdir()
        self._folder = self._lock = None


_STANDING: weakref.WeakKeyDictionary[Pool, dict[Path, HostTables]] = weakref.WeakKeyDictionary()


def tables_of(pool: Pool, runs: Path) -> HostTables:
    """The tables of a pool's process: one set for as long as the pool stands."""
    known = _STANDING.setdefault(pool, {})
    if runs not in known:
        known[runs] = HostTables(runs, pool)
    return known[runs]


def remove_left(home: Path) -> None:
    """Remove the tables of processes that are gone."""
    for folder in home.iterdir():
        try:
            with open(folder / _LOCK) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # in use, or being made just now
            continue


def blindness(config: Config, tabled: Tabled, sandbox: Mapping[str, Any], pack: Path) -> dict[str, Any]:
    """What a record says of it: {"test": could the pack's code not see the targets of test, "why": why not}."""
    chooses = config.protocol.select_on == "test" and not trusts_metric(config)
    reasons = [
        (sandbox.get("backend") == "none", "nothing held the pack's code (sandbox=none)"),
        (is_packs(config.data.source), "the pack's own code makes the test part"),
        (_lies_in(pack, config.data.source), "the pack brings the test part with it"),
        (tabled.target_is_input, "the target is the input"),
        (chooses, "the pack's own metric reads the test part while it trains (protocol.select_on=test)"),
    ]
    why = "; ".join(text for applies, text in reasons if applies)
    return {"test": not why, "why": why}


def _lies_in(pack: Path, source: Any) -> bool:
    """Does a source name a file in this folder?"""
    if isinstance(source, Mapping):
        return any(_lies_in(pack, item) for item in source.values())
    return isinstance(source, str) and Path(source).resolve().is_relative_to(pack.resolve())


def unseen_labels(config: Config, tabled: Tabled) -> dict[str, Any]:
    """What a record says of classes that no training example has; nothing where labels are no classes."""
    targets = [str(item.get("_target_")) for item in (config.loss, *config.metrics.values())]
    classes = config.data.classes or any(name.endswith(_OF_CLASSES) for name in targets)
    return dict(tabled.unseen) if classes else {}


def said_unseen(name: str, found: Mapping[str, Any]) -> list[str]:
    """A line for each part of a dataset with such classes."""
    return [
        f"data={name}: {of['rows']:,} of {of['of']:,} examples of {part} have labels that no training example has ("
        f"{', '.join(map(str, of['labels']))}{', …' * (len(of['labels']) == MOST_NAMED)}): nothing can have learnt them"
        for part, of in sorted(found.items())
    ]


def trusts_metric(config: Config) -> bool:
    """Is what the protocol chooses on computed by the tool, rather than by the pack's own code?

    A metric's name need not be its key in the configuration: all of them have to be the tool's.
    """
    if config.protocol.metric == "loss":
        return is_trusted(config.loss)
    return all(is_trusted(item) or _is_probe(item) for item in config.metrics.values())


def needs_measuring(config: Config) -> bool:
    """Is there a loss, a metric or a probe that only the pack's own process can tell?"""
    return not is_trusted(config.loss) or not all(map(is_trusted, config.metrics.values()))


def _is_probe(item: Any) -> bool:
    return str(item.get("_target_", "")).startswith("mlintern.engine.probes.")


def make_folder(folder: Path) -> Path:
    """The folder, made where it was not there: a sandbox can only be given what is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.write_problem(folder, error) from None
    return folder
