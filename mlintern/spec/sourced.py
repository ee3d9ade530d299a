"""Values with a source: the parts of a PaperSpec that say what a value is and where it was found.

`paper` has a locator in the document and the sha256 of the quoted text, `code` the authors' repository and file,
`assumed` the reason and the alternatives.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)

Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
Value = Scalar | list[Scalar]
Text = Annotated[str, StringConstraints(strict=True, min_length=1, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")]
Key = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$")]
Sha256 = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{64}$")]
Coordinates = dict[str, Scalar]


class SpecRecord(BaseModel):
    """Unknown keys are refused; values are taken as they stand (no "3" for 3)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PaperLocator(SpecRecord):
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


class CodeLocator(SpecRecord):
    """Where in the authors' code a value stands."""

    repository: Text
    file: Text
    commit: Text | None = None
    """None where the commit is not known; then the value may have changed since."""
    line: StrictInt | None = Field(None, ge=1)
    """First line of the words that state it, in the file as it was given."""


class Assumption(SpecRecord):
    """Why a value that neither the paper nor the authors' code gives was chosen, and what else to try."""

    reason: Text
    probe_range: list[Value]
    """Other values for sensitivity cells; empty only where the engine fixes the value, or the note says why."""


class FromPaper(SpecRecord):
    source: Literal["paper"]
    locator: PaperLocator


class FromCode(SpecRecord):
    source: Literal["code"]
    locator: CodeLocator


class FromAssumption(SpecRecord):
    source: Literal["assumed"]
    locator: Assumption


class SettingBase(SpecRecord):
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
    def _has_alternatives(self) -> Self:
        if self.in_config and not self.locator.probe_range and not self.note:
            raise ValueError(
                "locator.probe_range is empty; list the other values to try (or set in_config: false, or say in note "
                "why none can be tried)"
            )
        return self


Setting = Annotated[PaperSetting | CodeSetting | AssumedSetting, Field(discriminator="source")]


class PaperCount(FromPaper):
    value: StrictInt = Field(gt=0)


class CodeCount(FromCode):
    value: StrictInt = Field(gt=0)
