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
from mlintern.study.launch import launcher
from mlintern.study.plan import dataset_name
from mlintern.study.pool import Pool, Task
from mlintern.study.run import git_state


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How a rerun compares with its record."""

    steps: int
    """Steps compared."""
    first_difference: int | None
    """First step (0-based) whose loss differs; None where all agree."""
    recorded_loss: float | None = None
    rerun_loss: float | None = None
    ulp: int | None = None
    """Distance of the two losses, in units of the last place of float32."""
    weights_equal: bool | None = None
    """Are the chosen weights the same bytes? None where only some of the steps were run."""

    @property
    def identical(self) -> bool:
        return self.first_difference is None and self.weights_equal is not False


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


def find(text: str, runs: Path) -> Path:
    """The run.json that a cell id (or the start of one), a folder or a file names."""
    given = Path(text)
    candidates = [given] if given.is_file() else [given / record.RUN_FILE] if given.is_dir() else []
    candidates = candidates or sorted(runs.glob(f"*/{text}*/{record.RUN_FILE}"))
    existing = [path for path in candidates if path.is_file()]
    if not existing:
        raise UserError(f"{text}: no finished run of that id in {runs}/, and no such folder or file")
    if len(existing) > 1:
        raise UserError(f"{text}: {len(existing)} runs begin with that; give more digits")
    return existing[0]


def changed_since(run: Mapping[str, Any], data: Path) -> list[str]:
    """What differs now from what the record was made with, one line each: code, data, packages, machine."""
    lines = []
    if (now := Pack(run["slug"]).code_sha256()) != run["code_sha256"]:
        lines.append(f"pack code: differs from the record's ({run['code_sha256'][:12]} then, {now[:12]} now)")
    prepared = data / run["slug"] / dataset_name(run["config"]) / DATASET_FILE
    if prepared.exists():
        parts = files.read_json(prepared)["parts"]
        for part in sorted(parts.keys() | run["prepared"].keys()):
            if parts.get(part) != run["prepared"].get(part):
                lines.append(f"data: the {part} part in {prepared.parent} is not the one the record was made with")
    then, here = run["environment"], environment.environment_record()
    for name in ("lock_sha256", "python", "platform", "cpu"):
        if then.get(name) != here.get(name):
            lines.append(f"{name}: {then.get(name)} then, {here.get(name)} now")
    if then.get("drift") != here.get("drift"):
        lines.append("packages: other versions are installed than then; `mlintern doctor` lists the drift")
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
        prepared = data.absolute() / run["slug"] / dataset_name(config)
        launch = launcher(pack, config["sandbox"], [Path(scratch), prepared.parent], 1, console)
        job = {"config": config, "folder": str(prepared), "out": str(out), "until": steps}
        with Pool(1, pins, 0, launch) as pool:
            if not (prepared / DATASET_FILE).exists():
                pool.map([Task("data", {**job, "kind": "prepare"})])
            pool.map([Task(run["cell_id"], {**job, "kind": "cell", "facts": {}})])
        return compare(folder, out, run, steps)


def compare(recorded: Path, rerun: Path, run: Mapping[str, Any], steps: int | None) -> Comparison:
    """Compare the losses of two run folders, and the weights where all steps were run."""
    import numpy as np
    import pyarrow.parquet as pq

    old, new = (
        pq.read_table(folder / record.STEPS_FILE, columns=["loss"]).column("loss").to_numpy()
        for folder in (recorded, rerun)
    )
    n = min(len(old), len(new), steps or len(old))
    different = np.flatnonzero(old[:n].view(np.int32) != new[:n].view(np.int32))
    whole = steps is None or steps >= len(old)
    equal = files.read_json(rerun / record.RUN_FILE)["weights_sha256"] == run["weights_sha256"] if whole else None
    if not len(different):
        return Comparison(n, None, weights_equal=equal)
    step = int(different[0])
    return Comparison(step, step, float(old[step]), float(new[step]), ulp_distance(old[step], new[step]), equal)


def ulp_distance(a: Any, b: Any) -> int:
    """How many float32 numbers lie between two, counting one end: 1 for neighbours."""
    import numpy as np

    def place(value: Any) -> int:
        bits = int(np.float32(value).view(np.int32))
        return bits if bits >= 0 else -(bits & 0x7FFFFFFF)

    return abs(place(a) - place(b))


def say(found: Comparison, run: Mapping[str, Any], console: Console) -> None:
    """Print the outcome."""
    if found.identical:
        tail = ", and the chosen weights" if found.weights_equal else ""
        console.print(f"[bold green]IDENTICAL[/]: {found.steps} losses{tail}, bit for bit", highlight=False)
    elif found.first_difference is None:
        console.print(
            f"[bold red]DIFFERENT[/]: all {found.steps} losses agree, the chosen weights do not", highlight=False
        )
    else:
        console.print(
            f"[bold red]DIFFERENT[/] from step {found.first_difference} on: loss {found.recorded_loss!r} then, "
            f"{found.rerun_loss!r} now ({found.ulp} ulp apart); the {found.first_difference} steps before agree",
            highlight=False,
        )
    if run["config"]["determinism"]["level"] == "fast":
        console.print("The run was made with determinism=fast, which promises nothing.", highlight=False)
