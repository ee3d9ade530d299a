"""What a run record must hold for its readers; see `mlintern.core.records.record.RunRecord` for what each key means."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from mlintern.core.records.sealed import Shape

Scalar = str | int | float | bool | None
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", max_length=200)]
"""Of a cell, a pack or a file: never a path."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Hashes = dict[str, str]
Values = dict[str, float]


class Selection(Shape):
    split: str
    metric: str
    mode: str
    step: int
    value: float | None


class EvaluationRow(Shape):
    __pydantic_extra__: dict[str, float]
    step: int
    split: str


class Audit(Shape):
    sha256: str
    clean: bool
    acknowledged: list[str]


class Engine(Shape):
    version: int
    files: Hashes


class Drifted(Shape):
    package: str
    locked: str | None
    installed: str | None


class Environment(Shape):
    drift: list[Drifted] = Field(default_factory=list)
    determinism: dict[str, Any] = Field(default_factory=dict)
    torch: dict[str, Any] | None = None
    modified: dict[str, str | None] = Field(default_factory=dict)


class Git(Shape):
    commit: str | None = None
    diff_sha256: str | None = None


class Sandbox(Shape):
    backend: str
    network: str


class OutOfMemory(Shape):
    asked: str
    message: str
    before: dict[str, int]
    now: dict[str, int]


class Unseen(Shape):
    labels: list[int]
    rows: int
    of: int


class ProtocolConfig(Shape):
    metric: str


class TrainerConfig(Shape):
    max_steps: int


class DeterminismConfig(Shape):
    level: str


class RecordedConfig(Shape):
    seed: int
    protocol: ProtocolConfig
    trainer: TrainerConfig
    determinism: DeterminismConfig
    data: dict[str, Any]
    model: dict[str, Any]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    loss: dict[str, Any]
    augment: dict[str, Any] | None
    method: dict[str, Any]
    metrics: dict[str, Any]


class Result(Shape):
    """What a run came to: all that a scratch run has."""

    status: Annotated[str, Field(pattern="^(finished|diverged|failed)$")]
    seed: int
    config: RecordedConfig
    environment: Environment = Environment()
    engine: Engine | None = None
    data: Hashes
    streams: Hashes = Field(default_factory=dict)
    loss_chain_sha256: str
    weights_sha256: str
    metrics: dict[str, Values]
    evaluations: list[EvaluationRow] = Field(default_factory=list)
    selection: Selection
    test_readings: int = 0
    parameters: int = 0
    message: str
    wall_s: float = 0.0
    peak_memory_bytes: int = 0
    probes: list[str] = Field(default_factory=list)
    sandbox: Sandbox | None = None
    out_of_memory: OutOfMemory | None = None
    unseen_labels: dict[str, Unseen] = Field(default_factory=dict)
    files: dict[Name, Sha256] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_test(self) -> "Result":
        if "test" not in self.metrics:
            raise ValueError("metrics: no test part")
        return self


class Record(Result):
    """A cell's record: the result, and which cell it is of."""

    cell_id: Name
    slug: Name
    variant: str
    levels: dict[str, Scalar]
    overrides: list[str]
    git: Git = Git()
    pack_sha256: str
    code_sha256: str
    prepared: Hashes
    audit: Audit
