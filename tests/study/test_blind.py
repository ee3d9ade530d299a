"""Test is blind: who looks for its targets finds none, who lies is wrong or refused, and looks are counted."""

import pytest

from tests.study import seekers, tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return seekers.project(tmp_path_factory.mktemp("blind") / "project")


@pytest.mark.parametrize("model", ["seeker", "patcher"])
def test_a_pack_that_looks_for_the_targets_finds_none(folder, model):
    out = tiny.run(folder, *seekers.ARGUMENTS, f"model={model}")
    assert "FOUND" not in out
    (run,) = [r for r in tiny.records(folder).values() if r["variant"] == model]
    assert run["status"] == "finished" and run["blind"] == {"test": True, "why": ""}


def test_the_ways_to_look_work(folder):
    out = tiny.run(folder, *seekers.ARGUMENTS, "model=finds_train", code=2).replace("\n", "")
    for way in ("gc array", "gc tensor", "frame", "file"):
        assert way in out, out
