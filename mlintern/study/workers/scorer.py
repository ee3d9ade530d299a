"""The trusted process: it has the targets, writes the tables that others read, and scores what they send.

It is started by the host with the pins of the determinism level, imports torch and never a pack, and runs as the user
does. The host asks over a socket, in JSON lines with an id each, and sends the reading end of a pipe along where
outputs are to come through it; `{"ended": id}` says that their sender is gone. Questions are answered in threads of
their own, in whatever order they are done.
"""

import dataclasses
import json
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlintern.config import Config
from mlintern.core.errors import UserError
from mlintern.core.records import packed
from mlintern.engine import rows, tables
from mlintern.engine.columns import write_table
from mlintern.engine.frames import Receiver
from mlintern.engine.tables import Paths
from mlintern.engine.trusted import is_trusted

MOST_MAPS = 16
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,79}")


@dataclasses.dataclass
class ScoredDataset:
    """One dataset under one protocol: what outputs are scored against."""

    paths: Paths
    ids: np.ndarray
    """[n] of test."""
    labels: np.ndarray
    """[n, ...] of test, as published."""
    targets: dict[str, np.ndarray]
    """{part: [n, ...]} in published order, not dealt."""
    annotations: dict[str, np.ndarray]
    order: np.ndarray
    """The published place of every row of the test table."""
    facts: dict[str, Any]


@dataclasses.dataclass
class Scored:
    """What is known of one cell's chosen weights so far."""

    metrics: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    """{part: {name: value}}"""
    columns: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """Of predictions.parquet, in published order."""
    maps: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


