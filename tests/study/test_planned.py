"""What a worker says of a cell's cost is a measurement, or nothing."""

import math

import pytest

from mlintern.study.run.planned import Cost

GOOD = {"train_s": 1.5, "evaluate_s": 0.25, "peak_memory_bytes": 1000}


def test_a_measurement_is_taken():
    assert Cost.told(GOOD) == Cost(1.75, 1000)


BAD = [
    {},
    {**GOOD, "train_s": "1"},
    {**GOOD, "train_s": -1.0},
    {**GOOD, "train_s": 1e300},
    {**GOOD, "evaluate_s": math.nan},
    {**GOOD, "evaluate_s": [1]},
    {**GOOD, "peak_memory_bytes": 1 << 80},
    {**GOOD, "peak_memory_bytes": True},
]


@pytest.mark.parametrize("said", BAD)
def test_anything_else_is_not_known(said):
    assert not Cost.told(said).known
