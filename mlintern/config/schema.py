"""The whole configuration, typed: what a cell is trained by, and what a study, its audit and its author are asked."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, get_args

from mlintern.audit.report.options import AuditOptions
from mlintern.core.errors import UserError
from mlintern.core.ranges import COUNT, NOT_NEGATIVE, POSITIVE, Range
from mlintern.core.schema import AtLeastOne, Group, Number, Whole
from mlintern.core.streams.seeding import check_seed
from mlintern.engine.config import CellConfig

Design = Literal["one_at_a_time", "full", "fraction", "none"]
DESIGNS: tuple[str, ...] = get_args(Design)
"""Which combinations of the ablations' levels a study runs; `mlintern/plan/design.py` says what each is."""


@dataclasses.dataclass(frozen=True)
class Study(Group):
    """Config group `study`; conf/study/paper.yaml says what each key is."""

    KEY: ClassVar[str] = "study"
    seeds: tuple[Whole, ...] | None
    jobs: AtLeastOne | None
    retries: Annotated[Whole, COUNT]
    design: Design
    budget_hours: Annotated[Number, Range(0, open_low=True, fix="null for no limit")] | None
    probe_assumptions: bool
    controls: bool
    sections: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        seeds = self.seeds
        for seed in seeds or ():
            check_seed(seed)
        if seeds is not None and (not seeds or len(set(seeds)) != len(seeds)):
            raise UserError(f"study.seeds={list(seeds)}: must name at least one seed, each once")


@dataclasses.dataclass(frozen=True)
class Llm(Group):
    """Config group `llm`; `mlintern.author.settings` checks it further."""

    KEY: ClassVar[str] = "llm"
    provider: str
    base_url: str | None
    model: str | None
    budget_usd: Annotated[Number, NOT_NEGATIVE]
    price: Mapping[str, Number] | None
    max_repairs: Annotated[Whole, COUNT]
    replay: str | None
    timeout_s: Annotated[Number, POSITIVE]


@dataclasses.dataclass(frozen=True)
class Env(Group):
    """Key `env`."""

    KEY: ClassVar[str] = "env"
    drift: Literal["warn", "refuse"]


@dataclasses.dataclass(frozen=True)
class SandboxGroup(Group):
    """Config group `sandbox`; the user's word, see `mlintern.sandbox.policy`."""

    KEY: ClassVar[str] = "sandbox"
    backend: str
    network: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(CellConfig):
    """A composed configuration. Groups that a pack fills freely are mappings."""

    audit: AuditOptions
    study: Study
    llm: Llm
    env: Env
    sandbox: SandboxGroup
