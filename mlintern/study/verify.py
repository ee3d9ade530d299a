"""`mlintern verify RUN`: train a recorded cell again and compare it with its record, step by step."""

import argparse
import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mlintern import environment, files, record
from mlintern.data.prepare import DATASET_FILE
from mlintern.engine.determinism import Determinism
from mlintern.errors import UserError
from mlintern.pack import Pack
from mlintern.study import differences
from mlintern.study.bits import Losses, compare_losses, find, read_losses
from mlintern.study.launch import launcher
from mlintern.study.plan import dataset_folder
from mlintern.study.pool import Pool, Task
from mlintern.study.run import git_state


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How a rerun compares with its record."""

    losses: Losses
    """The record's losses first, the rerun's second."""
    weights_equal: bool | None = None
    """Are the chosen weights the same bytes? None where only some of the steps were run."""

    @property
    def identical(self) -> bool:
        return self.losses.first_difference is None and self.weights_equal is not False


def main(argv: Sequence[str]) -> int:
    """Run `mlintern verify`; exit 0 when identical, 1 when not."""
    parser = argparse.ArgumentParser(prog="mlintern verify", description=__doc__)
    parser.add_argument("run", help="a cell's id, its folder, or its run.json")
    parser.add_argument("--steps", type=int, default=None, help="compare only the first so many steps")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where records are (default: runs)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="where prepared data are (default: data)")
    arguments = parser.parse_args(list(argv))
    if arguments.steps is not None and arguments.steps < 1:
        raise UserError(f"--steps {arguments.steps}: must be at least 1")
    console = Console()
    path = find(arguments.run, arguments.runs)
    run: record.RunRecord = files.read_json(path)
    for line in changed_since(run, arguments.data):
        console.print(f"[yellow]{line}[/]", highlight=False)
    found = verify(run, path.parent, arguments.data, arguments.steps, console)
    say(found, run, console)
    return 0 if found.identical else 1


def changed_since(run: Mapping[str, Any], data: Path) -> list[str]:
    """What differs now from what the record was made with, one line each: code, data, packages, machine."""
    lines = []
    if (now := Pack(run["slug"]).code_sha256()) != run["code_sha256"]:
        lines.append(f"pack code: differs from the record's ({run['code_sha256'][:12]} then, {now[:12]} now)")
    prepared = dataset_folder(data, run["slug"], run["config"], run["overrides"]) / DATASET_FILE
    if prepared.exists():
        parts = files.read_json(prepared)["parts"]
        for part in sorted(parts.keys() | run["prepared"].keys()):
            if parts.get(part) != run["prepared"].get(part):
                lines.append(f"data: the {part} part in {prepared.parent} is not the one the record was made with")
    here = environment.environment_record()
    now = {**run["environment"], **{name: here[name] for name in ("lock_sha256", "drift", "python", "platform", "cpu")}}
    for found in differences.environment(run["environment"], now):
        then = differences.shown(found.first)
        lines.append(f"{found.name}: {then} then, {differences.shown(found.second)} now")
    if run["git"] and (git := git_state()) and git["commit"] != run["git"].get("commit"):
        lines.append(f"commit: {run['git']['commit'][:12]} then, {git['commit'][:12]} now")
    return lines


def verify(run: Mapping[str, Any], folder: Path, data: Path, steps: int | None, console: Console) -> Comparison:
    """Train the record's cell again in a scratch folder and compare losses and weights."""
    config = {**run["config"], "logger": {"kind": "none"}}
    pins = Determinism(**config["determinism"]).pins()
    with tempfile.TemporaryDirectory(prefix="mlintern-verify-") as scratch:
        out = Path(scratch) / "cell"
        pack = Pack(run["slug"])
        prepared = dataset_folder(data, run["slug"], config, run["overrides"])
        launch = launcher(pack, config["sandbox"], [Path(scratch), prepared.parent], 1, console)
        job = {"config": config, "folder": str(prepared), "out": str(out), "until": steps}
        with Pool(1, pins, 0, launch) as pool:
            if not (prepared / DATASET_FILE).exists():
                pool.map([Task("data", {**job, "kind": "prepare"})])
            pool.map([Task(run["cell_id"], {**job, "kind": "cell", "facts": {}})])
        return compare(folder, out, run, steps)


def compare(recorded: Path, rerun: Path, run: Mapping[str, Any], steps: int | None) -> Comparison:
    """Compare the losses of two run folders, and the weights where all steps were run."""
    whole = steps is None or steps >= len(read_losses(recorded))
    equal = files.read_json(rerun / record.RUN_FILE)["weights_sha256"] == run["weights_sha256"] if whole else None
    return Comparison(compare_losses(recorded, rerun, steps), equal)


def say(found: Comparison, run: Mapping[str, Any], console: Console) -> None:
    """Print the outcome."""
    losses = found.losses
    if found.identical:
        tail = ", and the chosen weights" if found.weights_equal else ""
        console.print(f"[bold green]IDENTICAL[/]: {losses.steps} losses{tail}, bit for bit", highlight=False)
    elif losses.first_difference is None:
        console.print(
            f"[bold red]DIFFERENT[/]: all {losses.steps} losses agree, the chosen weights do not", highlight=False
        )
    else:
        console.print(
            f"[bold red]DIFFERENT[/] from step {losses.first_difference} on: loss {losses.first!r} then, "
            f"{losses.second!r} now ({losses.ulp} ulp apart); the {losses.first_difference} steps before agree",
            highlight=False,
        )
    if run["config"]["determinism"]["level"] == "fast":
        console.print("The run was made with determinism=fast, which promises nothing.", highlight=False)
