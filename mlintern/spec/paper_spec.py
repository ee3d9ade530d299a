"""PaperSpec: what a paper says, value by value, and where it says it.

One YAML file per pack (`papers/<slug>/spec.yaml`). Every value carries its source: `paper` with a locator and the
sha256 of the quoted text, `code` with the authors' repository and file, or `assumed` with the reason and
alternatives. The file holds locators, hashes, numbers and statements in our words; never the paper's sentences.

Claims and ablations are plain data here; their language is compiled by `mlintern/claims/`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    field_validator,
    model_validator,
)

from mlintern.core import strict_yaml, yaml_out
from mlintern.spec.sourced import (
    AssumedSetting,
    CodeCount,
    Coordinates,
    Key,
    Name,
    PaperCount,
    PaperLocator,
    Setting,
    Sha256,
    SpecRecord,
    Text,
    Value,
)


class Paper(SpecRecord):
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


class Dataset(SpecRecord):
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


class Variant(SpecRecord):
    """A model or method of the paper."""

    id: Name
    name: Text
    description: Text
    parameters: Annotated[PaperCount | CodeCount, Field(discriminator="source")] | None = None
    """Number of trainable parameters where the paper or its code states it; vetting compares."""


class Printed(SpecRecord):
    """A number as the paper prints it."""

    raw: Text
    mean: StrictFloat | None = None
    std: StrictFloat | None = Field(None, ge=0)
    """The number behind the plus-minus sign, whatever it is; `spread` says what."""
    n: StrictInt | None = Field(None, ge=1)
    """Number of runs behind mean and std."""
    bound: Literal["<", "<=", ">", ">=", "~"] | None = None
    """`>` where the paper prints `>99`, `~` for about; None for a plain number."""
    spread: Literal["std", "standard_error", "ci95", "unknown"] = "unknown"
    """What `std` is, as far as the paper says: deviation over runs, error of the mean, half a 95 % interval."""
    decimals: StrictInt = Field(0, ge=0)
    """Digits after the point as printed: half a unit of the last one is the rounding."""

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class ResultCell(SpecRecord):
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


class ResultTable(SpecRecord):
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


class Claim(SpecRecord):
    """A machine-checkable statement of the paper."""

    id: Name
    statement: Text
    """In our words, not the paper's."""
    locator: PaperLocator
    check: dict[str, Any] | None = None
    """The typed form (`kind` and what that kind asks for) that mlintern/claims/parsing.py compiles."""
    testable: StrictBool
    not_tested_reason: Text | None = None
    section: Name | None = None
    """The section of the paper whose own study (`paper.sections`) tests it; None for the main study."""
    figure: Text | None = None
    """The figure that it rests on, by the Document's id or label; None where it rests on none, or nobody said."""

    @model_validator(mode="after")
    def _typed(self) -> Self:
        if self.testable and self.check is None:
            raise ValueError("a testable claim needs a check")
        if self.check is not None and not isinstance(self.check.get("kind"), str):
            raise ValueError("check.kind must name the kind of the claim (greater, at_least, ...)")
        _tested_or_reason(self.testable, self.not_tested_reason)
        return self


class SectionStudy(SpecRecord):
    """A section of the paper whose experiment is a study of its own, run by `study.sections=[<id>]`."""

    id: Name
    title: Text


class Level(SpecRecord):
    """One level of a factor: what it changes in the configuration."""

    id: Name
    overrides: dict[Key, Value | None]
    locator: PaperLocator | None = None


_OF_SECTION = "a section of the paper with a study of its own: run it with study.sections=[{section}]"


def option_name(factor: str, level: str) -> str:
    """The name of the config option that sets a factor to a level: `ablation=dropout_0_1` for dropout at 0.1."""
    return re.sub(r"[^a-z0-9]+", "_", f"{factor}_{level}".lower()).strip("_")


