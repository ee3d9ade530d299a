"""The small pieces of the views: how numbers are written, axes are laid out and commands are spelled."""

import math
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlintern.report import commands, numbers
from mlintern.report.page import plots


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (93.25, "percent", "93.2"),
        (-0.04, "points", "0.0"),
        (0.00012345, "nats", "0.000123"),
        (12345.0, "count", "12,345"),
        (-12345.0, "count", "−12,345"),
        (None, "percent", "–"),
        (math.nan, "percent", "–"),
    ],
)
def test_numbers_are_written_for_people(number: float | None, unit: str, text: str) -> None:
    assert numbers.value(number, unit) == text


def test_signs_intervals_and_p() -> None:
    assert numbers.value(3.14, "points", sign=True, suffix=True) == "+3.1 points"
    assert numbers.interval(-1.0, 2.0, "points", sign=True) == "[−1.0, +2.0]"
    assert numbers.interval(None, 2.0, "points") == "no interval"
    assert [numbers.p_value(p) for p in (0.0, 0.0312, 0.5, None)] == ["<0.001", "0.031", "0.50", "–"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (59.7, "1 min 00 s"), (552, "9 min 12 s"), (7500, "2 h 05 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert numbers.measured(seconds) == text


def test_control_characters_are_dropped() -> None:
    assert numbers.plain("a\x1b[31m b\n\u202ec") == "a[31m b c"


finite = st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9)


@given(st.lists(finite, min_size=1, max_size=9))
def test_an_axis_holds_its_values_between_few_round_ticks(values: list[float]) -> None:
    found = plots.axis(values)
    slack = 1e-6 * (found.high - found.low)
    assert found.low - slack <= min(values)
    assert max(values) <= found.high + slack
    assert 2 <= len(found.ticks) <= 9
    assert all(0 <= found.at(value) <= 100 for value in values)


def test_an_axis_is_linear() -> None:
    found = plots.axis([0, 10])
    assert [found.at(v) for v in (0, 5, 10)] == [0, 50, 100]


def test_the_command_names_the_cell_and_what_else_made_it() -> None:
    command = commands.reproduce(
        "1412.6980",
        "cnn",
        {"data": "mnist1d", "protocol": "as_published", "ablation": "no_norm"},
        0,
        [
            "paper=1412.6980",
            "model=cnn",
            "seed=0",
            "trainer.max_steps=5",
            "logger=wandb",
            "run.dir=/x",
            "optimizer=sgd",
        ],
        ["selection_on_test"],
    )
    assert shlex.split(command) == [
        "python",
        "-m",
        "mlintern",
        "paper=1412.6980",
        "model=cnn",
        "data=mnist1d",
        "protocol=as_published",
        "ablation=no_norm",
        "seed=0",
        "audit.acknowledge=[selection_on_test]",
        "trainer.max_steps=5",
        "optimizer=sgd",
    ]


def test_an_override_with_shell_characters_is_quoted() -> None:
    command = commands.reproduce("x", "m", {}, 1, ["data.name=a b;rm $HOME"], [])
    assert shlex.split(command)[-1] == "data.name=a b;rm $HOME"
