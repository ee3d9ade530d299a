"""The report as one typed object: what `report.json` holds, and what HTML, terminal and model card are drawn from.

Numbers stand in the unit that the paper prints (percent for accuracies), unrounded; only the views round. All of it is
a function of spec, records and audits: two machines write the same bytes. Times, hosts and what runs took stand in
cost.json beside it (see `mlintern.report.cost`).
"""

from typing import Any, Literal

from pydantic import Field

from mlintern.report.model.base import Model, Series
from mlintern.report.model.figures import LevelCurve, Opinion, ProbeFigure
from mlintern.report.model.runs import RunRow, StudyPlan

Verdict = Literal["supported", "contradicted", "inconclusive", "not tested"]
VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "inconclusive", "not tested")
SCHEMA = 1
POOLED = "mean of "
"""How the variant of a contrast begins that stands for several variants."""


class PaperUnderTest(Model):
    """The paper under test."""

    id: str
    slug: str
    version: int | None = None
    title: str
    authors: list[str] = Field(default_factory=list)
    year: int | None = None
    licence: str | None = None
    scale: str = ""
    """The paper's own scale, in words."""
    sections: dict[str, str] = Field(default_factory=dict)
    """{id: title} of the sections that this study is of; empty for the main study."""


class Headline(Model):
    """What a reader takes away if they read nothing else."""

    verdict: Verdict
    """The worst that the table's cells and the claims show."""
    sentence: str
    details: list[str]
    """One sentence each: contradictions first, then the protocol, then what is missing."""
    cells: dict[Verdict, int]
    claims: dict[Verdict, int]


class PrintedNumber(Model):
    """A number as the paper prints it."""

    raw: str
    mean: float | None
    std: float | None
    n: int | None
    bound: str | None = None
    protocol: str | None = None
    """Protocol that the paper's number was made under, where the spec says."""


class Measured(Model):
    """A mean over seeds with its interval."""

    mean: float
    std: float | None
    """Sample standard deviation; None for one seed."""
    ci_low: float | None
    ci_high: float | None
    """Interval of the mean over seeds; None for one seed."""
    confidence: float
    n: int
    values: list[float]
    """One per seed, in the order of `seeds`."""
    seeds: list[int]


class Judged(Model):
    """A verdict and the test behind it."""

    verdict: Verdict
    reason: str
    test: str | None = None
    effect: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    n: int | None = None
    power: float | None = None
    smallest_effect: float | None = None
    """Smallest effect that the test could have seen with 80 % power."""
    seeds_needed: int | None = None
    """Seeds that would settle an inconclusive verdict, if the effect is what it seems."""
    assumed: str | None = None
    """What had to be assumed about the paper's printed spread."""


class Judgement(Judged):
    """The verdict on a printed number."""

    tolerance: float | None = None
    """What counted as the same number as the printed one."""


class OtherProtocol(Model):
    """The same cell under another protocol, and its own comparison with the printed number."""

    protocol: str
    measured: Measured
    judgement: Judgement
    marks: list[str]
    lost: list[str]
    cells: list[str]


class TableCell(Model):
    """One cell of the paper's table beside ours."""

    table: str
    row: str
    column: str
    metric: str
    split: str
    unit: str
    better: Literal["higher", "lower"]
    variant: str | None
    data: str | None
    protocol: str | None = None
    """Protocol of the measured number."""
    levels: dict[str, Any]
    paper: PrintedNumber
    measured: Measured | None = None
    within_printed: bool | None = None
    """Whether the mean itself, its interval aside, lies within the printed spread (or beyond the printed bound)."""
    verdict: Verdict
    judgement: Judgement
    marks: list[str] = Field(default_factory=list)
    """Acknowledged findings (`leak:<kind>`) and reductions of scale (`reduced:<key>`) that the number rests on."""
    planned: int | None = None
    """Seeds that the plan has for this cell."""
    lost: list[str] = Field(default_factory=list)
    """One line per planned seed that gives no number: diverged, failed, not run, trained without an audit."""
    cells: list[str] = Field(default_factory=list)
    """Cell ids behind the number."""
    others: list[OtherProtocol] = Field(default_factory=list)


class VariantRow(Model):
    """A model or method of the paper."""

    id: str
    name: str


class TableShape(Model):
    """A results table of the paper: its shape, so that ours can be drawn alike."""

    id: str
    label: str
    description: str
    unit: str
    rows: list[str]
    columns: list[str]


