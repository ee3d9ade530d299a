"""One run of the engine, by the function that the study's workers call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.repro_matrix import subjects
from mlintern.core.records import record


def bits(folder: Path) -> dict[str, Any]:
    """The bits of a finished run: the loss chain, and the weights without those of an unused layer."""
    from mlintern.core import files
    from mlintern.engine import weights

    tensors, _ = weights.load_tensors(folder / record.WEIGHTS_FILE)
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("unused.")}
    run = files.read_json(folder / record.RUN_FILE)
    return {"losses": run["loss_chain_sha256"], "weights": weights.weights_sha256(kept)}


def train(job: dict[str, Any], started: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Train (or go on training) in `job["folder"]`; `started` is called after the first step."""
    from mlintern.core.errors import Interrupted
    from mlintern.engine import rows
    from mlintern.engine.cell import run_cell
    from mlintern.engine.training import seconds_per_step

    options = dict(job.get("options", {}))
    bar = progress_bar() if options.pop("progress", False) else None
    rehearse, stop = options.pop("rehearse", False), options.pop("stop", None)
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    config = subjects.config(job["subject"], **options)
    splits = subjects.splits(Path(job["data"]))
    if rehearse:
        seconds_per_step(
            config, *rows.seen(config, splits), len(splits.test)
        )  # what the engine does in place of a sanity check: the plan's estimate
    seen = [0]

    def progress(step: int) -> None:
        started()
        seen[0] = step
        if bar is not None:
            bar(step)

    try:
        run_cell(config, splits, folder, {}, progress, lambda: stop is not None and seen[0] >= stop)
    except Interrupted:
        return {}
    return bits(folder)


def progress_bar() -> Callable[[int], None]:
    """A bar that is drawn at every step."""
    import io

    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(file=io.StringIO(), force_terminal=True))
    task = bar.add_task("training", total=subjects.STEPS)

    def draw(step: int) -> None:
        bar.update(task, completed=step)
        bar.refresh()

    return draw
