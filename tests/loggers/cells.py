"""A made-up cell for tests of loggers: its facts, its training's events, its record; readers of what is logged."""

import json
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlintern.loggers.rows import Telling

STEPS = 60
EVERY = 20
CONFIG = {"seed": 3, "trainer": {"max_steps": STEPS}, "model": {"width": 4}, "paper": {"slug": "local_tiny"}}
FACTS = {
    "cell_id": "0123456789abcdef",
    "slug": "local_tiny",
    "variant": "net",
    "levels": {"data": "blobs", "protocol": "clean", "norm": "none"},
    "audit": {"clean": False, "acknowledged": ["selection_on_test"]},
    "config": CONFIG,
}


def values(step, part):
    return {"loss": 1 / step + (part == "valid"), "accuracy": step / 100}


def loss_of(step):
    return 2.0 / (step + 1)


def events(start, stop, saved=()):
    """What a training that goes on at `start` tells until `stop`: the curve so far again, then what is new."""
    told = []
    for step in range(1, stop + 1):
        if step % EVERY == 0:
            for part in ("train", "valid"):
                Telling(lambda **event: told.append(event)).evaluated(step, part, values(step, part))
        if step in saved or step == start:
            first = max((s for s in (0, *saved) if s < step), default=0) if step > start else 0
            losses = [loss_of(s) for s in range(first, step)]
            told.append({"event": "saved", "step": step, "first": first, "losses": losses, "lrs": [0.1] * len(losses)})
    return told


def write_record(folder: Path) -> dict:
    """The record of the cell in its folder, with steps.parquet beside it."""
    steps = range(EVERY, STEPS + 1, EVERY)
    rows = [{"step": s, "split": part, **values(s, part)} for s in steps for part in ("train", "valid")]
    run = {
        **FACTS,
        "status": "finished",
        "evaluations": rows,
        "metrics": {"test": {"loss": 0.5, "accuracy": 0.6}},
        "selection": {"step": 40},
        "wall_s": 1.5,
    }
    (folder / "run.json").write_text(json.dumps(run))
    losses = [loss_of(step) for step in range(STEPS)]
    pq.write_table(pa.table({"step": range(STEPS), "loss": losses, "lr": [0.1] * STEPS}), folder / "steps.parquet")
    return run


def wandb_records(path: Path):
    """The records of an offline run's file: W&B's header, then a log in LevelDB's format of protocol buffers."""
    from wandb.proto import wandb_internal_pb2

    data, at, part = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
            record.ParseFromString(part)
            part = b""
            yield record
    assert not part


def scalars(path: Path):
    """[(name, step, value)] of a TensorBoard event file, by TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    return [
        (value.tag, event.step, value.simple_value)
        for event in LegacyEventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]
