"""Test is blind: who looks for its targets finds none, who lies is wrong or refused, and looks are counted."""

import json
import time

import pytest

from mlintern.core.records import record
from mlintern.study.run.life import SEALED_FILE
from tests.end_to_end.runs import kill
from tests.study import liars, own_parts, seekers, tiny

REFUSED = {
    "short": "in the middle of the rows of test",
    "long": "more rows than the 120 of test",
    "odd": "a frame of type",
    "wide": "are not a number for each number",
    "raw": "a frame of 1000000 MiB",
    "more": "more rows than the 12 of valid",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return seekers.project(tmp_path_factory.mktemp("blind") / "project")


@pytest.fixture(scope="module")
def lies(tmp_path_factory):
    """A project of liars, what all of them said, and their records by variant."""
    folder = liars.project(tmp_path_factory.mktemp("lies") / "project")
    models = ",".join(name for name in liars.MODELS if name != "slow")
    out = tiny.run(folder, "-m", *seekers.ARGUMENTS, f"model={models}", "study.retries=0", code=1)
    return folder, out.replace("\n", " "), {run["variant"]: run for run in tiny.records(folder).values()}


@pytest.mark.parametrize("model", ["seeker", pytest.param("patcher", marks=pytest.mark.slow)])
def test_a_pack_that_looks_for_the_targets_finds_none(folder, model):
    out = tiny.run(folder, *seekers.ARGUMENTS, f"model={model}")
    assert "FOUND" not in out
    (run,) = [r for r in tiny.records(folder).values() if r["variant"] == model]
    assert run["status"] == "finished" and run["blind"] == {"test": True, "why": ""}
    assert run["test_readings"] == 1 and run["told"]["differs"] == []


@pytest.mark.slow
def test_the_ways_to_look_work(folder):
    out = tiny.run(folder, *seekers.ARGUMENTS, "model=finds_train", code=2).replace("\n", "")
    for way in ("gc array", "gc tensor", "frame", "file"):
        assert way in out, out


@pytest.mark.slow
def test_who_boasts_is_contradicted(lies):
    _, out, runs = lies
    boaster, honest = runs["boaster"], runs["honest"]
    assert "its training told valid squared_error 0.0, but its weights score" in out
    assert {(item["part"], item["told"]) for item in boaster["told"]["differs"]} >= {("valid", 0.0), ("train", 0.0)}
    assert honest["told"]["differs"] == []
    assert boaster["metrics"]["test"]["squared_error"] > 1  # and what counts is the host's


@pytest.mark.slow
def test_who_forges_changes_nothing(lies):
    folder, _, runs = lies
    same = ("metrics", "test_readings", "evaluations", "selection", "status")
    assert [runs["forger"][name] for name in same] == [runs["honest"][name] for name in same]
    assert not [
        path for path in (folder / "runs" / tiny.SLUG).rglob("*") if path.is_file() and b"FORGED" in path.read_bytes()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("model", REFUSED)
def test_outputs_that_are_off_are_refused_in_one_line(lies, model):
    folder, out, runs = lies
    assert model not in runs and "Traceback" not in out
    notes = [json.loads(path.read_text())["message"] for path in (folder / "runs").glob("*/*/failed.json")]
    assert any(text in note for note in notes for text in REFUSED[model].split("|")), notes
    assert not any("\n" in note for note in notes)


@pytest.mark.slow
def test_outputs_that_are_no_numbers_are_only_wrong(lies):
    _, _, runs = lies
    assert runs["nothing"]["status"] == "diverged" and runs["nothing"]["metrics"]["test"] == {}
    assert runs["nothing"]["told"]["differs"]


@pytest.mark.slow
def test_a_cell_that_was_sealed_is_scored_without_training_again(lies):
    folder, _, _ = lies
    argv = [*seekers.ARGUMENTS, "model=slow"]
    process = tiny.start(folder, *argv)
    deadline = time.monotonic() + 120
    while not (found := list((folder / "runs").glob(f"*/*/{SEALED_FILE}"))):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    kill(process)
    cell = found[0].parent
    assert not (cell / record.RUN_FILE).exists()
    before = {name: (cell / name).stat().st_mtime_ns for name in (record.STEPS_FILE, record.WEIGHTS_FILE)}
    tiny.run(folder, *argv)
    assert {name: (cell / name).stat().st_mtime_ns for name in before} == before
    assert {path.name for path in cell.iterdir()} == {
        ".lock", "run.json", "steps.parquet", "predictions.parquet", "weights.safetensors", "inside.parquet",
        "test_readings.jsonl",
    }  # fmt: skip
    runs = {run["variant"]: run for run in tiny.records(folder).values()}
    same = ("metrics", "evaluations", "selection", "test_readings")
    assert [runs["slow"][name] for name in same] == [runs["honest"][name] for name in same]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A project whose pack writes everything itself, and its records by what each was run with."""
    folder = tiny.project(tmp_path_factory.mktemp("own"), code=own_parts.CODE)
    for name, text in own_parts.OPTIONS.items():
        path = folder / "papers" / tiny.SLUG / "conf" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    peeking = ("protocol=peeking", "audit.acknowledge=[selection_on_test]")
    choosing = (*peeking, "metrics=right", "protocol.metric=right")
    asked = {
        "plain": (), "loss": ("loss=own",), "metric": ("metrics=right", "protocol.metric=right"),
        "data": ("data=seen",), "peeking": peeking, "choosing": choosing,
    }  # fmt: skip
    found: dict[str, dict] = {}
    for name, overrides in asked.items():
        tiny.run(folder, tiny.PAPER, "model=net", "seed=0", *overrides)
        (key,) = [key for key in tiny.records(folder) if key not in {run["cell_id"] for run in found.values()}]
        found[name] = tiny.records(folder)[key]
    return found


@pytest.mark.slow
def test_what_only_the_packs_code_can_say_is_marked(own):
    plain, loss, metric = own["plain"], own["loss"], own["metric"]
    assert plain["told"]["metrics"] == [] and plain["blind"]["why"] == "the pack's own code makes the test part"
    assert loss["told"]["metrics"] == ["loss"] and metric["told"]["metrics"] == ["right"]
    assert metric["loss_chain_sha256"] == plain["loss_chain_sha256"] and metric["told"]["differs"] == []
    for part in ("train", "valid", "test"):
        assert metric["metrics"][part]["right"] == plain["metrics"][part]["accuracy"]
        assert metric["metrics"][part]["loss"] == plain["metrics"][part]["loss"]
        assert 0 < loss["metrics"][part]["loss"] < 2


@pytest.mark.slow
def test_views_and_preprocessing_of_the_packs_own(own):
    assert own["data"]["status"] == "finished" and own["data"]["metrics"]["test"]["accuracy"] > 0.6
    assert own["data"]["metrics"] != own["plain"]["metrics"] and own["data"]["told"]["differs"] == []


@pytest.mark.slow
def test_a_protocol_that_chooses_on_test_has_its_looks_counted(own):
    for name, metric in (("peeking", "accuracy"), ("choosing", "right")):
        run = own[name]
        looks = [row for row in run["evaluations"] if row["split"] == "test"]
        assert run["test_readings"] == 2 and [row["step"] for row in looks] == [20, 40]
        (chosen,) = [row for row in looks if row["step"] == run["selection"]["step"]]
        assert chosen[metric] == run["selection"]["value"] == run["metrics"]["test"][metric]
    assert own["peeking"]["weights_sha256"] == own["choosing"]["weights_sha256"]
    assert "its own metric reads" not in own["peeking"]["blind"]["why"]
    assert "the pack's own metric reads the test part while it trains" in own["choosing"]["blind"]["why"]
