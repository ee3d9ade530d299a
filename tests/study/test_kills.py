"""A few of the kills of `benchmarks/kill_sweeps.py`, which does fifty."""

import importlib.util

import pytest

from benchmarks import kill_sweeps

pytestmark = [pytest.mark.extended, pytest.mark.timeout(1500)]


@pytest.mark.parametrize("launcher", ["basic", "joblib", "ray"])
def test_killed_sweeps_end_as_undisturbed_ones(launcher, capsys):
    if launcher == "ray" and importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed: make launchers")
    assert kill_sweeps.run(kills=1, per_sweep=1, launchers=[launcher], seed=7) == 0, capsys.readouterr().out
