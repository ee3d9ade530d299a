"""What the small files of a study must hold for their readers; each is written sealed (`core.records.sealed`)."""

from typing import Annotated, Any

from pydantic import Field

from mlintern.core.records.record_shape import Name, Scalar
from mlintern.core.records.sealed import Shape

Count = Annotated[int, Field(ge=1, le=1 << 40)]


class PlannedRow(Shape):
    """A planned cell."""

    cell_id: Name
    variant: str
    levels: dict[str, Scalar]
    seed: int


class PlanRow(PlannedRow):
    seconds: Annotated[float, Field(ge=0)]


class PlanFile(Shape):
    """`study.plan.json`."""

    asked_sha256: str
    budget_hours: float | None
    jobs: Count
    cells: list[PlanRow]
    trimmed: list[PlannedRow]


class IndexRow(PlannedRow):
    status: str
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)
    selection: dict[str, Any] = Field(default_factory=dict)


class IndexPlan(Shape):
    """What of a plan with a budget its report says."""

    budget_hours: float
    rule: str
    trimmed: list[PlannedRow]


class IndexFile(Shape):
    """`study.json`."""

    slug: str
    engine_version: int
    code_sha256: str
    cells: list[IndexRow]
    sections: list[str] = Field(default_factory=list)
    plan: IndexPlan | None = None


class FailedRow(Shape):
    cell_id: Name
    message: str


class CostFile(Shape):
    """`study.cost.json`."""

    seconds: dict[str, float]
    failed: list[FailedRow]
    cells: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """What of the kept cells differs from rerun to rerun; see `mlintern.study.folders.kept`."""


class Failure(Shape):
    """`failed.json` in a cell's folder."""

    message: str


class Pieces(Shape):
    shards: Count
    eval_batch_size: Count


class SmallerFile(Shape):
    """`out_of_memory.json` in a cell's folder."""

    message: str
    cell_id: Name
    instead: Pieces
    before: Pieces
