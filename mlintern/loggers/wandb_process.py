"""The process that talks to W&B: messages as JSON lines on stdin, one line on stdout for what the user should know.

Started by `tracker.py`, with the user's environment and key; no code of a pack runs in it. What fails here ends the one
cell's run at W&B.
"""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.core import files
from mlintern.loggers.rows import curve, finals, merged, read_steps

_DRAFT = ".wandb-draft"


class OpenRuns:
    """The runs that are open, by cell id."""

    def __init__(self) -> None:
        self.open: dict[str, Any] = {}
        self.broken: set[str] = set()

    def take(self, message: Mapping[str, Any]) -> None:
        """Do what a message asks for."""
        cell, what = message["cell"], message["do"]
        if what == "finish":
            self.broken.discard(cell["id"])  # the record has everything: once more
            self.finish(cell, Path(message["record"]), message["artifacts"])
        elif cell["id"] in self.broken:
            return
        elif what == "open":
            self.begin(cell)
        elif what == "rows":
            _log(self.open[cell["id"]], message["rows"])
        elif what == "close":
            self.end(cell, 1)

    def begin(self, cell: Mapping[str, Any]) -> Any:
        """The open run of a cell, or a new one, or at W&B the one that was there."""
        if cell["id"] not in self.open:
            self.open[cell["id"]] = _init(cell, Path(cell["folder"]))
        return self.open[cell["id"]]

    def end(self, cell: Mapping[str, Any], code: int) -> None:
        if (run := self.open.pop(cell["id"], None)) is not None:
            run.finish(exit_code=code)

    def finish(self, cell: Mapping[str, Any], path: Path, artifacts: Sequence[Mapping[str, Any]]) -> None:
        """Bring a cell's run to what its record says, and end it."""
        if cell["mode"] == "online":
            self._from_record(self.begin(cell), path, artifacts)
            self.end(cell, 0)
            return
        folder = Path(cell["folder"])
        draft = folder / _DRAFT
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        self.open[cell["id"]] = run = _init(cell, draft)
        self._from_record(run, path, artifacts)
        self.end(cell, 0)
        (made,) = (draft / "wandb").glob("offline-run-*")
        (folder / "wandb").mkdir(exist_ok=True)
        for old in (folder / "wandb").glob("offline-run-*"):
            shutil.rmtree(old)
        made.rename(folder / "wandb" / made.name)
        shutil.rmtree(draft, ignore_errors=True)

    def _from_record(self, run: Any, path: Path, artifacts: Sequence[Mapping[str, Any]]) -> None:
        record = files.read_json(path)
        _log(run, merged(curve(record), read_steps(path.parent)))
        for item in artifacts:
            _attach(run, item)
        known = {name: record[name] for name in ("status", "wall_s", "parameters", "test_readings") if name in record}
        run.summary.update({**finals(record), **known, "selected_step": record["selection"]["step"]})


def _init(cell: Mapping[str, Any], folder: Path) -> Any:
    import wandb

    staged = Path(cell["folder"]) / "wandb" / "staged"  # an offline run's artifacts stay with it
    staged.mkdir(parents=True, exist_ok=True)
    os.environ["WANDB_DATA_DIR"] = str(staged)
    return wandb.init(
        project=cell["project"],
        mode=cell["mode"],
        dir=str(folder),
        id=cell["id"][:32],
        name=cell["name"],
        group=cell["group"],
        tags=cell["tags"],
        config=cell["config"],
        resume="allow" if cell["mode"] == "online" else None,
        reinit="create_new",
        settings=wandb.Settings(
            silent=True, console="off", x_disable_stats=True, disable_git=True, save_code=False, init_timeout=60
        ),
    )


def _log(run: Any, rows: Sequence[Sequence[Any]]) -> None:
    """Rows by step; those of steps that the run has are left out, for a run that is continued has them."""
    for step, values in rows:
        if step >= run.step:
            run.log({k: float("nan") if v is None else v for k, v in values.items()}, step=step)


def _attach(run: Any, item: Mapping[str, Any]) -> None:
    import wandb

    artifact = wandb.Artifact(item["name"], type=item["kind"])
    for path in item["files"]:
        artifact.add_file(path)
    run.log_artifact(artifact)


def main() -> None:
    """Entry point of `python -m mlintern.loggers.wandb_process`."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints, prints to nobody
    runs, source = OpenRuns(), sys.stdin
    for line in source:
        message = json.loads(line)
        try:
            runs.take(message)
        except Exception as error:  # noqa: BLE001 - a library and a network: what they end in is one line
            cell = message["cell"]
            runs.broken.add(cell["id"])
            with contextlib.suppress(BrokenPipeError):
                said = f"{type(error).__name__}: {' '.join(str(error).split())}"
                print(f"{cell['name']}: W&B: {said}; the run goes on without it", file=out, flush=True)
    for run in list(runs.open.values()):  # the command ended in the middle of these
        run.finish(exit_code=1)


if __name__ == "__main__":
    main()
