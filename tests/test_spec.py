"""The spec's schema: what it accepts, and the one line it gives for everything else."""

import copy
import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlintern.core import strict_yaml
from mlintern.core.errors import UserError
from mlintern.spec.paper_spec import PaperSpec, load_spec
from mlintern.spec.sourced import AssumedSetting

HASH = "0" * 64
GOOD = {
    "schema_version": 1,
    "paper": {"id": "1412.6980", "slug": "arxiv_1412_6980", "title": "Adam"},
    "datasets": [{"id": "mnist", "description": "Digits"}, {"id": "imdb", "description": "Reviews", "available": False,
                                                           "reason": "not redistributable"}],
    "variants": [{"id": "adam", "name": "Adam", "description": "The optimiser",
                  "parameters": {"value": 10, "source": "code", "locator": {"repository": "r", "file": "f"}}}],
    "settings": [
        {"key": "optimizer.lr", "value": 0.001, "source": "paper", "locator": {"span": [3, 9], "sha256": HASH}},
        {"key": "optimizer.eps", "value": 1e-8, "source": "code", "locator": {"repository": "r", "file": "f"}},
        {"key": "model.bias", "value": True, "source": "assumed", "locator": {"reason": "x", "probe_range": [False]}},
    ],
    "tables": [
        {
            "id": "t1", "label": "tab:1", "description": "d", "metric": "accuracy", "unit": "percent",
            "better": "higher", "rows": ["MNIST"], "columns": ["Adam"], "locator": {"span": [1, 2], "sha256": HASH},
            "cells": [{"row": "MNIST", "column": "Adam", "variant": "adam", "data": "mnist", "metric": "accuracy",
                       "printed": {"raw": "98 ± 1", "mean": 98, "std": 1.0, "n": 3},
                       "locator": {"table": "tab:1", "row": 1, "column": 1, "sha256": HASH}, "testable": True}],
        }
    ],
    "claims": [{"id": "c1", "statement": "s", "locator": {"span": [1, 2], "sha256": HASH}, "check": {"kind": "x"},
                "testable": True}],
    "scale": {"published": "one GPU"},
}  # fmt: skip


def write(tmp_path, spec):
    path = tmp_path / "spec.yaml"
    path.write_text(spec if isinstance(spec, str) else yaml.safe_dump(spec, sort_keys=False))
    return path


def changed(**changes):
    """GOOD with values replaced by dotted path; a value of `...` removes the key."""
    spec = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *parents, last = [int(p) if p.isdigit() else p for p in path.split("__")]
        target = spec
        for parent in parents:
            target = target[parent]
        if value is ...:
            del target[last]
        else:
            target[last] = value
    return spec


