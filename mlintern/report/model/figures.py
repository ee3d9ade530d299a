"""The report's figures: what probes measured on trained models, and what it looks like on some examples."""

from typing import Literal

from mlintern.report.model.base import Model, Place, Series

Grid = list[list[int]]
"""Rows of whole numbers from 0 to 255."""


class FigureExample(Model):
    """One test example, and the probe's map of it."""

    picture: Grid
    map: Grid
    """255 where the map is largest."""
    region: Grid | None
    """255 inside the annotated region, 0 outside; None where nothing is annotated."""


class ProbeFigure(Place):
    """One probe on one variant's seeds."""

    probe: str
    mean: float
    """Mean over seeds of the mean over test examples."""
    ci_low: float | None
    """95 % t interval over seeds; None where there is none."""
    ci_high: float | None
    n: int
    """Seeds."""
    seed: int | None
    """The seed that the examples are drawn from; None without examples."""
    examples: list[FigureExample]


class Opinion(Model):
    """What a language model saw in the paper's own figure; no evidence, and no part of any verdict."""

    verdict: Literal["shows it", "shows otherwise", "cannot tell"]
    seen: str
    figure: str
    model: str
    prompt_sha256: str


class LevelPoint(Model):
    """The mean over seeds at one level, with its 95 % t interval (None where there is none)."""

    level: float
    mean: float
    ci_low: float | None
    ci_high: float | None
    n: int


class LevelCurve(Series):
    """One metric over the levels of a numeric factor, everything else the same; `levels` are of the other factors."""

    factor: str
    points: list[LevelPoint]
    """By rising level."""
