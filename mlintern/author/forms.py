"""The answers that a language model gives, one form per stage. Nothing in a form is believed before it is grounded.

Structured output allows no free mappings, so coordinates and overrides are lists of pairs, and values are JSON in text
(`0.1`, `[0.9, 0.98]`, `true`, `adam`).
"""

import json
import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mlintern.spec.sourced import Scalar, Value


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Pair(Form):
    """One coordinate (`variant`: `cnn`) or one override (`optimizer.lr`: `0.1`)."""

    name: str
    value: str


class Experiment(Form):
    id: str
    what: str
    trainable_here: bool
    reason: str = Field(description="Why it can or cannot be trained with this tool.")


class OutOfReach(Form):
    what: str
    reason: str


class Outline(Form):
    """What kind of paper it is and what of it can be trained."""

    kind: Literal[
        "architecture", "optimizer", "loss", "training_method", "augmentation", "dataset", "analysis", "sampling",
        "survey", "theory", "other",
    ]  # fmt: skip
    trainable: bool = Field(description="Whether the paper trains anything whose training this tool could repeat.")
    why: str
    evidence: str = Field(description="A sentence of the paper, word for word, that shows what is or is not trained.")
    experiments: list[Experiment]
    out_of_reach: list[OutOfReach]
    published_scale: str = Field(description="Compute, data and model sizes of the paper, in your words.")
    beyond_one_machine: bool = Field(description="Whether it takes more than one ordinary computer without a GPU.")
    figures: list[str] = Field(description="Ids of figures that the extraction must see, because a claim rests on one.")


class FoundDataset(Form):
    id: str
    description: str
    available: bool
    reason: str = Field(description="Why it is not available; empty if it is.")


class FoundVariant(Form):
    id: str
    name: str
    description: str
    parameters: int | None = Field(description="Number of trainable parameters, if the paper states it.")
    parameters_quote: str | None
    parameters_table: str | None
    parameters_row: int | None
    parameters_column: int | None
    parameters_code_file: str | None = Field(
        default=None, description="The file of the authors' code that states the count; the quote is then from it."
    )


class FoundSetting(Form):
    """A value that training needs: from the text (quote), from a table (table, row, column), from the authors' code
    (code_file and a quote from it), or unsaid (none of these)."""

    key: str = Field(description="Dotted configuration key: optimizer.lr, trainer.batch_size, model.hidden, ...")
    value: str = Field(description="JSON: 0.1, [0.9, 0.98], true, or a bare word such as adam.")
    unit: str | None
    where: list[Pair] = Field(description="Coordinates it holds for; empty for all.")
    quote: str | None = Field(
        description="The paper's words, exactly, with the value in them and what it is a value of."
    )
    code_file: str | None = Field(
        default=None, description="The file of the authors' code that states it; the quote is then that file's."
    )
    table: str | None
    row: int | None
    column: int | None
    in_config: bool = Field(description="False for what a module builds in and no key changes.")
    reason: str = Field(description="For an unsaid value: why this one. Empty for a stated one.")
    alternatives: list[str] = Field(
        description="Other values to try if the paper does not state it; at least one, JSON."
    )


class FoundCell(Form):
    row: int
    column: int
    row_name: str
    column_name: str
    variant: str | None
    data: str | None
    levels: list[Pair]
    metric: str
    split: Literal["train", "valid", "test"]
    testable: bool
    reason: str = Field(description="Why it is not tested; empty if it is.")


class FoundTable(Form):
    id: str
    table: str = Field(description="Id or label of the table in the paper's text as given.")
    description: str
    metric: str
    unit: Literal["percent", "fraction", "nats", "bits", "points", "count", "seconds", "none"]
    better: Literal["higher", "lower"]
    runs: int | None
    runs_quote: str | None
    spread: Literal["std", "standard_error", "ci95", "unknown"]
    caption_quote: str
    cells: list[FoundCell]


class FoundClaim(Form):
    id: str
    statement: str = Field(description="In your own words.")
    quote: str
    check: str = Field(description="The typed form as a JSON object; empty if it has none.")
    testable: bool
    reason: str
    section: str | None = Field(default=None, description="The id in sections whose study tests it; null for the main.")


class FoundLevel(Form):
    id: str
    overrides: list[Pair] = Field(description="Configuration keys and values that this level changes; [] for none.")
    quote: str | None = Field(description="The paper's words for this level, where the text gives it.")
    table: str | None = Field(description="The table's cell that gives this level, where a table does.")
    row: int | None
    column: int | None


