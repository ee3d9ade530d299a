"""PaperSpec: what a paper says, value by value, and where it says it.

One YAML file per pack (`papers/<slug>/spec.yaml`). Every value carries its source: `paper` with a locator and the
sha256 of the quoted text, `code` with the authors' repository and file, or `assumed` with the reason and the values to
probe. The file holds locators, hashes, numbers and statements in our words; never the paper's sentences.

Claims and ablations are plain data here; their language is compiled by `mlintern/study/`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from mlintern import strict_yaml

Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
Value = Scalar | list[Scalar]
Text = Annotated[str, StringConstraints(strict=True, min_length=1, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")]
Key = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$")]
Sha256 = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{64}$")]
Coordinates = dict[str, Scalar]


class _Model(BaseModel):
    """Unknown keys are refused; values are taken as they stand (no "3" for 3)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PaperLocator(_Model):
    """Where in the document a value stands. The quote is not kept: its hash proves it, and `reground` checks it."""

    section: Text | None = None
    """Number or title of the section, as the document names it."""
    table: Text | None = None
    """Label of the table, for a cell."""
    row: StrictInt | None = Field(None, ge=0)
    """Row of the cell in the document's grid, from 0, header rows included."""
    column: StrictInt | None = Field(None, ge=0)
    """Column of the cell in the document's grid, from 0."""
    span: Annotated[list[StrictInt], Field(min_length=2, max_length=2)] | None = None
    """First character and end of the quote in the document's text."""
    sha256: Sha256
    """sha256 of the quoted text (a cell's text for a cell), whitespace collapsed, UTF-8."""

    @model_validator(mode="after")
    def _points_somewhere(self) -> Self:
        cell = (self.table, self.row, self.column)
        if any(part is not None for part in cell):
            if any(part is None for part in cell):
                raise ValueError("a table locator needs table, row and column")
        elif self.span is None:
            raise ValueError("give a span, or table, row and column")
        if self.span is not None and not 0 <= self.span[0] < self.span[1]:
            raise ValueError(f"span {self.span} must be [start, end] with 0 <= start < end")
        return self


class CodeLocator(_Model):
    """Where in the authors' code a value stands."""

    repository: Text
    file: Text
    commit: Text | None = None
    """None where the commit is not known; then the value may have changed since."""


class Assumption(_Model):
    """Why a value that neither the paper nor the authors' code gives was chosen, and what else to try."""

    reason: Text
    probe_range: list[Value]
    """Other values for sensitivity cells; empty only where the engine fixes the value."""


class FromPaper(_Model):
    source: Literal["paper"]
    locator: PaperLocator


class FromCode(_Model):
    source: Literal["code"]
    locator: CodeLocator


class FromAssumption(_Model):
    source: Literal["assumed"]
    locator: Assumption


class SettingBase(_Model):
    """A value that training needs."""

    key: Key
    """Dotted key in the composed configuration, or (with `in_config: false`) the name of what the engine does."""
    value: Value | None
    unit: Text | None = None
    where: Coordinates = Field(default_factory=dict)
    """Coordinates that the setting is for, {"variant": "cnn"} say; empty: all cells."""
    note: Text | None = None
    in_config: StrictBool = True
    """False for what the engine fixes or a module builds in, and no key changes."""


class PaperSetting(SettingBase, FromPaper):
    pass


class CodeSetting(SettingBase, FromCode):
    pass


class AssumedSetting(SettingBase, FromAssumption):
    @model_validator(mode="after")
    def _can_be_probed(self) -> Self:
        if self.in_config and not self.locator.probe_range:
            raise ValueError("locator.probe_range is empty; list the other values to try (or set in_config: false)")
        return self


Setting = Annotated[PaperSetting | CodeSetting | AssumedSetting, Field(discriminator="source")]


class PaperCount(FromPaper):
    value: StrictInt = Field(gt=0)


class CodeCount(FromCode):
    value: StrictInt = Field(gt=0)


class Paper(_Model):
    """The paper's bibliographic facts."""

    id: Text
    """The arXiv id as a quoted string, `1412.6980`, or the name of a local paper."""
    version: StrictInt | None = Field(None, ge=1)
    slug: Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_]*$")]
    title: Text
    authors: list[Text] = Field(default_factory=list)
    year: StrictInt | None = Field(None, ge=1900, le=2200)
    licence: Text | None = None
    document_sha256: Sha256 | None = None
    """sha256 of the document's text that the spans point into."""

    @field_validator("id", mode="before")
    @classmethod
    def _quoted(cls, value: Any) -> Any:
        if isinstance(value, int | float):
            raise ValueError(f"{value!r} is a number and may have lost a zero; put the id in quotes")
        return value


