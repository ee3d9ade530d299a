"""The record of a cell: its id, its run.json, and where they live.

A cell's id is the hash of what determines its result and of nothing else. Two cells with one id have the same weights,
losses and metrics, bit for bit; a finished id is never trained twice.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from mlintern import files
from mlintern.errors import UserError

RUN_FILE = "run.json"
STEPS_FILE = "steps.parquet"
PREDICTIONS_FILE = "predictions.parquet"
WEIGHTS_FILE = "weights.safetensors"
INSIDE_FILE = "inside.parquet"
MAPS_FILE = "maps.npz"


class RunRecord(TypedDict, total=False):
    """`runs/<slug>/<cell_id>/run.json`, one per cell. DESIGN.md's run record; all keys are present once finished."""

    cell_id: str
    status: str
    """`finished`, `diverged` or `failed`; a run that was interrupted has no run.json, only a checkpoint."""
    slug: str
    variant: str
    levels: dict[str, Any]
    """Coordinates beside variant and seed: {"data": "mnist1d", "protocol": "clean", **ablation levels}."""
    seed: int
    config: dict[str, Any]
    """The composed configuration, resolved, without secrets."""
    overrides: list[str]
    git: dict[str, Any]
    pack_sha256: str
    """Hash of the pack's every file; `code_sha256` is that of its Python code alone, which is part of the cell's id."""
    code_sha256: str
    prepared: dict[str, str]
    """{part: sha256} of the prepared data as published: what is part of the cell's id."""
    data: dict[str, str]
    """{part: sha256} of the raw data that the cell saw: hold-out and view applied."""
    engine: dict[str, Any]
    """{"version", "files": {path: first digits of its sha256}} of the code that trained it."""
    environment: dict[str, Any]
    streams: dict[str, str]
    """First key of every named random stream, as hex."""
    loss_chain_sha256: str
    weights_sha256: str
    probes: list[str]
    """Those of `metrics` that are probes; absent where there are none."""
    metrics: dict[str, dict[str, float]]
    """{split: {name: value}} of the chosen checkpoint; accuracies are fractions in [0, 1]."""
    evaluations: list[dict[str, Any]]
    """Learning curve: [{"step", "split", "loss", metric: value, ...}]."""
    selection: dict[str, Any]
    """{"split", "metric", "mode", "step", "value"}: which checkpoint was chosen, and on what."""
    test_readings: int
    """How often the test part was read for this cell: once under a clean protocol."""
    audit: dict[str, Any]
    """{"sha256", "clean", "acknowledged": [kinds]} of the audit that this cell was trained under."""
    sandbox: dict[str, Any]
    """{"backend", "layers", "network"}: what held the pack's code. Backend `none`: nothing did."""
    out_of_memory: dict[str, Any]
    """Only where the cell asked for did not fit: {"asked": its id, "message", "before", "now"} (of `trainer`)."""
    parameters: int
    told: dict[str, Any]
    """What only the process of the training knows: {"fields": names of such keys above, "metrics": what the pack's own
    code said of the chosen weights, "differs": [{"part", "name", "told", "computed"}] where it was wrong}."""
    message: str
    """Why the run failed or diverged; empty otherwise."""
    wall_s: float
    peak_memory_bytes: int
    started: str
    finished: str


def canonical(value: Any, where: str = "config") -> Any:
    """`value` in the one form that hashes the same everywhere; what has none is refused, never str()-ed."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UserError(f"{where}={value}: a NaN or infinite value cannot be part of a cell's id")
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise UserError(f"{where}: the key {key!r} is not a string, so the cell has no stable id")
        return {key: canonical(value[key], f"{where}.{key}") for key in sorted(value)}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [canonical(item, f"{where}[{i}]") for i, item in enumerate(value)]
    raise UserError(f"{where}: a {type(value).__name__} has no stable hash; use numbers, strings, lists and mappings")


def stable_hash(value: Any, where: str = "config") -> str:
    """sha256 (hex) of the canonical JSON form of `value`; the same on every machine and Python."""
    text = json.dumps(canonical(value, where), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


DETERMINING = ("seed", "model", "optimizer", "scheduler", "loss", "augment", "method", "metrics")
"""Keys of a composed config whose every value is part of a cell's id."""
_DETERMINING_DATA = ("preprocess", "view", "classes")
_DETERMINING_IF_SET = ("shuffle_labels", "train_size", "label_noise")
_TRAINER_FREE = ("devices", "accumulate")
_PROTOCOL_FREE = ("name",)


def determinants(config: Mapping[str, Any], engine_version: int) -> dict[str, Any]:
    """The part of a composed config that determines a cell's result, before code and data are added.

    Not in it: loader workers, processes, loggers, paths, budgets, labels, and where raw data came from (their content
    is part of the id instead).
    """
    return {
        "engine": engine_version,
        **{name: config[name] for name in DETERMINING},
        "data": {
            **{name: config["data"].get(name) for name in _DETERMINING_DATA},
            **{name: value for name in _DETERMINING_IF_SET if (value := config["data"].get(name)) is not None},
        },
        "trainer": _trainer(config["trainer"]),
        "protocol": {name: value for name, value in config["protocol"].items() if name not in _PROTOCOL_FREE},
        "determinism": config["determinism"],
    }


def _trainer(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """What of the trainer is part of a cell's id: the processes only where their number can show in the bits."""
    if trainer.get("strategy", "replicated") == "replicated":
        return {name: value for name, value in trainer.items() if name not in (*_TRAINER_FREE, "strategy")}
    return {name: value for name, value in trainer.items() if name != "accumulate"}


def cell_id(config: Mapping[str, Any], engine_version: int, code_sha256: str, data: Mapping[str, str]) -> str:
    """The id of a cell: 16 hex digits of the hash over its determinants, the pack's code and the raw data."""
    parts = {"config": determinants(config, engine_version), "code": code_sha256, "data": dict(data)}
    return stable_hash(parts)[:16]


def read_runs(folder: Path) -> list[RunRecord]:
    """Every finished record below `runs/<slug>/`, sorted by cell id."""
    return [files.read_json(path) for path in sorted(Path(folder).glob(f"*/{RUN_FILE}"))]
