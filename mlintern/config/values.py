"""Limits of a composed configuration that types do not express; each error names the key."""

import difflib
from collections.abc import Mapping
from typing import Any

from mlintern import loggers
from mlintern.config import ranges
from mlintern.core.errors import UserError
from mlintern.core.records import record
from mlintern.core.streams.seeding import check_seed
from mlintern.data.protocol import EvaluationProtocol
from mlintern.data.training import LabelNoise
from mlintern.engine.determinism import Determinism

_OF_DATA = "name source preprocess view classes num_workers train_size label_noise shuffle_labels".split()
"""What is read of the config group `data`."""
DESIGNS = ("one_at_a_time", "full", "fraction", "none")
"""Which combinations of the ablations' levels a study runs; `mlintern/plan/design.py` says what each is."""


def check_values(config: Mapping[str, Any]) -> None:
    """Limits that types do not express; each error names the key."""
    from mlintern.audit.report.options import AuditOptions

    for name in record.DETERMINING:
        record.canonical(config[name], name)
    check_seed(config["seed"])
    AuditOptions(**config["audit"])
    Determinism(**config["determinism"])
    EvaluationProtocol(**{**config["protocol"], "fit_on": tuple(config["protocol"]["fit_on"])})
    trainer = config["trainer"]
    for name in ("devices", "shards", "max_steps", "batch_size", "eval_batch_size"):
        if trainer[name] < 1:
            raise UserError(f"trainer.{name}={trainer[name]}: must be at least 1")
    accumulate, devices, shards = trainer["accumulate"], trainer["devices"], trainer["shards"]
    if trainer["strategy"] not in ("replicated", "fsdp"):
        raise UserError(f"trainer.strategy={trainer['strategy']}: choose replicated or fsdp")
    if trainer["strategy"] == "fsdp" and not 1 < devices == shards:
        raise UserError(
            f"trainer.strategy=fsdp: each process trains one shard, so that trainer.devices={devices} and "
            f"trainer.shards={shards} must be the same, and at least 2"
        )
    if accumulate is not None and accumulate * devices != shards:
        raise UserError(
            f"trainer.accumulate={accumulate}: {devices} process{'es' * (devices > 1)} with {accumulate} shards each "
            f"make {accumulate * devices}, but trainer.shards={shards}; set trainer.shards={accumulate * devices} (it "
            "is part of what the run computes), or leave accumulate out: it is shards / devices"
        )
    if trainer["eval_every"] is not None and trainer["eval_every"] < 1:
        raise UserError(f"trainer.eval_every={trainer['eval_every']}: must be at least 1, or null for the end only")
    if trainer["order"] not in ("reshuffled", "fixed"):
        raise UserError(f"trainer.order={trainer['order']}: choose reshuffled or fixed")
    if trainer["accelerator"] not in ("cpu", "cuda"):
        raise UserError(f"trainer.accelerator={trainer['accelerator']}: choose cpu or cuda")
    if trainer["clip_norm"] is not None and not trainer["clip_norm"] > 0:
        raise UserError(f"trainer.clip_norm={trainer['clip_norm']}: must be above 0, or null for no clipping")
    for key in set(config["data"]) - set(_OF_DATA):  # others may be there for `${data.…}`
        if near := difflib.get_close_matches(str(key), _OF_DATA, 1, 0.8):
            raise UserError(f"data.{key}: no such key; did you mean data.{near[0]}?")
    workers = config["data"]["num_workers"]
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise UserError(f"data.num_workers={workers}: must be a whole number, 0 or more")
    size = config["data"].get("train_size")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise UserError(f"data.train_size={size}: must be a whole number of examples, 1 or more, or null for all")
    if config["data"].get("label_noise") is not None:
        LabelNoise.from_config(config["data"]["label_noise"])
    study = config["study"]
    for seed in study["seeds"] or []:
        check_seed(seed)
    if study["seeds"] == [] or len(set(study["seeds"] or [])) != len(study["seeds"] or []):
        raise UserError(f"study.seeds={study['seeds']}: must name at least one seed, each once")
    if study["jobs"] is not None and study["jobs"] < 1:
        raise UserError(f"study.jobs={study['jobs']}: must be at least 1, or null for one per core")
    if study["retries"] < 0:
        raise UserError(f"study.retries={study['retries']}: must be 0 or more")
    if study["design"] not in DESIGNS:
        raise UserError(f"study.design={study['design']}: choose {', '.join(DESIGNS)}")
    if study["budget_hours"] is not None and not study["budget_hours"] > 0:
        raise UserError(f"study.budget_hours={study['budget_hours']}: must be above 0, or null for no limit")
    if config["env"]["drift"] not in ("warn", "refuse"):
        raise UserError(f"env.drift={config['env']['drift']}: choose warn or refuse")
    if not config["run"]["checkpoint_seconds"] >= 0:
        raise UserError(f"run.checkpoint_seconds={config['run']['checkpoint_seconds']}: must be 0 or more")
    ranges.check(config)
    loggers.check(config["logger"])
