"""The record of a cell: its id, its run.json, and where they live.

A cell's id is the hash of what determines its result and of nothing else. Two cells with one id have the same weights,
losses and metrics, bit for bit; a finished id is never trained twice.

A study's run.json is written by the host alone, in `mlintern.study.run.life`; a pack writes in `work/` beside it
at most.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from mlintern.core.errors import Absent, Damaged
from mlintern.core.plain import read_plain
from mlintern.core.records.hashing import canonical as canonical
from mlintern.core.records.hashing import file_sha256
from mlintern.core.records.hashing import stable_hash as stable_hash

RUN_FILE = "run.json"
STEPS_FILE = "steps.parquet"
PREDICTIONS_FILE = "predictions.parquet"
WEIGHTS_FILE = "weights.safetensors"
INSIDE_FILE = "inside.parquet"
MAPS_FILE = "maps.npz"
BESIDE = (STEPS_FILE, PREDICTIONS_FILE, WEIGHTS_FILE, INSIDE_FILE, MAPS_FILE)
"""What lies beside a record; maps only where a probe drew some."""
NEEDED = (STEPS_FILE, PREDICTIONS_FILE, WEIGHTS_FILE)
"""What lies beside every one."""
SEAL = "record_sha256"
MEND = "train the cell again: the main job does, and says so"
MOST_BYTES_BESIDE = 8 << 30


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
    unseen_labels: dict[str, dict[str, Any]]
    """Only where a part has classes that no training example has: {part: {"labels": the first, "rows", "of"}}."""
    evaluations: list[dict[str, Any]]
    """Learning curve: [{"step", "split", "loss", metric: value, ...}]."""
    selection: dict[str, Any]
    """{"split", "metric", "mode", "step", "value"}: which checkpoint was chosen, and on what."""
    test_readings: int
    """How often the test part was read for this cell, by the host's own count: once under a clean protocol."""
    blind: dict[str, Any]
    """{"test": could the pack's code not see the targets that it is scored on, "why": why not}."""
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
    files: dict[str, str]
    """{name: sha256} of the files beside the record."""
    record_sha256: str
    """Hash of everything else in the record; a record without it was written before records were sealed."""


DETERMINING = ("seed", "model", "optimizer", "scheduler", "loss", "augment", "method", "metrics")
"""Keys of a composed config whose every value is part of a cell's id."""
_DETERMINING_DATA = ("preprocess", "view", "classes")
_DETERMINING_IF_SET = ("shuffle_labels", "train_size", "label_noise")
_TRAINER_FREE = ("devices", "accumulate")
_PROTOCOL_FREE = ("name",)


def determinants(plain: Mapping[str, Any], engine_version: int) -> dict[str, Any]:
    """The part of a composed config, plain, that determines a cell's result, before code and data are added.

    Not in it: loader workers, processes, loggers, paths, budgets, labels, and where raw data came from (their content
    is part of the id instead).
    """
    return {
        "engine": engine_version,
        **{name: plain[name] for name in DETERMINING},
        "data": {
            **{name: plain["data"].get(name) for name in _DETERMINING_DATA},
            **{name: value for name in _DETERMINING_IF_SET if (value := plain["data"].get(name)) is not None},
        },
        "trainer": _trainer(plain["trainer"]),
        "protocol": {name: value for name, value in plain["protocol"].items() if name not in _PROTOCOL_FREE},
        "determinism": plain["determinism"],
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


def seal(result: Mapping[str, Any], folder: Path) -> RunRecord:
    """The record as it is written: with the hashes of the files that lie in `folder` by now, and of itself."""
    plain: Any = json.loads(json.dumps(dict(result), ensure_ascii=False).encode(errors="replace"))
    plain.pop(SEAL, None)
    plain["files"] = {name: file_sha256(folder / name) for name in BESIDE if os.path.lexists(folder / name)}
    plain[SEAL] = stable_hash(plain, RUN_FILE)
    return plain


def is_sealed(run: Mapping[str, Any]) -> bool:
    """Does a record hold its own hash? Those of earlier versions do not: nothing vouches for what they say."""
    return SEAL in run


def read_run(folder: Path, whole: bool = True) -> RunRecord:
    """The record in a cell's folder, as it was written; raises Damaged (Absent) with one line where it is not.

    `whole`: it is a cell's, and says of which; a rerun's in a scratch folder does not.
    """
    from mlintern.core.records import record_shape, sealed

    shape = record_shape.Record if whole else record_shape.Result
    return sealed.read(Path(folder) / RUN_FILE, shape, MEND, SEAL)  # type: ignore[return-value]


def read_own_run(folder: Path) -> RunRecord:
    """`read_run` of a folder that bears the cell's id as its name; another cell's record in it is refused."""
    run = read_run(folder)
    if run["cell_id"] != folder.name:
        raise Damaged(f"{folder / RUN_FILE}: is the record of another cell, {run['cell_id']}; {MEND}")
    return run


def beside(folder: Path, name: str, most_bytes: int = MOST_BYTES_BESIDE) -> bytes:
    """The bytes of a file beside a record, which are those that the record names; raises Damaged (Absent) if not.

    Where there is no record (a run that was stopped on purpose), or one of an earlier version, they are as they are.
    """
    folder = Path(folder)
    try:
        run: Mapping[str, Any] = read_run(folder, whole=False)
    except Absent:
        run = {}
    expected = run.get("files", {}).get(name)
    if is_sealed(run) and expected is None:
        raise Absent(f"{folder / name}: no such file; the record names none")
    content = read_plain(folder / name, most_bytes, mend=MEND)
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise Damaged(f"{folder / name}: is not what its record names (another sha256); {MEND}")
    return content


def read_runs(folder: Path) -> list[RunRecord]:
    """Every finished record below `runs/<slug>/`, sorted by cell id; raises Damaged where one is not as written."""
    return [read_own_run(path.parent) for path in sorted(Path(folder).glob(f"*/{RUN_FILE}"))]
