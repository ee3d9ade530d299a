"""Grounding against a Document: quotes, values, cells; and that a broken locator is found."""

import pytest

from mlintern.author.grounding import ground
from mlintern.author.grounding.ground import Ungrounded
from mlintern.spec.paper_spec import PaperSpec
from tests.author.documents import GRID, TEXT, document, table

DOC = document()


def test_a_quote_becomes_a_locator_without_its_words():
    locator = ground.ground_value(DOC, "learning rate of $3 \\cdot 10^{-4}$", 3e-4, "optimizer.lr")
    start, end = locator.span
    assert locator.section == "1"
    assert TEXT[start:end] == "learning rate of 3·10^{-4}"
    assert locator.sha256 == ground.quote_hash(TEXT[start:end])
    assert "learning" not in locator.model_dump_json()


@pytest.mark.parametrize(
    ("quote", "value", "key", "reason"),
    [
        ("learning rate of 5e-4", 5e-4, "optimizer.lr", "does not stand in the paper"),
        ("The batch size is 1,024", 1024, "optimizer.lr", "does not speak of lr"),
        ("The batch size is 1,024", 2048, "trainer.batch_size", "does not hold the value 2048"),
        ("1,024", 1024, "trainer.batch_size", "holds no word"),
        ("x" * 2000, 1, "", "2000 characters"),
        ("", 1, "", "holds no word"),
        ("ing rate of 3·10^{-4}", 3e-4, "", "does not stand in the paper"),
    ],
)
def test_what_is_not_grounded_says_why(quote, value, key, reason):
    found = ground.ground_value(DOC, quote, value, key)
    assert isinstance(found, Ungrounded)
    assert reason in found.reason


def test_cells_come_from_the_grid():
    locator, printed = ground.ground_cell(DOC, "tab:main", 1, 1, n=3, spread="std")
    assert (printed.mean, printed.std, printed.n, printed.bound, printed.decimals, printed.spread) == (
        94,
        2,
        3,
        None,
        0,
        "std",
    )
    assert (locator.table, locator.row, locator.column) == ("tab:main", 1, 1)
    _, bound = ground.ground_cell(DOC, "table-1", 2, 1)
    assert (bound.mean, bound.bound) == (99, ">")
    _, thousands = ground.ground_cell(DOC, "1", 2, 2)
    assert (thousands.mean, thousands.decimals) == (15200, 0)


@pytest.mark.parametrize(
    ("name", "row", "column", "reason"),
    [
        ("tab:other", 0, 0, "no table 'tab:other'"),
        ("tab:main", 9, 0, "no cell at row 9"),
        ("tab:main", 0, 0, "no number"),
        ("tab:main", 3, 1, "blank"),
        ("tab:main", 3, 2, "2 numbers"),
    ],
)
def test_a_cell_that_is_no_result(name, row, column, reason):
    found = ground.ground_cell(DOC, name, row, column)
    assert isinstance(found, Ungrounded)
    assert reason in found.reason


def test_a_label_of_two_grids_is_ambiguous_and_their_ids_are_not():
    two = document(tables=(table(), table(id="table-2")))
    assert "names 2 grids" in ground.ground_cell(two, "tab:main", 1, 1).reason
    locator, _ = ground.ground_cell(two, "table-2", 1, 1)
    assert locator.table == "table-2"


def test_a_setting_from_a_table_needs_its_value_there():
    assert ground.ground_table_value(DOC, "tab:main", 1, 2, 5210, "model.parameters").column == 2
    assert "5211" in ground.ground_table_value(DOC, "tab:main", 1, 2, 5211).reason
    assert "lr" in ground.ground_table_value(DOC, "tab:main", 1, 2, 5210, "optimizer.lr").reason


def test_a_headers_power_of_ten_belongs_to_its_numbers():
    grid = [["Model", "params ×10^{6}", "Tokens (K)"], ["base", "65", "1.5"]]
    doc = document(tables=(table(grid),))
    assert ground.ground_table_value(doc, "tab:main", 1, 1, 65_000_000, "model.parameters").column == 1
    assert ground.ground_table_value(doc, "tab:main", 1, 2, 1500).column == 2
    assert "650" in ground.ground_table_value(doc, "tab:main", 1, 1, 650).reason


def spec_for(doc):
    lr = ground.ground_value(doc, "a learning rate of 3·10^{-4}", 3e-4, "optimizer.lr")
    cell, printed = ground.ground_cell(doc, "tab:main", 1, 1)
    caption = ground.ground_quote(doc, "Our model is best")
    return PaperSpec.model_validate(
        {
            "schema_version": 1,
            "paper": {"id": "x", "slug": "x", "title": "x"},
            "datasets": [{"id": "d", "description": "d"}],
            "variants": [{"id": "cnn", "name": "CNN", "description": "c"}],
            "settings": [{"key": "optimizer.lr", "value": 3e-4, "source": "paper", "locator": lr.model_dump()}],
            "tables": [
                {
                    "id": "t", "label": "tab:main", "description": "d", "metric": "accuracy", "unit": "percent",
                    "better": "higher", "rows": ["CNN"], "columns": ["Acc"], "locator": caption.model_dump(),
                    "cells": [{"row": "CNN", "column": "Acc", "variant": "cnn", "data": "d", "metric": "accuracy",
                               "printed": printed.model_dump(), "locator": cell.model_dump(), "testable": True}],
                }
            ],
            "claims": [],
            "scale": {"published": "small"},
        }
    )  # fmt: skip


def test_reground_passes_on_the_same_document_and_finds_each_change():
    spec = spec_for(DOC)
    assert ground.reground(spec, DOC) == []

    moved = ground.reground(spec, document("A new first line.\n" + TEXT))
    assert {b.path for b in moved} == {"settings[0].locator", "tables[0].locator"}

    changed = ground.reground(spec, document(TEXT.replace("3·10^{-4}", "5·10^{-4}")))
    assert [b.path for b in changed] == ["settings[0].locator"]

    other = [list(row) for row in GRID]
    other[1][1] = "95 ± 2"
    assert [b.path for b in ground.reground(spec, document(tables=(table(other),)))] == ["tables[0].cells[0].locator"]

    cut = ground.reground(spec, document(TEXT[:150]))
    assert "text at 150" in " ".join(b.reason for b in cut)


def test_reground_finds_values_that_were_changed_in_the_spec_alone():
    spec = spec_for(DOC)
    setting = spec.settings[0].model_copy(update={"value": 1e-3})
    [broken] = ground.reground(spec.model_copy(update={"settings": [setting]}), DOC)
    assert (broken.path, "0.001" in broken.reason) == ("settings[0]", True)

    cell = spec.tables[0].cells[0]
    lie = cell.model_copy(update={"printed": cell.printed.model_copy(update={"mean": 96.0})})
    lying = spec.model_copy(update={"tables": [spec.tables[0].model_copy(update={"cells": [lie]})]})
    assert [b.path for b in ground.reground(lying, DOC)] == ["tables[0].cells[0].printed"]