class FoundFactor(Form):
    id: str
    description: str
    base: str
    where: list[Pair] = Field(
        default=[], description="The variant and data that it is varied on, where these are not the study's default."
    )
    levels: list[FoundLevel]


class FoundSection(Form):
    """An experiment of the paper that is a study of its own, beside the main one, and run by name."""

    id: str
    title: str


class FoundReduction(Form):
    key: str
    where: list[Pair] = Field(description="Coordinates of the setting that is reduced, as in its entry in settings.")
    published: str
    reduced: str
    reason: str


class Extraction(Form):
    """What the paper says, with the words that prove it."""

    licence: str | None = Field(description="Of the paper's text, if it names one.")
    year: int | None = Field(description="Of publication, if the paper says so.")
    datasets: list[FoundDataset]
    variants: list[FoundVariant]
    settings: list[FoundSetting]
    tables: list[FoundTable]
    claims: list[FoundClaim]
    ablations: list[FoundFactor]
    reductions: list[FoundReduction]
    sections: list[FoundSection] = Field(default=[], description="Studies beside the main one; [] for none.")


class Mended(Form):
    """Second quotes for what did not hold at first."""

    settings: list[FoundSetting]
    claims: list[FoundClaim]


class Unmapped(Form):
    id: str = Field(description="The id of the listed item: s3, table-2.")
    reason: str = Field(description="Why it is neither a setting nor a result nor a claim.")


class Completion(Form):
    """What the first extraction passed over; entries are added to it. A table's cells are added under its id."""

    settings: list[FoundSetting]
    tables: list[FoundTable]
    claims: list[FoundClaim]
    unmapped: list[Unmapped]


class WrittenFile(Form):
    path: str
    content: str


class ModelInput(Form):
    """What one variant's forward takes, for the checks that run it."""

    variant: str
    shape: list[int] = Field(min_length=1, description="Shape of one example, without the batch dimension.")
    dtype: Literal["float32", "int64"]
    high: int = Field(description="For int64: values are below this (the vocabulary size, say). Otherwise 2.")


class Written(Form):
    """The files of a pack."""

    files: list[WrittenFile]
    inputs: list[ModelInput] = Field(description="One per variant.")


class Disputed(Form):
    problem: str = Field(description="The id of the listed problem: p3.")
    reason: str = Field(description="Why the files are right as they are, with the paper's words or the spec's key.")


class Repaired(Form):
    """What a repair changes; files that it does not name stay as they are."""

    files: list[WrittenFile] = Field(description="Each file that changes or is new, whole.")
    removed: list[str] = Field(default=[], description="Paths of files that go.")
    inputs: list[ModelInput] = Field(description="Of variants whose input changes; [] for none.")
    disputed: list[Disputed] = Field(default=[], description="Problems of the comparison with the paper that are none.")


class Component(Form):
    component: str
    quote: str = Field(description="The paper's words on it, exactly; empty if the paper says nothing.")
    code: str = Field(description="What the code does, in your words, with file and line.")
    verdict: Literal["matches", "differs", "missing", "as_stated", "unclear"] = Field(
        description="as_stated: not the paper's, and the spec itself says so (a reduction, an assumption, left out)."
    )
    fix: str = Field(description="For differs and missing: what to change in which file. Else empty, or what to watch.")


class Critique(Form):
    """Paper and code, component by component."""

    components: list[Component]


def value_of(text: str) -> Value | None:
    """The value in a form's text: JSON where it is JSON, else the word itself. Raises ValueError for a mapping."""
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text.strip()
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict | list) for v in value)):
        raise ValueError(f"{text[:80]!r} must be a number, a word, true, false, null or a flat list of these")
    if any(isinstance(v, float) and not math.isfinite(v) for v in (value if isinstance(value, list) else [value])):
        raise ValueError(f"{text[:80]!r} is not a finite number")
    return value


def coordinates(pairs: list[Pair]) -> dict[str, Scalar]:
    """Pairs as a mapping; a list or null as a level is kept as its text."""
    found: dict[str, Scalar] = {}
    for pair in pairs:
        value = value_of(pair.value)
        found[pair.name] = pair.value if value is None or isinstance(value, list) else value
    return found
