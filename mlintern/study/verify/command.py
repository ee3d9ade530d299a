"""`mlintern verify RUN`: train a recorded cell again, compare it with its record step by step, and say where they part.

A rerun that differs is looked into. Inside the step at which it leaves the record, the first tensor that differs is
named: from what the record kept of that step (see `mlintern.engine.inside`), or, where the record's circumstances can
be had again on this machine (threads and variables), from two live runs, one as recorded and one as things are now,
compared value by value. A circumstance that alone brings the record's bits back is the cause.
"""

import argparse
import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mlintern.core import environment, files
from mlintern.core.errors import UserError
from mlintern.core.records import record
from mlintern.core.records.recorded_steps import read_losses
from mlintern.core.streams import seeding
from mlintern.data.prepare import DATASET_FILE
from mlintern.engine import ENGINE_VERSION
from mlintern.engine.source import same_bits
from mlintern.packs import snapshot
from mlintern.packs.pack import Pack
from mlintern.packs.places import place
from mlintern.plan.cell_plan import dataset_folder
from mlintern.study.folders import standing
from mlintern.study.verify import causes, differences
from mlintern.study.verify.bits import Losses, compare_losses, find
from mlintern.study.verify.differences import Difference
from mlintern.study.verify.first_difference import Parting, first_parting
from mlintern.study.verify.rerun import Rerun, RerunSetting


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How a rerun compares with its record."""

    losses: Losses
    """The record's losses first, the rerun's second."""
    weights_equal: bool | None = None
    """Are the chosen weights the same bytes? None where only some of the steps were run."""
    metrics_equal: bool | None = None
    """Are all metrics the same? None where only some of the steps were run."""
    inside: Parting | None = None
    """The first tensor that differs in the first step, kept by both, in which one does."""
    differences: Sequence[Difference] = ()
    """What is not as it was when the record was made, the likeliest causes first."""
    proven: str = ""
    """What was shown to be the cause, by putting it back as recorded or by running twice; empty where nothing was."""

    @property
    def identical(self) -> bool:
        return self.losses.parted_at is None and self.weights_equal is not False and self.metrics_equal is not False


def main(argv: Sequence[str]) -> int:
    """Run `mlintern verify`; exit 0 when identical, 1 when not."""
    parser = argparse.ArgumentParser(prog="mlintern verify", description=__doc__)
    parser.add_argument("run", help="a cell's id, its folder, or its run.json")
    parser.add_argument("--steps", type=int, default=None, help="compare only the first so many steps")
    parser.add_argument("--runs", type=Path, default=place("runs"), help="where records are (default: runs)")
    parser.add_argument("--data", type=Path, default=place("data"), help="where prepared data are (default: data)")
    arguments = parser.parse_args(list(argv))
    if arguments.steps is not None and arguments.steps < 1:
        raise UserError(f"--steps {arguments.steps}: must be at least 1")
    console = Console(soft_wrap=True)
    path = find(arguments.run, arguments.runs)
    run = record.read_run(path.parent)
    began = enter_snapshot(run["slug"], arguments.runs, argv, console)
    for line in edited(run):
        console.print(f"[yellow]{line}[/]", highlight=False)
    if not same_bits(run.get("engine"), ENGINE_VERSION):
        said = f"record: made by {standing.code_of(run)}, not certified to make the bits of the one here"
        console.print(said, style="yellow", highlight=False)
    found = verify(run, path.parent, arguments.data, arguments.steps, console)
    say(found, run, console)
    if said := began and began.said():
        console.print(said, style="yellow", highlight=False, markup=False)
    return 0 if found.identical else 1


def enter_snapshot(slug: str, runs: Path, argv: Sequence[str], console: Console) -> snapshot.CodeState | None:
    """Go on from a snapshot, as every command that runs cells; returns the state of code and pack that reruns start
    from. They are compared with each other, and an edit between two of them must not look like a cause."""
    if not (snapshot.ROOT / "papers" / slug).is_dir():
        return None
    try:
        snapshot.enter([slug], runs, "mlintern", ["verify", *argv])
    except UserError as error:  # records of others, which may be read only
        said = f"{error}. Going on from the code as it is, which should stay as it is meanwhile."
        console.print(said, style="yellow", highlight=False, markup=False)
    return snapshot.CodeState(slug)


def edited(run: Mapping[str, Any]) -> list[str]:
    """What in the record contradicts itself: it was changed after it was written."""
    lines = []
    version = run["engine"]["version"] if run.get("engine") else None
    if version is not None and run.get("cell_id"):
        now = record.cell_id(run["config"], version, run["code_sha256"], run["prepared"])
        if now != run["cell_id"]:
            lines.append(
                f"record: its configuration, code and data come to the cell id {now}, but it says {run['cell_id']}; "
                "it was edited after it was written"
            )
    if run.get("streams") and run["streams"] != seeding.stream_heads(run["config"]["seed"]):
        lines.append(f"record: its random streams are not those of config.seed={run['config']['seed']}; it was edited")
    if run["config"].get("seed") != run["seed"]:
        lines.append(f"record: seed {run['seed']} beside config.seed {run['config'].get('seed')}; it was edited")
    return lines


def verify(run: Mapping[str, Any], folder: Path, data: Path, steps: int | None, console: Console) -> Comparison:
    """Train the record's cell again in a scratch folder, compare everything, and look for the cause."""
    with tempfile.TemporaryDirectory(prefix="mlintern-verify-") as scratch:
        rerun = Rerun(run, folder, data, Path(scratch), console)
        out, now = rerun.train(RerunSetting(), steps)
        changed = differences.differences(run, now_as_record(run, now, data))
        found = compare(folder, out, run, steps)
        if found.identical:
            return dataclasses.replace(found, differences=changed)
        return explain(dataclasses.replace(found, differences=changed), rerun, folder, out, steps)


