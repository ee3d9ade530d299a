"""A kind of claim is one file: everything else takes it from the room of kinds."""

import json
import re
from pathlib import Path

import pytest

import mlintern
from mlintern.author.asking.prompting import prompt
from mlintern.claims import kinds
from mlintern.claims.forms import BaseClaim
from mlintern.claims.parsing import parse_claim
from mlintern.core.errors import UserError

PACKAGE = Path(mlintern.__file__).parent
TABLES = {"mlintern/study/account/claim_rows.py": {"EqualsPrinted"}}
"""The cells of the paper's tables are claims of this kind, made by the account."""


def kind_of(claim: type[BaseClaim]) -> str:
    return claim.model_fields["kind"].default


@pytest.mark.parametrize("claim", kinds.KINDS, ids=kind_of)
def test_the_prompt_shows_each_kind_as_it_is_read(claim):
    shown = {"metric": "accuracy", **json.loads(claim.prompt)}
    typed = parse_claim({"id": "c", "check": shown})
    assert type(typed) is claim
    assert list(typed.selectors)[-1] == "where"
    assert typed.describe().startswith("test accuracy")
    assert claim.prompt in prompt("extract")


def test_every_file_of_the_room_is_a_kind():
    files = {path.stem for path in Path(kinds.__file__).parent.glob("*.py")} - {"__init__"}
    assert {kind_of(claim) for claim in kinds.KINDS} == files


def test_a_prompt_has_no_place_left_open():
    assert "<<" not in prompt("extract")


def test_no_other_file_names_a_kind():
    names = [claim.__name__ for claim in kinds.KINDS]
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if path.parent != Path(kinds.__file__).parent and (
            named := set(re.findall(rf"\b(?:{'|'.join(names)})\b", path.read_text()))
        ):
            found[path.relative_to(PACKAGE.parent).as_posix()] = named
    assert found == TABLES


def test_an_unknown_kind_is_told_those_that_there_are_in_their_order():
    with pytest.raises(UserError, match="'greater', 'equivalent', .*'monotone', 'not_testable'"):
        parse_claim({"id": "c", "kind": "best"})


def test_a_claim_names_its_runs_by_field_and_as_whole_selectors():
    typed = parse_claim(
        {"id": "c", "kind": "greater", "metric": "m", "where": {"data": "d"}, "a": {"variant": "x"}, "b": {}}
    )
    assert typed.selectors == {"a": {"variant": "x"}, "b": {}, "where": {"data": "d"}}
    assert typed.sides == [{"data": "d", "variant": "x"}, {"data": "d"}]


@pytest.mark.parametrize(
    ("check", "unit"),
    [
        ({"kind": "greater", "b": {}}, "points"),
        ({"kind": "at_least", "value": 1}, "percent"),
        ({"kind": "monotone", "factor": "f"}, "points"),
        ({"kind": "peak_near", "factor": "f", "value": 1, "within": 1}, None),
    ],
)
def test_the_unit_of_an_effect(check, unit):
    shared = {"id": "c", "metric": "m", "a": {}, **check}
    assert parse_claim({**shared, "unit": "percent"}).unit_of_effect == unit
    assert parse_claim(shared).unit_of_effect == (unit and "none")
    assert parse_claim({"id": "c", "kind": "not_testable", "reason": "r"}).unit_of_effect is None
