"""Numbers that an extraction passes over are found without a language model, and what it took up is not listed."""

from mlintern.author.forms import Extraction
from mlintern.author.grounding import coverage
from tests.author.documents import document
from tests.author.scripted import EXTRACTION, cell, setting

NOTHING = {**EXTRACTION, "settings": [], "tables": [], "claims": [], "variants": []}
TEXT = """Training

We use a learning rate of 0.1 for 30 epochs. See Table 3 and Section 2.1 of [12] from 2017 for the batches of others.
The batch size is 64. As said, the batch size is 64. There were 5 rainy days. The loss is O(n^{-3}) in steps.
"""


def gaps(text=TEXT, grids=(), **changes):
    return coverage.gaps(Extraction.model_validate({**NOTHING, **changes}), document(text, tables=grids))


def numbers(found):
    return [gap.text.rpartition("[numbers: ")[2].rstrip("]") for gap in found]


def test_sentences_that_speak_of_settings_are_listed_with_their_numbers():
    assert numbers(gaps()) == ["0.1, 30 epochs", "64", "64"]


def test_a_number_with_its_setting_is_not_listed():
    taken = [setting("optimizer.lr", "0.1", "a learning rate of 0.1 for 30 epochs"),
             setting("trainer.batch_size", "64", "The batch size is 64")]  # fmt: skip
    assert numbers(gaps(settings=taken)) == ["30 epochs"]


def test_a_wrong_value_does_not_cover_the_number_that_it_was_quoted_with():
    taken = [setting("optimizer.lr", "0.2", "a learning rate of 0.1 for 30 epochs")]
    assert numbers(gaps(settings=taken))[0] == "0.1, 30 epochs"


def test_a_claim_covers_what_it_quotes():
    claim = {**EXTRACTION["claims"][0], "quote": "a learning rate of 0.1 for 30 epochs"}
    assert numbers(gaps(claims=[claim])) == ["64", "64"]


def test_cells_are_listed_until_each_is_a_result_or_a_setting():
    tables = document().tables
    [gap] = gaps("Nothing here.", tables)
    assert gap.id == "table-1"
    assert "(1,1)=94 ± 2" in gap.text
    assert "(3,2)=12, 13" in gap.text
    taken = {**EXTRACTION["tables"][0], "cells": [cell(1, 1), cell(2, 1)]}
    [gap] = gaps("Nothing here.", tables, tables=[taken])
    assert "(1,1)" not in gap.text
    assert gap.where == "table-1: 3 cells that hold numbers"


def test_what_stays_open_is_named_by_its_place_only():
    assert gaps()[0].where == "characters 10-54: 2 numbers"