class Factor(SpecRecord):
    """What an ablation varies. Each level is the option `option_name(factor, level)` of the group `ablation`."""

    id: Name
    description: Text
    base: Name
    """The level that the paper's main variant has."""
    where: Coordinates = Field(default_factory=dict)
    """What it is varied for (`{variant: cnn}`), where that is not the pack's default model and data."""
    levels: list[Level] = Field(min_length=2)

    @model_validator(mode="after")
    def _base_is_a_level(self) -> Self:
        _unique((level.id for level in self.levels), "levels")
        if self.base not in {level.id for level in self.levels}:
            raise ValueError(f"base {self.base!r} is not one of the levels")
        return self


class Reduction(SpecRecord):
    """A published setting that is beyond the hardware, and what the study uses instead, side by side."""

    key: Key
    published: Value
    reduced: Value
    reason: Text
    where: Coordinates = Field(default_factory=dict)


class StudyScale(SpecRecord):
    """Whether the study runs at the paper's scale. With reductions, every number of the report carries the mark."""

    published: Text
    """The paper's scale: compute, time, sizes."""
    reductions: list[Reduction] = Field(default_factory=list)


class NotTrainable(SpecRecord):
    """A part of the paper that the study leaves out."""

    what: Text
    reason: Text
    locator: PaperLocator | None = None


class PaperSpec(SpecRecord):
    """What the paper says. `load_spec` reads it; `mlintern/author/` writes it; study and report use it."""

    schema_version: Literal[1]
    paper: Paper
    datasets: list[Dataset]
    variants: list[Variant]
    settings: list[Setting]
    tables: list[ResultTable]
    claims: list[Claim]
    ablations: list[Factor] = Field(default_factory=list)
    sections: list[SectionStudy] = Field(default_factory=list)
    scale: StudyScale
    not_trainable: list[NotTrainable] = Field(default_factory=list)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for field in ("datasets", "variants", "tables", "claims", "ablations", "sections"):
            _unique((item.id for item in getattr(self, field)), field)
        options = (option_name(factor.id, level.id) for factor in self.ablations for level in factor.levels)
        _unique(options, "options of the group ablation")
        _unique((f"{s.key} {sorted(s.where.items())}" for s in self.settings), "settings")
        sections = {section.id for section in self.sections}
        for claim in self.claims:
            if claim.section is not None and claim.section not in sections:
                raise ValueError(f"claim {claim.id!r}: section {claim.section!r} is not one of {sorted(sections)}")
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
        """The ledger of what neither the paper nor its code gives: value chosen, why, and its alternatives."""
        return [setting for setting in self.settings if isinstance(setting, AssumedSetting)]

    def for_study(self, sections: Sequence[str]) -> Self:
        """What a study of these sections, or the main one where there are none, has to answer.

        The main study keeps the claims of the sections, as not tested and with the command that tests them.
        """
        settings = [s for s in self.settings if s.where.get("section") in (None, *sections)]
        if sections:
            claims = [claim for claim in self.claims if claim.section in sections]
            tables = [table.model_copy(update={"cells": []}) for table in self.tables]
            run = [section for section in self.sections if section.id in sections]
            own = {"claims": claims, "settings": settings, "tables": tables, "sections": run, "not_trainable": []}
            return self.model_copy(update=own)
        claims = [
            claim
            if claim.section is None or not claim.testable
            else claim.model_copy(
                update={"testable": False, "not_tested_reason": _OF_SECTION.format(section=claim.section)}
            )
            for claim in self.claims
        ]
        return self.model_copy(update={"claims": claims, "settings": settings, "sections": []})

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


def text_of(spec: PaperSpec, head: str) -> str:
    """The text of `spec.yaml`, which `load_spec` reads back as an equal spec: optional fields without a value are left
    out, a value that is null stands.
    """
    value = spec.model_dump(exclude_none=True)
    for setting, dumped in zip(spec.settings, value["settings"], strict=True):
        if setting.value is None:
            dumped["value"] = None
    for factor, dumped in zip(spec.ablations, value["ablations"], strict=True):
        for level, written in zip(factor.levels, dumped["levels"], strict=True):
            written["overrides"] = dict(level.overrides)
    for claim, dumped in zip(spec.claims, value["claims"], strict=True):
        if claim.check is not None:
            dumped["check"] = claim.check
    return yaml_out.dump(value, head)


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