class Dataset(_Model):
    """A dataset of the paper. `available: false` means the study cannot use it, for the reason given."""

    id: Name
    description: Text
    available: StrictBool = True
    reason: Text | None = None

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if not self.available and not self.reason:
            raise ValueError("available: false needs a reason")
        return self


class Variant(_Model):
    """A model or method of the paper."""

    id: Name
    name: Text
    description: Text
    parameters: Annotated[PaperCount | CodeCount, Field(discriminator="source")] | None = None
    """Number of trainable parameters where the paper or its code states it; vetting compares."""


class Printed(_Model):
    """A number as the paper prints it."""

    raw: Text
    mean: StrictFloat | None = None
    std: StrictFloat | None = Field(None, ge=0)
    n: StrictInt | None = Field(None, ge=1)
    """Number of runs behind mean and std."""
    bound: Literal["<", "<=", ">", ">=", "~"] | None = None
    """`>` where the paper prints `>99`, `~` for about; None for a plain number."""
    decimals: StrictInt = Field(0, ge=0)
    """Digits after the point as printed: half a unit of the last one is the rounding."""

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class ResultCell(_Model):
    """One number of a results table, mapped onto the study's coordinates."""

    row: Text
    column: Text
    variant: Name | None = None
    data: Name | None = None
    protocol: Name | None = None
    """Protocol the printed number was made under; None where it does not matter."""
    levels: Coordinates = Field(default_factory=dict)
    metric: Name
    split: Literal["train", "valid", "test"] = "test"
    printed: Printed
    locator: PaperLocator
    testable: StrictBool
    not_tested_reason: Text | None = None

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.testable and (self.variant is None or self.data is None):
            raise ValueError("a testable cell needs variant and data")
        if self.testable and self.printed.mean is None and self.printed.bound is None:
            raise ValueError("a testable cell needs printed.mean")
        _tested_or_reason(self.testable, self.not_tested_reason)
        return self


class ResultTable(_Model):
    """A results table of the paper, cell by cell."""

    id: Name
    label: Text
    """Label in the document: `tab:benchmark`."""
    description: Text
    """What the table shows, in our words."""
    metric: Name
    unit: Literal["percent", "fraction", "nats", "bits", "points", "count", "seconds", "none"]
    """Unit of the printed numbers; metrics of ours are fractions where the unit is percent."""
    better: Literal["higher", "lower"]
    rows: list[Text]
    columns: list[Text]
    locator: PaperLocator
    """The caption."""
    cells: list[ResultCell]

    @model_validator(mode="after")
    def _cells_stand_in_the_table(self) -> Self:
        seen: set[tuple[str, str, str]] = set()
        for i, cell in enumerate(self.cells):
            if cell.row not in self.rows:
                raise ValueError(f"cells[{i}].row {cell.row!r} is not one of rows {self.rows}")
            if cell.column not in self.columns:
                raise ValueError(f"cells[{i}].column {cell.column!r} is not one of columns {self.columns}")
            if (place := (cell.row, cell.column, cell.metric)) in seen:
                raise ValueError(f"cells[{i}]: {place} stands twice")
            seen.add(place)
        return self


class Claim(_Model):
    """A machine-checkable statement of the paper."""

    id: Name
    statement: Text
    """In our words, not the paper's."""
    locator: PaperLocator
    check: dict[str, Any] | None = None
    """The typed form (`kind` and what that kind asks for) that mlintern/study/claims.py compiles."""
    testable: StrictBool
    not_tested_reason: Text | None = None

    @model_validator(mode="after")
    def _typed(self) -> Self:
        if self.testable and self.check is None:
            raise ValueError("a testable claim needs a check")
        if self.check is not None and not isinstance(self.check.get("kind"), str):
            raise ValueError("check.kind must name the kind of the claim (greater, at_least, ...)")
        _tested_or_reason(self.testable, self.not_tested_reason)
        return self


class Level(_Model):
    """One level of a factor: what it changes in the configuration."""

    id: Name
    overrides: dict[Key, Value | None]
    locator: PaperLocator | None = None


class Factor(_Model):
    """What an ablation varies."""

    id: Name
    description: Text
    base: Name
    """The level that the paper's main variant has."""
    levels: list[Level] = Field(min_length=2)

    @model_validator(mode="after")
    def _base_is_a_level(self) -> Self:
        _unique((level.id for level in self.levels), "levels")
        if self.base not in {level.id for level in self.levels}:
            raise ValueError(f"base {self.base!r} is not one of the levels")
        return self


