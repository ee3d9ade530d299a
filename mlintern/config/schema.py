"""The shape of a composed configuration: every group and key that is not free, with its type."""

import dataclasses
from typing import Any

from omegaconf import MISSING


@dataclasses.dataclass
class Trainer:
    """Config group `trainer`."""

    accelerator: str = MISSING
    strategy: str = MISSING
    devices: int = MISSING
    shards: int = MISSING
    accumulate: int | None = MISSING
    precision: str = MISSING
    max_steps: int = MISSING
    batch_size: int = MISSING
    eval_batch_size: int = MISSING
    eval_every: int | None = MISSING
    order: str = MISSING
    clip_norm: float | None = MISSING


@dataclasses.dataclass
class Run:
    """Key `run`: where things go. Nothing in it changes a result."""

    dir: str = MISSING
    data_dir: str = MISSING
    report_dir: str = MISSING
    checkpoint_seconds: float = MISSING


@dataclasses.dataclass
class Study:
    """Config group `study`."""

    seeds: list[int] | None = MISSING
    jobs: int | None = MISSING
    retries: int = MISSING
    design: str = MISSING
    budget_hours: float | None = MISSING
    probe_assumptions: bool = MISSING
    controls: bool = MISSING
    sections: list[str] = MISSING


@dataclasses.dataclass
class Llm:
    """Config group `llm`."""

    provider: str = MISSING
    base_url: str | None = MISSING
    model: str | None = MISSING
    budget_usd: float = MISSING
    price: dict[str, float] | None = MISSING
    max_repairs: int = MISSING
    replay: str | None = MISSING
    timeout_s: float = MISSING


@dataclasses.dataclass
class DeterminismGroup:
    """Config group `determinism`; checked further by `Determinism`."""

    level: str = MISSING
    threads: int = MISSING
    deterministic_algorithms: bool = MISSING
    environment: dict[str, str] = MISSING


@dataclasses.dataclass
class ProtocolGroup:
    """Config group `protocol`; checked further by `EvaluationProtocol`."""

    name: str = MISSING
    fit_on: list[str] = MISSING
    valid_fraction: float = MISSING
    select_on: str = MISSING
    metric: str = MISSING
    mode: str | None = None
    split_seed: int = MISSING


@dataclasses.dataclass
class Env:
    """Key `env`."""

    drift: str = MISSING


@dataclasses.dataclass
class SandboxGroup:
    """Config group `sandbox`; the user's word, see `mlintern.sandbox.policy`."""

    backend: str = MISSING
    network: str = MISSING


@dataclasses.dataclass
class Schema:
    """The whole configuration. Groups that a pack fills freely are mappings."""

    seed: int = MISSING
    paper: dict[str, Any] = MISSING
    model: dict[str, Any] = MISSING
    data: dict[str, Any] = MISSING
    ablation: dict[str, Any] | None = None
    optimizer: dict[str, Any] = MISSING
    scheduler: dict[str, Any] = MISSING
    loss: dict[str, Any] = MISSING
    augment: dict[str, Any] = MISSING
    method: dict[str, Any] = MISSING
    metrics: dict[str, Any] = MISSING
    protocol: ProtocolGroup = MISSING
    trainer: Trainer = MISSING
    determinism: DeterminismGroup = MISSING
    audit: dict[str, Any] = MISSING
    logger: dict[str, Any] = MISSING
    study: Study = MISSING
    llm: Llm = MISSING
    run: Run = MISSING
    env: Env = MISSING
    sandbox: SandboxGroup = MISSING
