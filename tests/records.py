"""Records for tests that train nothing: whole ones, as the engine writes them, with what a test changes in them."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlintern.core import files
from mlintern.core.records import record

SHA = "0" * 64
CONFIG: dict[str, Any] = {
    "seed": 0,
    "model": {"_target_": "papers.local_x.modules.Net"},
    "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.01},
    "scheduler": {"_target_": "s"},
    "loss": {"_target_": "l"},
    "augment": {},
    "method": {"_target_": "m"},
    "metrics": {"accuracy": {"_target_": "a"}},
    "data": {"name": "d", "preprocess": None, "view": None, "classes": 2, "num_workers": 0},
    "trainer": {"max_steps": 4, "batch_size": 2, "devices": 1},
    "protocol": {"name": "clean", "metric": "accuracy", "select_on": "valid"},
    "determinism": {"level": "strict", "threads": 1},
    "logger": {"kind": "none"},
    "run": {"dir": "runs"},
}


def whole(cell_id: str = "00aa00aa00aa00aa", **changes: Any) -> dict[str, Any]:
    """A finished cell's record, not sealed; `changes` replace keys, those of `config` one by one."""
    config = {**copy.deepcopy(CONFIG), **changes.pop("config", {})}
    return {
        "cell_id": cell_id,
        "status": "finished",
        "slug": "local_x",
        "variant": "net",
        "levels": {"data": "d", "protocol": "clean"},
        "seed": config["seed"],
        "config": config,
        "overrides": ["model=net", "seed=0"],
        "git": {},
        "pack_sha256": SHA,
        "code_sha256": SHA,
        "prepared": {"train": SHA, "test": SHA},
        "data": {"train": SHA, "test": SHA},
        "engine": {"version": 1, "files": {"mlintern/engine/cell.py": "0" * 16}},
        "environment": {"drift": [], "python": "CPython 3.11.7", "threads": 1},
        "streams": {},
        "loss_chain_sha256": SHA,
        "weights_sha256": SHA,
        "metrics": {"test": {"accuracy": 0.5, "loss": 0.7}},
        "evaluations": [],
        "selection": {"split": "valid", "metric": "accuracy", "mode": "max", "step": 4, "value": 0.5},
        "test_readings": 1,
        "audit": {"sha256": SHA, "clean": True, "acknowledged": []},
        "parameters": 10,
        "message": "",
        "wall_s": 1.0,
        "peak_memory_bytes": 1000,
        "started": "2026-01-01T10:00:00+00:00",
        "finished": "2026-01-01T10:00:01+00:00",
        **changes,
    }


def write(folder: Path, run: dict[str, Any] | None = None) -> dict[str, Any]:
    """A record in a cell's folder, sealed, with the files that belong beside it where the test wrote none."""
    run = whole(folder.name) if run is None else run
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        record.STEPS_FILE: {
            "step": np.arange(4),
            "loss": np.linspace(1, 0.5, 4, dtype=np.float32),
            "lr": np.full(4, 0.01),
            "chain": ["c"] * 4,
            "weights": np.arange(4),
        },
        record.PREDICTIONS_FILE: {"id": ["a", "b"], "target": [0, 1], "prediction": [0, 0], "accuracy": [1.0, 0.0]},
    }
    for name, columns in tables.items():
        if not (folder / name).exists():
            pq.write_table(pa.table(columns), folder / name)
    if not (folder / record.WEIGHTS_FILE).exists():
        (folder / record.WEIGHTS_FILE).write_bytes(b"weights")
    sealed = record.seal(run, folder)
    files.write_json(folder / record.RUN_FILE, sealed)
    return dict(sealed)
