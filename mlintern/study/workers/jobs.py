"""The kinds of jobs that a worker's child does, each a function of its side of the conversation and the job.

Everything that takes torch, or code of a pack, happens here, in a process that is forked for one job (see
`mlintern.study.workers.worker`). A job names the folders it may read and write (`reads`, `writes`), whether it needs a
network (`network`: processes of one cell that talk to each other), and in `kind` which of the functions below does it.
"""

import contextlib
import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlintern.config import Config
from mlintern.core import uncached
from mlintern.core.errors import Interrupted, UserError
from mlintern.study.workers import notices, stages
from mlintern.study.workers.worker import Worker


def serve(worker: Worker, job: Mapping[str, Any]) -> None:
    """Do one job and tell how it ended."""
    try:
        with notices.heard(lambda text: worker.tell(event="warning", message=text)):
            result = KINDS[job["kind"]](worker, {**job, "config": Config.from_plain(job["config"])})
        worker.tell(event="done", result=result)
    except UserError as error:
        worker.tell(event="error", message=str(error), user=True, exit_code=error.exit_code)
    except Interrupted:
        worker.tell(event="interrupted")
    except Exception as error:  # noqa: BLE001 - a pack's code may raise anything; the host decides what follows
        from mlintern.engine.memory import is_out_of_memory

        text = f"{type(error).__name__}: {error}"
        if is_out_of_memory(error):
            worker.tell(event="out_of_memory", message=text.splitlines()[0])
        else:
            worker.tell(event="error", message=text, user=False, traceback=traceback.format_exc())


def preload() -> None:
    """Import what jobs need, and have torch and pyarrow import what they import at a first step and a first table.

    The generators are left as they were. Nothing here touches a GPU, which no fork could then use.
    """
    import random

    import numpy as np
    import pyarrow.parquet
    import torch

    drawn, legacy, plain = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    import mlintern.audit.run
    import mlintern.engine.cell
    import mlintern.engine.measure
    import mlintern.engine.tables
    import mlintern.engine.training
    import mlintern.study.folders.locks
    import mlintern.study.workers.pricing  # noqa: F401

    uncached.install()
    with contextlib.suppress(UserError):
        Config.from_plain({})  # which works out what its groups may hold
    pyarrow.table({"steps": np.zeros(1)})  # which looks for pandas
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    for kind in (torch.optim.SGD, torch.optim.Adam):
        weight.grad = torch.zeros(2, 2)
        kind([weight], lr=0.1).step()
    torch.set_rng_state(drawn)
    np.random.set_state(legacy)  # noqa: NPY002
    random.setstate(plain)


def prepare(worker: Worker, job: Mapping[str, Any]) -> dict[str, Any]:
    """Build a dataset into its folder."""
    from mlintern.core.targets.check import check_targets
    from mlintern.data.prepare import prepare
    from mlintern.engine.instantiate import allowed_prefixes, build

    config: Config = job["config"]
    source = config.data.source
    check_targets({"data": {"source": source}}, allowed_prefixes(config.slug))
    if job.get("made_from"):
        os.chdir(job["project"])  # what the configuration names stands beside the project, not beside its snapshot
    return {"parts": prepare(build(source, "data.source"), Path(job["folder"]))}


def load_splits(config: Config, folder: str) -> Any:
    """The splits of a config, from its prepared data."""
    from mlintern.core.targets.check import check_targets
    from mlintern.engine.instantiate import allowed_prefixes
    from mlintern.engine.tables import load_splits

    check_targets({"data": config.data}, allowed_prefixes(config.slug))
    return load_splits(config, Path(folder))


def audit(worker: Worker, job: Mapping[str, Any]) -> dict[str, Any]:
    """Audit one dataset under one protocol; the report goes to the job's file."""
    from mlintern.audit.run import audit
    from mlintern.study.workers.pricing import engine_fit

    config: Config = job["config"]
    splits = load_splits(config, job["folder"])
    fit = engine_fit(config, splits) if config.audit.price == "model" else None
    report = audit(splits, config.protocol, config.audit, fit=fit)
    report.write(Path(job["out"]))
    return {"sha256": report.sha256()}


def estimate(worker: Worker, job: Mapping[str, Any]) -> dict[str, Any]:
    """Time a few steps of a cell in this process, and the memory that they took."""
    from mlintern.engine import memory, tables
    from mlintern.engine.training import seconds_per_step

    memory.reset_peak()
    rows = tables.read_rows(tables.Paths(Path(job["tables"])), job["parts"], job["top"])
    seconds = seconds_per_step(job["config"], rows, job["sizes"], job["unseen"])
    return {**seconds, "peak_memory_bytes": memory.peak_bytes()}


KINDS: dict[str, Callable[[Worker, Mapping[str, Any]], dict[str, Any]]] = {
    "prepare": prepare,
    "audit": audit,
    "estimate": estimate,
    **stages.KINDS,
}