def explain(found: Comparison, rerun: Rerun, recorded: Path, out: Path, steps: int | None) -> Comparison:
    """Where inside its step a rerun leaves the record, and, where it can be proven, why."""
    where = first_parting(recorded, out, found.losses)
    proven = ""
    upto = _enough(found.losses, steps)
    for cause, setting in rerun.as_recorded(found.differences):
        again, _ = rerun.train(setting, upto)
        if compare_losses(recorded, again, upto).parted_at is None:
            proven = f"{cause}. Put back as recorded, it gives the record's bits"
            where = rerun.live(setting, found.losses.parted_at) or where
            break
    else:
        again, _ = rerun.train(RerunSetting(), upto)
        between = compare_losses(out, again, upto)
        if between.parted_at is not None:
            proven = "the run does not repeat itself: two reruns, one right after the other, differ from each other"
            where = rerun.live(RerunSetting(), between.parted_at) or first_parting(out, again, between) or where
    ranking = causes.ranked(found.differences, where)
    return dataclasses.replace(found, inside=where, proven=proven, differences=ranking)


def _enough(losses: Losses, steps: int | None) -> int | None:
    """How many steps show whether a rerun takes the record's way: up to the parting, or all of them."""
    return steps if losses.parted_at is None else losses.parted_at + 1


def now_as_record(run: Mapping[str, Any], now: Mapping[str, Any], data: Path) -> dict[str, Any]:
    """The record with everything in it that is a fact of the present: code, data, environment, commit."""
    pack = Pack(run["slug"])
    prepared = dataset_folder(data, pack, run["config"]["data"], run["overrides"]) / DATASET_FILE
    here = environment.environment_record()
    drift = {entry["package"]: entry for entry in [*here["drift"], *now["environment"]["drift"]]}
    return {
        **run,
        "code_sha256": pack.code_sha256(),
        "pack_sha256": pack.sha256(),
        "prepared": files.read_json(prepared)["parts"] if prepared.exists() else run["prepared"],
        "data": now["data"],
        "engine": now["engine"],
        "environment": {**now["environment"], "drift": [drift[name] for name in sorted(drift)]},
        "git": snapshot.git_state() or run["git"],
    }


def compare(folder: Path, rerun: Path, run: Mapping[str, Any], steps: int | None) -> Comparison:
    """Compare the steps of two run folders, and the chosen weights and metrics where all steps were run."""
    losses = compare_losses(folder, rerun, steps)
    if steps is not None and steps < len(read_losses(folder)):
        return Comparison(losses)
    again = record.read_run(rerun, whole=False)
    return Comparison(losses, again["weights_sha256"] == run["weights_sha256"], again["metrics"] == run["metrics"])


def say(found: Comparison, run: Mapping[str, Any], console: Console) -> None:
    """Print the outcome."""

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style or None, highlight=False, markup=False)

    if found.identical:
        for difference in found.differences:
            line(f"{_then_and_now(difference)} (no effect on these bits)", "dim")
        tail = ", and the chosen weights" if found.weights_equal else ""
        console.print(f"[bold green]IDENTICAL[/]: {found.losses.steps} losses{tail}, bit for bit", highlight=False)
    else:
        console.print(f"[bold red]DIFFERENT[/]{parted(found)}", highlight=False)
        if found.inside is not None:
            line(f"Inside step {found.inside.step}, first to differ: {found.inside}")
            if found.inside.agreeing:
                line(f"  the {found.inside.agreeing} tensors before it agree, the last of them: {found.inside.before}")
        elif found.losses.parted_at is not None:
            line("  no step's inside was kept by both that would show more")
        say_causes(found, edited(run), line)
    if run["config"]["determinism"]["level"] == "fast":
        console.print("The run was made with determinism=fast, which promises nothing.", highlight=False)


def say_causes(found: Comparison, edits: Sequence[str], line: Any) -> None:
    """What is not as it was, and which of it is the cause."""
    mattering = [item for item in found.differences if item.matters]
    for item in mattering:
        line(f"Not as recorded: {_then_and_now(item)}", "yellow")
    able = [item for item in mattering if found.inside is None or causes.can_explain(item, found.inside)]
    if found.proven:
        line(f"Cause: {found.proven}.", "bold")
    elif edits and not able:
        line(f"Likeliest cause: {edits[0]}", "bold")
    elif able:
        line(f"Likeliest cause: {_then_and_now(able[0])}", "bold")
    elif mattering:
        line("None of these reaches what differs first: look at the code that computes it.", "bold")
    else:
        line("Code, data, packages and machine are as recorded: what differs was not noted, or the record was edited.")


def parted(found: Comparison) -> str:
    """Where a rerun leaves its record, in words."""
    losses = found.losses
    step = losses.parted_at
    if step is None:
        what = "the chosen weights" if found.weights_equal is False else "the metrics"
        return f": all {losses.steps} losses agree, {what} do not"
    if losses.first_difference != step:
        return f" from step {step} on: its loss agrees, the weights after it do not; " + (
            f"the loss of step {losses.first_difference} is the first to show it"
            if losses.first_difference
            else f"none of {losses.steps} losses shows it"
        )
    return (
        f" from step {step} on: loss {losses.first!r} then, {losses.second!r} now ({losses.ulp:,} ulp apart); "
        f"the {step} steps before agree" + (", weights included" if losses.weights_noted and step else "")
    )


def _then_and_now(item: Difference) -> str:
    return f"{item.kind}: {item.name}: {differences.shown(item.first)} then, {differences.shown(item.second)} now"
