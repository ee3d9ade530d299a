"""From what a language model found to a PaperSpec: only what the Document bears out stays `source: paper`.

Settings whose quote fails become assumptions, claims and cells whose place fails are dropped, and both are listed for
provenance. The model's copy of a number is never used: printed results are read from the parsed grid.
"""

import dataclasses
import json
from typing import Any

from mlintern.author.forms import (
    Completion,
    Extraction,
    FoundCell,
    FoundClaim,
    FoundFactor,
    FoundLevel,
    FoundSetting,
    FoundTable,
    FoundVariant,
    Mended,
    Outline,
    coordinates,
    value_of,
)
from mlintern.author.grounding import ground
from mlintern.author.grounding.authors_code import AuthorsCode
from mlintern.author.grounding.ground import Ungrounded
from mlintern.author.grounding.ledger import values_near
from mlintern.claims.parsing import parse_claim
from mlintern.core.errors import UserError
from mlintern.core.strict_yaml import Parsed, validate
from mlintern.paper.document.document import Document
from mlintern.paper.ids import PaperId
from mlintern.spec.paper_spec import PaperSpec
from mlintern.spec.sourced import CodeLocator, PaperLocator, Value


@dataclasses.dataclass(frozen=True)
class Grounded:
    """A spec that rests on the paper, and what did not make it in."""

    spec: PaperSpec
    assumed: list[str]
    """Keys that were claimed as stated and became assumptions."""
    dropped: list[str]
    """Claims, cells and other places left out, with the reason."""


