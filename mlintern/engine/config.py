"""What a cell is trained by, typed; the plain mapping that it is made from is what ids hash and records keep."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from mlintern.core.errors import UserError
from mlintern.core.ranges import NOT_NEGATIVE, Range
from mlintern.core.schema import AtLeastOne, FreeGroup, Group, Number, Whole
from mlintern.core.streams import seeding
from mlintern.data.group import Data
from mlintern.data.protocol import EvaluationProtocol
from mlintern.engine.determinism import Determinism
from mlintern.loggers import LoggerOptions

PrecisionName = Literal["32-true", "64-true", "bf16-true", "bf16-mixed"]
"""float16 is not among them: it needs a gradient scaler, whose state would be one more thing that a step depends on."""


@dataclasses.dataclass(frozen=True)
class Trainer(Group):
    """Config group `trainer`; conf/trainer/cpu.yaml says what each key is."""

    KEY: ClassVar[str] = "trainer"
    accelerator: Literal["cpu", "cuda"]
    strategy: Literal["replicated", "fsdp"]
    devices: AtLeastOne
    shards: AtLeastOne
    accumulate: AtLeastOne | None
    precision: PrecisionName
    max_steps: AtLeastOne
    batch_size: AtLeastOne
    eval_batch_size: AtLeastOne
    eval_every: Annotated[Whole, Range(1, whole=True, fix="null for the end only")] | None
    order: Literal["reshuffled", "fixed"]
    clip_norm: Annotated[Number, Range(0, open_low=True, fix="null for no clipping")] | None

    def __post_init__(self) -> None:
        super().__post_init__()
        accumulate, devices, shards = self.accumulate, self.devices, self.shards
        if self.strategy == "fsdp" and not 1 < devices == shards:
            raise UserError(
                f"trainer.strategy=fsdp: each process trains one shard, so that trainer.devices={devices} and "
                f"trainer.shards={shards} must be the same, and at least 2"
            )
        if accumulate is not None and accumulate * devices != shards:
            raise UserError(
                f"trainer.accumulate={accumulate}: {devices} process{'es' * (devices > 1)} with {accumulate} shards "
                f"each make {accumulate * devices}, but trainer.shards={shards}; set trainer.shards="
                f"{accumulate * devices} (it is part of what the run computes), or leave accumulate out: it is shards "
                "/ devices"
            )


@dataclasses.dataclass(frozen=True)
class Run(Group):
    """Key `run`: where things go. Nothing in it changes a result."""

    KEY: ClassVar[str] = "run"
    dir: str
    data_dir: str
    report_dir: str
    checkpoint_seconds: Annotated[Number, NOT_NEGATIVE]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellConfig(Group):
    """A composed configuration, as far as a cell's training reads it."""

    seed: Whole
    paper: FreeGroup
    model: FreeGroup
    data: Data
    ablation: Mapping[str, Any] | None = None
    optimizer: FreeGroup
    scheduler: FreeGroup
    loss: FreeGroup
    augment: FreeGroup
    method: FreeGroup
    metrics: Mapping[str, Any]
    protocol: EvaluationProtocol
    trainer: Trainer
    determinism: Determinism
    logger: LoggerOptions
    run: Run

    def __post_init__(self) -> None:
        super().__post_init__()
        seeding.check_seed(self.seed)

    @property
    def slug(self) -> str:
        """Whose pack it is."""
        return str(self.paper["slug"])
