"""The report's runs, and where the study is not as planned."""

from typing import Any

from pydantic import Field

from mlintern.report.model.base import Model, Place


class RunRow(Place):
    """One cell of the study: how it ended, and the command that repeats it."""

    cell_id: str | None
    seed: int
    status: str
    """finished, diverged, failed, or not run."""
    message: str
    used: bool
    """Whether the report's numbers rest on it."""
    refused: str
    """Why they do not; empty where they do."""
    metrics: dict[str, dict[str, float]]
    selection: dict[str, Any]
    test_readings: int | None
    weights_sha256: str | None
    loss_chain_sha256: str | None
    parameters: int | None
    marks: list[str]
    command: str
    verify: str | None


class Changed(Model):
    """A cell that is not as the pack plans it."""

    cell_id: str
    variant: str
    levels: dict[str, Any]
    seed: int


class Trimmed(Changed):
    """A cell that the study's budget left out."""

    seconds: float
    """What it was expected to take."""
    reason: str
    """What it is an instance of, in the order of the rule: an interaction, an ablation level, a seed …"""


class SmallerRow(Changed):
    """A cell that ran in smaller pieces than asked for, because memory did not suffice."""

    asked: str
    """Id of the cell that was asked for."""
    message: str
    before: dict[str, int]
    """Values of `trainer` that were asked for …"""
    now: dict[str, int]
    """… and those that it ran with."""


class StudyPlan(Model):
    """Where the study is not what its pack plans."""

    budget_hours: float | None = None
    rule: str = ""
    """In which order cells were left out; empty where none were."""
    trimmed: list[Trimmed] = Field(default_factory=list)
    smaller: list[SmallerRow] = Field(default_factory=list)