class Reduction(_Model):
    """A published setting that is beyond the hardware, and what the study uses instead, side by side."""

    key: Key
    published: Value
    reduced: Value
    reason: Text
    where: Coordinates = Field(default_factory=dict)


class Scale(_Model):
    """Whether the study runs at the paper's scale. With reductions, every number of the report carries the mark."""

    published: Text
    """The paper's scale: compute, time, sizes."""
    reductions: list[Reduction] = Field(default_factory=list)


class NotTrainable(_Model):
    """A part of the paper that the study leaves out."""

    what: Text
    reason: Text
    locator: PaperLocator | None = None


class PaperSpec(_Model):
    """What the paper says. `load_spec` reads it; `mlintern/author/` writes it; study and report use it."""

    schema_version: Literal[1]
    paper: Paper
    datasets: list[Dataset]
    variants: list[Variant]
    settings: list[Setting]
    tables: list[ResultTable]
    claims: list[Claim]
    ablations: list[Factor] = Field(default_factory=list)
    scale: Scale
    not_trainable: list[NotTrainable] = Field(default_factory=list)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for field in ("datasets", "variants", "tables", "claims", "ablations"):
            _unique((item.id for item in getattr(self, field)), field)
        _unique((f"{s.key} {sorted(s.where.items())}" for s in self.settings), "settings")
        variants = {variant.id for variant in self.variants}
        datasets = {dataset.id: dataset for dataset in self.datasets}
        for table in self.tables:
            for i, cell in enumerate(table.cells):
                at = f"table {table.id!r} cells[{i}]"
                if cell.variant is not None and cell.variant not in variants:
                    raise ValueError(f"{at}: variant {cell.variant!r} is not one of {sorted(variants)}")
                if cell.data is not None and cell.data not in datasets:
                    raise ValueError(f"{at}: data {cell.data!r} is not one of {sorted(datasets)}")
                if cell.testable and cell.data and not datasets[cell.data].available:
                    raise ValueError(f"{at}: testable, but data {cell.data!r} is not available")
        return self

    @property
    def unsaid(self) -> list[AssumedSetting]:
        """The ledger of what neither the paper nor its code gives: value chosen, why, and what to probe."""
        return [setting for setting in self.settings if isinstance(setting, AssumedSetting)]

    def testable_cells(self) -> Iterator[tuple[ResultTable, ResultCell]]:
        """The cells that the study measures, in the order of the tables."""
        for table in self.tables:
            for cell in table.cells:
                if cell.testable:
                    yield table, cell

    def not_tested(self) -> Iterator[tuple[str, str]]:
        """(what, reason) of all that the study leaves out: cells, claims, parts of the paper."""
        for table in self.tables:
            for cell in table.cells:
                if not cell.testable:
                    yield f"{table.id}: {cell.row}, {cell.column}", cell.not_tested_reason or ""
        for claim in self.claims:
            if not claim.testable:
                yield f"claim {claim.id}", claim.not_tested_reason or ""
        for part in self.not_trainable:
            yield part.what, part.reason

    def locators(self) -> Iterator[tuple[str, PaperLocator]]:
        """(path, locator) of every place of the document that the spec rests on."""
        yield from _locators(self, "")


def load_spec(path: Path) -> PaperSpec:
    """Read `spec.yaml`. Raises UserError naming file, line and field for anything that is off."""
    parsed = strict_yaml.load(Path(path))
    return strict_yaml.validate(PaperSpec, parsed, str(path))


def _tested_or_reason(testable: bool, reason: str | None) -> None:
    if not testable and not reason:
        raise ValueError("testable: false needs not_tested_reason")
    if testable and reason:
        raise ValueError("not_tested_reason is given, but testable is true")


def _unique(ids: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for item in ids:
        if item in seen:
            raise ValueError(f"{what}: {item!r} stands twice")
        seen.add(item)


def _locators(item: Any, path: str) -> Iterator[tuple[str, PaperLocator]]:
    if isinstance(item, PaperLocator):
        yield path, item
    elif isinstance(item, BaseModel):
        for field in type(item).model_fields:
            yield from _locators(getattr(item, field), f"{path}.{field}" if path else field)
    elif isinstance(item, list):
        for i, part in enumerate(item):
            yield from _locators(part, f"{path}[{i}]")