def failures(
    extraction: Extraction, document: Document, code: AuthorsCode | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """({setting's name: reason}, {claim's id: reason}) of all that claims a place and does not have it."""
    settings = {
        _name(setting): place.reason
        for setting in extraction.settings
        if isinstance(place := _setting_place(setting, document, code), Ungrounded)
    }
    claims = {
        claim.id: place.reason
        for claim in extraction.claims
        if isinstance(place := ground.ground_quote(document, claim.quote), Ungrounded)
    }
    return settings, claims


def mend(extraction: Extraction, mended: Mended) -> Extraction:
    """`extraction` with the second answers in place of the first, matched by key and coordinates, or by id."""
    settings = {_name(setting): setting for setting in mended.settings}
    claims = {claim.id: claim for claim in mended.claims}
    return extraction.model_copy(
        update={
            "settings": [settings.get(_name(s), s) for s in extraction.settings],
            "claims": [claims.get(c.id, c) for c in extraction.claims],
        }
    )


def complete(extraction: Extraction, completion: Completion) -> Extraction:
    """`extraction` with what a second look found; an entry that it has already is not taken twice."""
    names = {_name(setting) for setting in extraction.settings}
    ids = {claim.id for claim in extraction.claims}
    tables = {table.id: table for table in extraction.tables}
    for found in completion.tables:
        if (known := tables.get(found.id)) is None:
            tables[found.id] = found
            continue
        places = {(cell.row, cell.column) for cell in known.cells}
        added = [cell for cell in found.cells if (cell.row, cell.column) not in places]
        tables[found.id] = known.model_copy(update={"cells": [*known.cells, *added]})
    return extraction.model_copy(
        update={
            "settings": [*extraction.settings, *(s for s in completion.settings if _name(s) not in names)],
            "tables": list(tables.values()),
            "claims": [*extraction.claims, *(c for c in completion.claims if c.id not in ids)],
        }
    )


def build_spec(
    outline: Outline, extraction: Extraction, document: Document, paper: PaperId, code: AuthorsCode | None = None
) -> Grounded:
    """The PaperSpec that `document`, and the authors' code where it is given, bears out.

    Raises UserError if what is left does not hold together.
    """
    assumed: list[str] = []
    dropped: list[str] = []
    tables = [t for found in extraction.tables if (t := _table(found, document, dropped)) is not None]
    value: dict[str, Any] = {
        "schema_version": 1,
        "paper": {
            "id": paper.id,
            "version": paper.version or version_of(document),
            "slug": paper.slug,
            "title": " ".join(document.title.split()) or paper.id,
            "authors": [" ".join(author.split()) for author in document.authors if author.strip()],
            "year": extraction.year,
            "licence": extraction.licence or None,
            "document_sha256": ground.text_hash(document),
        },
        "datasets": [
            {"id": d.id, "description": d.description, "available": d.available, "reason": d.reason or None}
            for d in extraction.datasets
        ],
        "variants": [_variant(v, document, dropped, code) for v in extraction.variants],
        "settings": [s for found in extraction.settings if (s := _setting(found, document, assumed, dropped, code))],
        "tables": tables,
        "claims": [c for found in extraction.claims if (c := _claim(found, document, dropped)) is not None],
        "ablations": [_factor(found, document, dropped) for found in extraction.ablations],
        "sections": [found.model_dump() for found in extraction.sections],
        "scale": {
            "published": outline.published_scale,
            "reductions": [
                {
                    **r.model_dump(include={"key", "reason"}),
                    "where": coordinates(r.where),
                    "published": _value(r.published),
                    "reduced": _value(r.reduced),
                }
                for r in extraction.reductions
            ],
        },
        "not_trainable": [found.model_dump() for found in outline.out_of_reach],
    }
    return Grounded(validate(PaperSpec, Parsed(value, {}), "the extracted spec"), assumed, dropped)


def _name(setting: FoundSetting) -> str:
    where = ", ".join(f"{pair.name}={pair.value}" for pair in setting.where)
    return f"{setting.key} [{where}]" if where else setting.key


def _value(text: str) -> Value | None:
    try:
        return value_of(text)
    except ValueError as error:
        raise UserError(f"the extracted spec: {error}") from None


def _setting_place(
    setting: FoundSetting, document: Document, code: AuthorsCode | None
) -> PaperLocator | CodeLocator | Ungrounded | None:
    """Where the paper or the authors' code states it; None if nothing claims that one does."""
    value = _value(setting.value)
    if setting.code_file:
        return code_place(code, setting.code_file, setting.quote or "", value, setting.key)
    if setting.table is not None and setting.row is not None and setting.column is not None:
        return ground.ground_table_value(document, setting.table, setting.row, setting.column, value, setting.key)
    if setting.quote:
        return ground.ground_value(document, setting.quote, value, setting.key)
    return None


def code_place(
    code: AuthorsCode | None, file: str, quote: str, value: Value | None, key: str
) -> CodeLocator | Ungrounded:
    """Where the authors' code states it."""
    return code.place(file, quote, value, key) if code else Ungrounded("the authors' code was not given")


def _setting(
    found: FoundSetting, document: Document, assumed: list[str], dropped: list[str], code: AuthorsCode | None
) -> dict[str, Any] | None:
    place = _setting_place(found, document, code)
    base = {
        "key": found.key,
        "value": _value(found.value),
        "unit": found.unit or None,
        "where": coordinates(found.where),
        "in_config": found.in_config,
    }
    if isinstance(place, PaperLocator | CodeLocator):
        source = "paper" if isinstance(place, PaperLocator) else "code"
        return {**base, "note": found.reason.strip() or None, "source": source, "locator": place.model_dump()}
    reason = found.reason.strip()
    if isinstance(place, Ungrounded):
        whose = "the authors' code" if found.code_file else "the paper"
        reason = f"Given as stated by {whose}, but its text does not bear it out: {place.reason}."
        assumed.append(_name(found))
    others = [value for text in found.alternatives if (value := _value(text)) is not None and value != base["value"]]
    if not others and found.in_config:
        others = values_near(found.key, base["value"])
    if not others and found.in_config:
        dropped.append(f"setting {_name(found)}: neither stated nor given with another value to try")
        return None
    return {
        **base,
        "source": "assumed",
        "locator": {"reason": reason or "The paper does not say.", "probe_range": others},
    }


def _variant(found: FoundVariant, document: Document, dropped: list[str], code: AuthorsCode | None) -> dict[str, Any]:
    variant: dict[str, Any] = {"id": found.id, "name": found.name, "description": found.description}
    if found.parameters is not None:
        table, row, column = found.parameters_table, found.parameters_row, found.parameters_column
        place: PaperLocator | CodeLocator | Ungrounded
        if found.parameters_code_file:
            quote = found.parameters_quote or ""
            place = code_place(code, found.parameters_code_file, quote, found.parameters, "parameters")
        elif table is not None and row is not None and column is not None:
            place = ground.ground_table_value(document, table, row, column, found.parameters, "parameters")
        else:
            place = ground.ground_value(document, found.parameters_quote or "", found.parameters, "parameters")
        if isinstance(place, Ungrounded):
            dropped.append(f"parameter count of {found.id}: {place.reason}")
        else:
            source = "paper" if isinstance(place, PaperLocator) else "code"
            variant["parameters"] = {"value": found.parameters, "source": source, "locator": place.model_dump()}
    return variant


def _table(found: FoundTable, document: Document, dropped: list[str]) -> dict[str, Any] | None:
    caption = ground.ground_quote(document, found.caption_quote)
    if isinstance(caption, Ungrounded):
        dropped.append(f"table {found.id}: its caption: {caption.reason}")
        return None
    runs = found.runs
    if runs is not None:
        place = ground.ground_value(document, found.runs_quote or "", runs)
        if isinstance(place, Ungrounded):
            dropped.append(f"number of runs of table {found.id}: {place.reason}")
            runs = None
    cells = [c for cell in found.cells if (c := _cell(cell, found, runs, document, dropped)) is not None]
    if not cells:
        dropped.append(f"table {found.id}: none of its cells holds a number")
        return None
    return {
        **found.model_dump(include={"id", "description", "metric", "unit", "better"}),
        "label": found.table,
        "rows": list(dict.fromkeys(cell["row"] for cell in cells)),
        "columns": list(dict.fromkeys(cell["column"] for cell in cells)),
        "locator": caption.model_dump(),
        "cells": cells,
    }


def _cell(
    found: FoundCell, table: FoundTable, runs: int | None, document: Document, dropped: list[str]
) -> dict[str, Any] | None:
    place = ground.ground_cell(document, table.table, found.row, found.column, runs, table.spread)
    if isinstance(place, Ungrounded):
        dropped.append(f"table {table.id}, {found.row_name}, {found.column_name}: {place.reason}")
        return None
    locator, printed = place
    if printed.mean is None and found.testable:
        dropped.append(f"table {table.id}, {found.row_name}, {found.column_name}: {printed.raw} has no central value")
        return None
    return {
        **found.model_dump(include={"variant", "data", "metric", "split", "testable"}),
        "row": found.row_name,
        "column": found.column_name,
        "levels": coordinates(found.levels),
        "printed": printed.model_dump(),
        "locator": locator.model_dump(),
        "not_tested_reason": None if found.testable else found.reason or "the extraction gives no reason",
    }


def _claim(found: FoundClaim, document: Document, dropped: list[str]) -> dict[str, Any] | None:
    place = ground.ground_quote(document, found.quote)
    if isinstance(place, Ungrounded):
        dropped.append(f"claim {found.id}: {place.reason}")
        return None
    return {
        **found.model_dump(include={"id", "statement", "testable", "section"}),
        "locator": place.model_dump(),
        "check": check_of(found),
        "not_tested_reason": None if found.testable else found.reason or "the extraction gives no reason",
    }


def check_of(claim: FoundClaim) -> dict[str, Any] | None:
    """A claim's typed form, checked against the language of claims; None if it has none. Raises UserError."""
    if not claim.check.strip():
        return None
    try:
        check = json.loads(claim.check)
    except (json.JSONDecodeError, RecursionError):
        raise UserError(f"claim {claim.id!r}: check is not a JSON object") from None
    if not isinstance(check, dict):
        raise UserError(f"claim {claim.id!r}: check is not a JSON object")
    if claim.testable:
        parse_claim({"id": claim.id, "statement": claim.statement, "check": check, "testable": True})
    return check


def _level_place(level: FoundLevel, document: Document) -> PaperLocator | Ungrounded | None:
    """Where the paper has a factor's level: a cell, whose headers name what it is, or a quote."""
    if level.table is not None and level.row is not None and level.column is not None:
        return ground.cell_place(document, level.table, level.row, level.column)
    return ground.ground_quote(document, level.quote) if level.quote else None


def _factor(found: FoundFactor, document: Document, dropped: list[str]) -> dict[str, Any]:
    levels = []
    for level in found.levels:
        place = _level_place(level, document)
        if isinstance(place, Ungrounded):
            dropped.append(f"place of level {level.id} of {found.id}: {place.reason}")
        levels.append(
            {
                "id": level.id,
                "overrides": {pair.name: _value(pair.value) for pair in level.overrides},
                "locator": place.model_dump() if isinstance(place, PaperLocator) else None,
            }
        )
    where = coordinates(found.where)
    return {"id": found.id, "description": found.description, "base": found.base, "where": where, "levels": levels}


def version_of(document: Document) -> int | None:
    """The number of the paper's version, where the Document knows it."""
    digits = document.version.removeprefix("v")
    return int(digits) if digits.isdigit() else None
