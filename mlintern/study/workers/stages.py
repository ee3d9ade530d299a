"""The jobs of a cell's life, as a worker's child does them: train, then others that have its sealed weights alone.

Each gets what its job names and nothing else: tables written by the trusted side (`mlintern.engine.tables`), a folder
to work in, a pipe for outputs. What they answer is checked by whoever asked.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlintern.study.workers.worker import Worker

READING_FILE = "reading.safetensors"
"""Weights that a protocol which chooses on test wants a score for; in the folder of the training."""


def train(worker: Worker, job: Mapping[str, Any]) -> dict[str, Any]:
    """Train one cell on the rows that it may see, in its working folder."""
    from mlintern.core.files import remove_drafts
    from mlintern.engine import tables
    from mlintern.engine import weights as saving
    from mlintern.engine.inside import Inside
    from mlintern.engine.training import train
    from mlintern.loggers.rows import Telling
    from mlintern.study.folders.locks import holding

    work, config = Path(job["out"]), job["config"]

    def read_test(step: int, state: Mapping[str, Any]) -> float:
        saving.save_tensors(work / READING_FILE, state, {"selected_step": step})
        return float(worker.ask(step=step)["value"])

    def say(line: str) -> None:
        worker.tell(event="waiting", message=line)

    telling = Telling(worker.tell)
    with holding(work, lambda: worker.stopping, say):
        remove_drafts(work)
        told = train(
            config,
            tables.read_rows(tables.Paths(Path(job["tables"])), job["parts"], job["top"]),
            work,
            sizes=job["sizes"],
            on_progress=worker.progress,
            on_evaluated=telling.evaluated,
            on_saved=telling.saved if config.logger.wants_steps else None,
            read_test=read_test,
            say=say,
            should_stop=lambda: worker.stopping,
            until=job.get("until"),
            inside=Inside(job.get("whole")),
        )
    return {"told": told is not None}


def transform(worker: Worker, job: Mapping[str, Any]) -> dict[str, Any]:
    """Have the pack's own view and preprocessing make inputs of raw features; nobody's targets are here."""
    from mlintern.core.targets.check import check_targets
    from mlintern.data.splits import applied, fit
    from mlintern.engine import tables
    from mlintern.engine.frames import Sender
    from mlintern.engine.instantiate import allowed_prefixes, build
    from mlintern.engine.rows import to_inputs

    config, paths = job["config"], tables.Paths(Path(job["tables"]))
    check_targets({"data": config.data}, allowed_prefixes(config.slug))
    view = build(config.data.view, "data.view") if job["view"] else None
    preprocessor = build(config.data.preprocess, "data.preprocess") if config.data.preprocess else None
    sender = Sender(_outputs(worker))
    seen = {part: tables.read(paths.raw(part)) for part in job["parts"]}
    if view is not None:
        seen = {part: applied(view, view, "data.view", values) for part, values in seen.items()}
    if preprocessor is not None:
        fitted = fit(preprocessor, [seen[part] for part in job["fit_on"] if part in seen])
        seen = {part: applied(fitted, fitted.transform, "data.preprocess", values) for part, values in seen.items()}
    for part, values in seen.items():
        sender.send(to_inputs(values), part=part)
    return {}


def predict(worker: Worker, job: Mapping[str, Any]) -> dict[str, Any]:
    """Send the outputs of sealed weights for tables of inputs."""
    from mlintern.engine.frames import Sender
    from mlintern.engine.predict import predict
    from mlintern.engine.tables import Paths

    paths = Paths(Path(job["tables"]))
    inputs = {part: paths.inputs(part) for part in job["parts"]}
    predict(job["config"], Path(job["weights"]), inputs, job["sizes"], job["step"], Sender(_outputs(worker)))
    return {}


def measure(worker: Worker, job: Mapping[str, Any]) -> dict[str, Any]:
    """Send what the pack's own loss, metrics and probes say of sealed weights, which the targets are here for."""
    from mlintern.engine import tables, weights
    from mlintern.engine.frames import Sender
    from mlintern.engine.measure import measure
    from mlintern.engine.predict import Sealed

    state, _ = weights.load_tensors(Path(job["weights"]))
    rows = tables.read_rows(tables.Paths(Path(job["tables"])), job["parts"], job["top"])
    measure(Sealed(job["config"], state, job["sizes"]), rows, job["step"], Sender(_outputs(worker)))
    return {}


def _outputs(worker: Worker) -> int:
    assert worker.outputs is not None, "a job that sends values is given a pipe for them"
    return worker.outputs


KINDS = {"train": train, "transform": transform, "predict": predict, "measure": measure}