class StandardisedEffect(Model):
    """A difference in units of the spread over seeds, with its 95 % interval."""

    name: str
    """Paired d_z (spread of the differences) or Hedges' g (pooled spread of the two sides)."""
    value: float
    low: float | None
    high: float | None


class ClaimRow(Judged):
    """A claim of the paper and its verdict."""

    id: str
    statement: str
    where: str
    unit: str | None = None
    power_at: float | None = None
    """The effect that `power` is for: the one the claim states, else the one observed."""
    effect_size: StandardisedEffect | None = None
    """Of a difference over seeds; None for other claims, and where the spread is unknown."""
    marks: list[str] = Field(default_factory=list)
    opinion: Opinion | None = None
    """Of a language model on the paper's figure, where one was asked; it has no part in the verdict."""


class PairedDifference(Model):
    """A paired difference in points: level minus base."""

    over: Literal["seeds", "test examples", "seeds and test examples"]
    mean: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    n: int


class Contrast(Model):
    """One level of a factor against its base, for one variant: what a leak, or an ablation, is worth."""

    factor: str
    base: str
    level: str
    variant: str
    data: str
    metric: str
    unit: str
    where: dict[str, Any]
    """Other levels that both sides share."""
    base_measured: Measured
    level_measured: Measured
    differences: list[PairedDifference]
    marks: list[str]


class ProtocolDifference(Model):
    """What another protocol sets differently from the main one; a difference in scores comes from all of it."""

    protocol: str
    setting: str
    base: str
    level: str


class CurvePoint(Model):
    step: int
    mean: float
    low: float
    high: float
    n: int


class Curve(Series):
    """Mean over seeds of one metric over steps; the band runs from the lowest to the highest seed."""

    points: list[CurvePoint]


class AuditSection(Model):
    """The audit of one dataset under one protocol."""

    data: str
    protocol: str
    clean: bool
    summary: str
    acknowledged: list[str]
    """Kinds that the runs under it acknowledged."""
    checks: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    fingerprints: dict[str, Any]
    ceiling: float | None = None
    """Accuracy on test that the nearest neighbours leave room for; None where they say nothing."""
    runs: int
    """Cells in this report that were trained under it."""


class SettingRow(Model):
    """One value that training needs, and who says so."""

    key: str
    value: Any
    unit: str | None
    where: dict[str, Any]
    source: Literal["paper", "code", "assumed"]
    origin: str
    """Place in the paper or the authors' code; for an assumption, the reason."""
    probe: list[Any] = Field(default_factory=list)
    """Values that a sensitivity study would try."""
    note: str | None = None


class NotTested(Model):
    what: str
    printed: str | None
    reason: str


class Smell(Model):
    """Something a supervisor would ask about."""

    kind: str
    severity: str
    where: str
    evidence: str
    next_experiment: str


class Report(Model):
    """Everything that a report shows."""

    schema_version: int = SCHEMA
    paper: PaperUnderTest
    headline: Headline
    variants: list[VariantRow]
    tables: list[TableShape]
    table: list[TableCell]
    claims: list[ClaimRow]
    contrasts: list[Contrast]
    protocol_differences: list[ProtocolDifference]
    curves: list[Curve]
    audit: list[AuditSection]
    assumptions: list[SettingRow]
    settings: list[SettingRow]
    """Values that the paper or its code gives."""
    reductions: list[dict[str, Any]]
    smells: list[Smell] | None
    """None where nobody looked for them."""
    not_tested: list[NotTested]
    runs: list[RunRow]
    marks: dict[str, str]
    """What each mark means."""
    environment: dict[str, Any]
    """The code of pack and engine that the runs are of, and their level of determinism."""
    cost: dict[str, Any]
    """How many runs the report rests on."""
    plan: StudyPlan = Field(default_factory=StudyPlan)
    figures: list[ProbeFigure] = Field(default_factory=list)
    """What probes measured, in the place of the paper's figures."""
    level_curves: list[LevelCurve] = Field(default_factory=list)
    """Metrics over the levels of numeric factors."""

    def cells_by_place(self, table: str) -> dict[tuple[str, str], list[TableCell]]:
        """The cells of one table by (row, column); a place may hold several metrics."""
        places: dict[tuple[str, str], list[TableCell]] = {}
        for cell in self.table:
            if cell.table == table:
                places.setdefault((cell.row, cell.column), []).append(cell)
        return places
