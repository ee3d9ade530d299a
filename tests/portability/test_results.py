"""Comparing two studies: what counts, and what is said of it."""

import json

import pytest

from mlintern.core.errors import UserError
from portability.results import compare, numbers, outputs

LOCK = """
stages:
  study@x:
    cmd: python -m pipelines.study x
    outs:
    - {path: runs/x/study.json, md5: aa}
    - {path: runs/x/study.cost.json, md5: dd}
  report@x:
    outs:
    - {path: reports/x/report.html, md5: bb}
    - {path: reports/x/metrics.json, md5: cc}
"""


def test_outputs_are_those_whose_bytes_are_a_promise(tmp_path):
    (tmp_path / "dvc.lock").write_text(LOCK)
    assert outputs(tmp_path / "dvc.lock") == {
        "runs/x/study.json": "aa",
        "reports/x/report.html": "bb",
        "reports/x/metrics.json": "cc",
    }
    with pytest.raises(UserError, match=r"other\.lock: missing"):
        outputs(tmp_path / "other.lock")


def test_every_hash_and_metric_of_a_cell_counts(tmp_path):
    cell = {
        "variant": "mlp",
        "levels": {"data": "d"},
        "seed": 1,
        "weights_sha256": "w",
        "loss_chain_sha256": "l",
        "metrics": {"test": {"accuracy": 0.5}},
        "selection": {"step": 4},
    }
    path = tmp_path / "study.json"
    path.write_text(json.dumps({"cells": [cell]}))
    found = numbers(path)
    assert found == {
        "mlp d seed 1, weights_sha256": "w",
        "mlp d seed 1, loss_chain_sha256": "l",
        "mlp d seed 1, test accuracy": 0.5,
        "mlp d seed 1, chosen step": 4,
    }


def test_a_comparison_names_what_differs_and_what_only_one_side_has():
    same = compare("cells", {"a": 1, "b": 2}, {"a": 1, "b": 2})
    assert same.line() == "cells: 2 of 2 equal"
    assert same.different == []
    other = compare("cells", {"a": 1, "b": 2, "c": None}, {"a": 1, "b": 3})
    assert other.line() == "cells: 1 of 3 equal: different are b; c"
