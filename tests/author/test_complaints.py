"""What could not be composed or validated later is said while the model can still mend it."""

import copy

import pytest

from mlintern.author.forms import Extraction, Outline
from mlintern.author.grounding.complaints import complaints
from mlintern.paper.ids import PaperId
from tests.author.documents import document
from tests.author.scripted import EXTRACTION, OUTLINE, setting

PAPER = PaperId.parse("2001.00001v2")


def said(**changes):
    extraction = Extraction.model_validate({**copy.deepcopy(EXTRACTION), **changes})
    return complaints(extraction, Outline.model_validate(OUTLINE), document(), PAPER)


def pair(name, value):
    return {"name": name, "value": value}


def reduction(**changes):
    return {"key": "trainer.max_steps", "where": [], "published": "100000", "reduced": "100", "reason": "r", **changes}


STEPS = [*EXTRACTION["settings"], setting("trainer.max_steps", "100000", "We train for 100K steps")]


def test_a_good_extraction_has_none():
    assert said() == ""
    assert said(settings=STEPS, reductions=[reduction()]) == ""


def test_a_stand_in_for_data_is_no_setting():
    web = {"id": "web", "description": "scraped", "available": False, "reason": "not had"}
    datasets = [*EXTRACTION["datasets"], web]
    assert said(datasets=datasets, reductions=[reduction(key="data", published="web", reduced="toy")]) == ""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"settings": [setting("hardware.gpus", "8")]}, "the configuration has no 'hardware'"),
        ({"settings": [setting("trainer.epochs", "8")]}, "no trainer.epochs; trainer has accelerator"),
        ({"settings": [setting("optimizer.lr", "8", where=[pair("scale", "big")])]}, "names the coordinate 'scale'"),
        ({"settings": [setting("optimizer.lr", "8", where=[pair("variant", "vit")])]}, "variant 'vit' is not one of"),
        ({"settings": [setting("optimizer.lr", "8"), setting("optimizer.lr", "9")]}, "stands twice"),
        ({"reductions": [reduction()]}, "settings has no entry of this key"),
        ({"settings": STEPS, "reductions": [reduction(published="7")]}, "published 7, but its setting has 100000"),
        ({"settings": STEPS, "reductions": [reduction(where=[pair("variant", "cnn")])]}, "settings has no entry"),
        ({"reductions": [reduction(key="data", published="web", reduced="toy")]}, "'web' is not the id of a dataset"),
        ({"reductions": [reduction(key="data", published="toy", reduced="web")]}, "not the id of an available dataset"),
        ({"claims": [], "tables": []}, "no claim and no result is testable"),
        (
            {"ablations": [{"id": "f", "description": "d", "base": "a", "levels": [
                {"id": i, "overrides": [pair("run.dir", "x")], "quote": None, "table": None, "row": None,
                 "column": None} for i in "ab"]}]},
            "level a of f: the configuration has no 'run'",
        ),
    ],
)  # fmt: skip
def test_what_would_fail_later_is_said(changes, problem):
    assert problem in said(**changes)


def test_facts_of_other_experiments_have_free_keys_and_coordinates():
    free = setting("hardware.gpus", "8", where=[pair("scale", "big")], in_config=False)
    assert said(settings=[*EXTRACTION["settings"], free]) == ""