class Desk:
    """The questions that the host may put, a method each: `ask_<name>(question, frames)` to the answer."""

    def __init__(self) -> None:
        self.datasets: dict[str, ScoredDataset] = {}
        self.cells: dict[str, Scored] = {}
        self._imported: frozenset[str] | None = None
        self._torch = threading.Lock()
        self._ready = False

    def ask_ready(self, question: Mapping[str, Any], frames: Iterator[Any]) -> dict[str, Any]:
        """Import what scoring takes, while others still prepare data or train."""
        import pyarrow.parquet

        import mlintern.engine.sealed  # noqa: F401

        pyarrow.table({"steps": np.zeros(1)})  # which looks for pandas
        self._pinned(question["config"])
        return {}

    def ask_tables(self, question: Mapping[str, Any], frames: Iterator[Any]) -> dict[str, Any]:
        """Write the tables of a dataset; where view or preprocessing are the pack's own, of raw features."""
        config, paths = question["config"], Paths(Path(question["out"]))
        splits = tables.load_splits(config, Path(question["folder"]), packs_code=False)
        own = not all(is_trusted(said) for said in (config.data.view, config.data.preprocess))
        order, parts, none = tables.order_of_test(splits), splits.parts(), rows.ignored(config)
        targets = {part: rows.to_targets(of.labels) for part, of in parts.items()}
        facts: dict[str, Any] = {
            "rows": {part: len(of) for part, of in parts.items()},
            "own": own,
            "top": rows.highest(splits, none),
            "unseen": rows.unseen(targets, none),
            "data": splits.fingerprints(),
            "target_is_input": any(_is_input(of.features, of.labels) for of in parts.values()),
        }
        for part in tables.SEEN:
            if part in targets:
                tables.save(paths.targets(part), targets[part])
        self.datasets[question["key"]] = ScoredDataset(
            paths,
            splits.test.ids.astype(str),
            splits.test.labels,
            targets,
            {part: of.annotations for part, of in parts.items() if of.annotations is not None},
            order,
            facts,
        )
        if own:
            for part, of in parts.items():
                tables.save(paths.raw(part), of.features[order] if part == "test" else of.features)
        else:
            self._inputs(question, splits, {p: rows.to_inputs(x) for p, x in splits.transformed().items()})
        return facts

    def ask_transformed(self, question: Mapping[str, Any], frames: Iterator[Any]) -> dict[str, Any]:
        """Take in the inputs that the pack's own view or preprocessing made of raw features."""
        dataset = self.datasets[question["key"]]
        splits = tables.load_splits(question["config"], Path(question["folder"]), packs_code=False)
        found: dict[str, np.ndarray] = {}
        for part, count in dataset.facts["rows"].items():
            pieces: list[np.ndarray] = []
            while (left := count - sum(len(piece) for piece in pieces)) > 0:
                notes, values = next(frames, ({}, np.empty(0)))
                if notes != {"part": part} or not len(values) or len(values) > left:
                    raise UserError(f"data.preprocess: did not give one input for each of the {count} rows of {part}")
                pieces.append(values)
            found[part] = rows.to_inputs(np.concatenate(pieces))
        back = np.argsort(dataset.order)
        self._inputs(question, splits, {**found, "test": found["test"][back]})
        return dataset.facts

    def _inputs(self, question: Mapping[str, Any], splits: Any, inputs: Mapping[str, np.ndarray]) -> None:
        """Write inputs, given in published order, as tables."""
        dataset = self.datasets[question["key"]]
        dataset.facts["sizes"] = rows.sizes(splits, inputs, rows.ignored(question["config"]))
        for part, values in inputs.items():
            tables.save(dataset.paths.inputs(part), values[dataset.order] if part == "test" else values)

    def ask_environment(self, question: Mapping[str, Any], frames: Iterator[Any]) -> dict[str, Any]:
        """What this process, which has the pins, finds of its machine and packages, `imported` by workers included."""
        from mlintern.core.environment import environment_record
        from mlintern.core.installed import imported

        self._pinned(question["config"])
        if self._imported is None:  # as they are now: a look at all of them takes a moment
            self._imported = imported()
        return dict(environment_record(self._imported | set(question["imported"])))

    def ask_sealed(self, question: Mapping[str, Any], frames: Iterator[Any]) -> dict[str, Any]:
        """Check what a training left, copied to where it is safe: weights, and the losses of every step."""
        from mlintern.engine import weights
        from mlintern.engine.sealed import check_steps

        self._pinned(question["config"])
        state, _ = weights.load_tensors(Path(question["weights"]))
        packed.check_rows(Path(question["steps"]), question["count"], "delete the cell's folder and run again")
        steps = check_steps(Path(question["steps"]), question["count"], question["chain"])
        return {"weights_sha256": weights.weights_sha256(state), "diverged_at": steps}

    def ask_score(self, question: Mapping[str, Any], frames: Iterator[Any]) -> dict[str, Any]:
        """Score the outputs of some weights: {part: {name: value}}; `cell` keeps them for its record."""
        from mlintern.engine.score import Trusted, Wanted

        config, dataset = question["config"], self.datasets[question["key"]]
        self._pinned(config)
        trusted, scored = Trusted(config), Scored()
        for part in question["parts"]:
            targets = dataset.targets[part]
            wanted = Wanted(
                rows.dealt(config, targets) if part == "train" else targets, dataset.order if part == "test" else None
            )
            found = trusted.score(part, wanted, frames)
            loss = {} if trusted.criterion is None else {"loss": found.loss}
            scored.metrics[part] = {**loss, **found.metrics}
            if part == "test":
                scored.columns = {"prediction": found.predictions, **found.per_example}
        _nothing_more(frames)
        if question.get("cell"):
            self.cells[question["cell"]] = scored
        return {"metrics": scored.metrics}

    def ask_measure_tables(self, question: Mapping[str, Any], frames: Iterator[Any]) -> dict[str, Any]:
        """Write tables with the targets and annotations of all parts, in published order, for what is asked last."""
        dataset, paths = self.datasets[question["key"]], Paths(Path(question["out"]))
        back = np.argsort(dataset.order)
        for part, targets in dataset.targets.items():
            inputs = tables.read(dataset.paths.inputs(part))
            tables.save(paths.inputs(part), inputs[back] if part == "test" else inputs)
            tables.save(paths.targets(part), rows.dealt(question["config"], targets) if part == "train" else targets)
            if part in dataset.annotations:
                tables.save(paths.annotations(part), dataset.annotations[part])
        return {}

    def ask_measured(self, question: Mapping[str, Any], frames: Iterator[Any]) -> dict[str, Any]:
        """Take in what the pack's own code says of the chosen weights: one number per example, or the loss of a part.

        With `reading`, of test alone, for a protocol that chooses on it; nothing is kept.
        """
        config, dataset = question["config"], self.datasets[question["key"]]
        known = set() if question.get("reading") else {n for of in self._scored(question).metrics.values() for n in of}
        most = sum(not is_trusted(item) for item in config.metrics.values())
        scored = Scored() if question.get("reading") else self._scored(question)
        taken: dict[str, set[str]] = {}
        for notes, values in frames:
            if set(notes) == {"map"}:
                self._map(scored, notes["map"], values, len(dataset.labels))
                continue
            part, name = notes.get("part"), notes.get("name")
            if part not in dataset.targets or not isinstance(name, str) or not _NAME.fullmatch(name):
                raise UserError(f"metrics: {str(notes)[:80]} is no answer of theirs")
            names = taken.setdefault(part, set())
            count = 1 if name == "loss" else len(dataset.targets[part])
            if name in names or name in known or len(names - {"loss"}) >= most + (name == "loss"):
                raise UserError(f"metrics.{name}: answered for {part} though nobody asked")
            if name == "loss" and is_trusted(config.loss):
                raise UserError("loss: answered by the pack's code, though it is not the pack's")
            if values.dtype != np.float64 or values.shape != (count,):
                shape = f"{values.dtype} {list(values.shape)}"
                raise UserError(f"metrics.{name}: gave {shape} for {part}; it must give one number for each example")
            names.add(name)
            scored.metrics.setdefault(part, {})[name] = float(values.mean())
            if part == "test" and name != "loss":
                scored.columns[name] = values
        return {"metrics": scored.metrics, "measured": sorted({name for names in taken.values() for name in names})}

    def _map(self, scored: Scored, name: Any, values: np.ndarray, count: int) -> None:
        from mlintern.engine.probes import DRAWN

        fits = isinstance(name, str) and _NAME.fullmatch(name) and len(scored.maps) < MOST_MAPS
        if not fits or len(values) != min(DRAWN, count) or not np.isfinite(values).all():
            raise UserError(f"metrics.{str(name)[:40]}: its maps are not finite numbers for the first examples")
        scored.maps[name] = values

    def ask_finish(self, question: Mapping[str, Any], frames: Iterator[Any]) -> dict[str, Any]:
        """Write what is kept of every test example beside the record."""
        from mlintern.core.records import record

        dataset, scored, folder = self.datasets[question["key"]], self._scored(question), Path(question["folder"])
        columns = {"id": dataset.ids, "target": dataset.labels, **scored.columns}
        write_table(folder / record.PREDICTIONS_FILE, columns)
        (folder / record.MAPS_FILE).unlink(missing_ok=True)
        if scored.maps:
            count = len(next(iter(scored.maps.values())))
            where = np.argsort(dataset.order)[:count]
            shown = {"inputs": tables.read(dataset.paths.inputs("test"))[where].astype(np.float32), **scored.maps}
            if "test" in dataset.annotations:
                shown["annotations"] = dataset.annotations["test"][:count].astype(np.float32)
            tables.save_all(folder / record.MAPS_FILE, shown)
        del self.cells[question["cell"]]
        return {"metrics": scored.metrics}

    def _scored(self, question: Mapping[str, Any]) -> Scored:
        return self.cells[question["cell"]]

    def _pinned(self, config: Config) -> None:
        """Have torch, with the level's switches set."""
        with self._torch:
            if not self._ready:
                config.determinism.check_pins()
                config.determinism.apply()
                import mlintern.engine.score  # noqa: F401

                self._ready = True