def test_a_good_spec_is_read(tmp_path):
    spec = load_spec(write(tmp_path, GOOD))
    assert spec.paper.id == "1412.6980"
    assert [s.source for s in spec.settings] == ["paper", "code", "assumed"]
    assert [s.key for s in spec.unsaid] == ["model.bias"]
    assert isinstance(spec.unsaid[0], AssumedSetting)
    assert spec.settings[1].value == 1e-8
    [(table, cell)] = spec.testable_cells()
    assert (table.id, cell.printed.mean) == ("t1", 98.0)
    assert {path for path, _ in spec.locators()} == {
        "settings[0].locator", "tables[0].locator", "tables[0].cells[0].locator", "claims[0].locator"}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (changed(paper__id=1412.698), r"paper\.id: 1412\.698 is a number .*quotes"),
        (changed(paper__doi="x"), r"paper\.doi: unknown key"),
        (changed(settings__0__sorce="paper"), r"settings\[0\]\.sorce: unknown key"),
        (changed(settings__0__source=...), r"settings\[0\].*: source is missing"),
        (changed(settings__0__source="blog"), r"settings\[0\].*: source must be paper, code or assumed"),
        (changed(settings__0__locator__sha256="abc"), r"settings\[0\]\.locator\.sha256: "),
        (changed(settings__0__locator__span=...), r"settings\[0\]\.locator: give a span, or table"),
        (changed(settings__0__locator__span=[9, 3]), r"settings\[0\]\.locator: span \[9, 3\]"),
        (changed(settings__0__locator={"reason": "x", "probe_range": [1]}), r"settings\[0\]\.locator\.sha256: missing"),
        (changed(settings__2__locator__probe_range=[]), r"settings\[2\]: locator\.probe_range is empty"),
        (changed(settings__0__key="a b"), r"settings\[0\]\.key: "),
        (changed(settings__1__key="optimizer.lr"), r"'optimizer\.lr \[\]' stands twice"),
        (changed(tables__0__cells__0__row="CIFAR"), r"tables\[0\]: cells\[0\]\.row 'CIFAR' is not one of rows"),
        (changed(tables__0__cells__0__variant="sgd"), r"variant 'sgd' is not one of \['adam'\]"),
        (changed(tables__0__cells__0__data="imdb"), r"testable, but data 'imdb' is not available"),
        (changed(tables__0__cells__0__testable=False), r"cells\[0\]: testable: false needs not_tested_reason"),
        (changed(tables__0__cells__0__printed__mean="98"), r"tables\[0\]\.cells\[0\]\.printed\.mean: "),
        (changed(tables__0__cells__0__locator__row=...), r"a table locator needs table, row and column"),
        (changed(claims__0__check=...), r"claims\[0\]: a testable claim needs a check"),
        (changed(claims__0__check={"left": 1}), r"claims\[0\]: check\.kind must name"),
        (changed(datasets__0__available=False), r"datasets\[0\]: available: false needs a reason"),
        (changed(schema_version=2), r"schema_version: "),
        (changed(scale=...), r"scale: missing"),
        ("[1, 2]", r"must be a mapping with the keys schema_version"),
        ("a: 1\na: 2\n", r":2: the key 'a' stands twice"),
        ("a: &x [1]\nb: *x\n", r":1: anchors and aliases are not allowed"),
        ("a: !!python/object/apply:os.system ['true']\n", r":1: the tag '.*os\.system' is not allowed"),
        ("a: [1\n", r"not valid YAML"),
        ("1412.6980: x\n", r":1: the key '1412\.6980' must be a string"),
    ],
)  # fmt: skip
def test_anything_off_is_one_line_naming_file_and_field(tmp_path, spec, line):
    path = write(tmp_path, spec)
    with pytest.raises(UserError, match=line) as caught:
        load_spec(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_line_of_the_field_is_named(tmp_path):
    text = yaml.safe_dump(changed(settings__1__value={"a": 1}), sort_keys=False)
    expected = next(i for i, row in enumerate(text.splitlines(), 1) if row.strip().startswith("value:\n".strip())
                    and "a: 1" in text.splitlines()[i])  # fmt: skip
    with pytest.raises(UserError, match=rf"spec\.yaml:{expected}: settings\[1\]\.value"):
        load_spec(write(tmp_path, text))


def test_a_missing_file_and_bytes_that_are_no_text(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_spec(tmp_path / "spec.yaml")
    (tmp_path / "spec.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        load_spec(tmp_path / "spec.yaml")


def test_numbers_are_read_as_yaml_1_2():
    text = "a: 1e-4\nb: no\nc: 1:30\nd: 010x\ne: '1412.6980'\nf: 1_000\ng: .5\nh: -3\ni: ~\nj: true\nk: 2020-01-01"
    value = strict_yaml.parse(text, "t").value
    expected = {"a": 1e-4, "b": "no", "c": "1:30", "d": "010x", "e": "1412.6980", "f": "1_000", "g": 0.5, "h": -3}
    assert value == {**expected, "i": None, "j": True, "k": "2020-01-01"}


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab é1", max_size=5)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner),
        max_leaves=20,
    )
)
def test_what_json_says_strict_yaml_reads_back(value):
    import json

    assert strict_yaml.parse(json.dumps(value), "t").value == value


def test_nesting_without_end_is_refused_not_a_crash():
    with pytest.raises(UserError, match="nested deeper than 50"):
        strict_yaml.parse("[" * 5000 + "]" * 5000, "t")


def test_schema_can_be_written_as_json_schema():
    assert re.search('"source"', str(PaperSpec.model_json_schema()).replace("'", '"'))