def _nothing_more(frames: Iterator[Any]) -> None:
    if next(frames, None) is not None:
        raise UserError("outputs: more of them than there are rows")


def _is_input(features: np.ndarray, labels: np.ndarray) -> bool:
    """Can the target be read off the input: is it the same numbers, or the same tokens one place on?"""
    if labels.ndim < 2 or labels.dtype.kind not in "iuf" or features.dtype.kind not in "iuf":
        return False
    if features.shape == labels.shape and np.array_equal(features, labels):
        return True
    shifted = features.ndim == 2 and features.shape == labels.shape
    return bool(shifted and np.array_equal(features[:, 1:], labels[:, :-1]))


class Server:
    """Reads questions and answers them, until the host closes its end."""

    def __init__(self, channel: socket.socket):
        self.channel, self.desk = channel, Desk()
        self._sending = threading.Lock()
        self._ends: dict[int, int] = {}
        self._pending = bytearray()
        self._handles: list[int] = []

    def serve(self) -> None:
        """Answer until there is nobody to ask."""
        while True:
            data, handles, _, _ = socket.recv_fds(self.channel, 1 << 16, 16)
            if not data:
                os._exit(0)  # threads that wait for outputs wait for nobody
            self._handles += handles
            self._pending += data
            *lines, self._pending = self._pending.split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, question: dict[str, Any]) -> None:
        if "ended" in question:
            with self._sending:
                if (end := self._ends.get(question["ended"])) is not None:
                    os.write(end, b"x")
            return
        if not question.get("frames"):
            threading.Thread(target=self._answer, args=(question, iter(()), ())).start()
            return
        reading = self._handles.pop(0)
        ended, end = os.pipe()
        self._ends[question["id"]] = end
        frames = _frames(Receiver(reading, ended))
        threading.Thread(target=self._answer, args=(question, frames, (reading, ended, end))).start()

    def _answer(self, question: dict[str, Any], frames: Iterator[Any], handles: Sequence[int]) -> None:
        method: Callable[..., dict[str, Any]] = getattr(self.desk, f"ask_{question['ask']}")
        try:
            if "config" in question:
                question = {**question, "config": Config.from_plain(question["config"])}
            answer: dict[str, Any] = {"id": question["id"], "answer": method(question, frames)}
        except UserError as error:
            answer = {"id": question["id"], "error": str(error)}
        except Exception as error:  # noqa: BLE001 - a fault of this tool in one answer must not end the others
            import traceback

            traceback.print_exc()
            answer = {"id": question["id"], "error": f"the scorer failed: {type(error).__name__}: {error}"}
        with self._sending:
            self._ends.pop(question["id"], None)
            for handle in handles:
                os.close(handle)
            self.channel.sendall(json.dumps(answer).encode() + b"\n")


def _frames(receiver: Receiver) -> Iterator[Any]:
    while (frame := receiver.frame()) is not None:
        yield frame


def _end(fault: threading.ExceptHookArgs) -> None:
    """End with a thread that could not even answer, for want of memory say: whoever asked would wait for ever."""
    threading.__excepthook__(fault)
    os._exit(1)


def main() -> None:
    """Entry point of `python -m mlintern.study.workers.scorer DESCRIPTOR`, which is that of the socket."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the host ends it
    threading.excepthook = _end
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        Server(channel).serve()


if __name__ == "__main__":
    main()
