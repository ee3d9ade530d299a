"""Every cache's key holds the code that made what is cached: an edit makes data, audits and cells anew, and no more."""

import json
import os

import pytest

from mlintern.engine.source import source_hash
from mlintern.packs.pack import Pack
from mlintern.plan.cell_plan import CellPlan
from mlintern.study.run.gate import audit_key
from tests import configs
from tests.study import tiny

CELL = [tiny.PAPER, "model=net", "data=blobs", "seed=0"]


def edit(folder, old, new):
    path = folder / "papers" / tiny.SLUG / "modules.py"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def prepared(folder):
    return {path.parent.name: json.loads(path.read_text())["parts"] for path in folder.glob("data/*/*/dataset.json")}


def test_after_an_edit_data_and_audit_and_cell_are_made_anew(tmp_path):
    folder = tiny.project(tmp_path)
    assert "Preparing" in tiny.run(folder, *CELL)
    (first,) = tiny.records(folder).values()
    (old,) = prepared(folder).items()

    edit(folder, "+ 0.7 * y[:, None]", "+ 3.0 * y[:, None]")
    out = tiny.run(folder, *CELL)
    assert "Preparing" in out
    assert "Auditing" in out
    second = next(run for name, run in tiny.records(folder).items() if name != first["cell_id"])
    assert second["metrics"]["test"]["accuracy"] > first["metrics"]["test"]["accuracy"]
    assert second["prepared"] != first["prepared"]
    (new,) = (item for item in prepared(folder).items() if item != old)
    assert new[1] == second["prepared"]

    # code changed, content not: made anew, with equal fingerprints; the cell's id holds all of the code
    edit(folder, '"""Two noisy classes in eight dimensions."""', '"""Two classes."""')
    assert "Preparing" in tiny.run(folder, *CELL)
    third = next(run for run in tiny.records(folder).values() if run["code_sha256"] not in _codes(first, second))
    assert third["prepared"] == second["prepared"]
    assert third["weights_sha256"] == second["weights_sha256"]

    # and with the first code again, all of the first is there
    edit(folder, '"""Two classes."""', '"""Two noisy classes in eight dimensions."""')
    edit(folder, "+ 3.0 * y[:, None]", "+ 0.7 * y[:, None]")
    out = tiny.run(folder, *CELL)
    assert "finished already" in out
    assert "Preparing" not in out
    assert "Auditing" not in out


def _codes(*runs):
    return {run["code_sha256"] for run in runs}


def test_an_audit_is_made_anew_when_the_code_that_preprocesses_changes(tmp_path):
    """Of the same raw data and configuration: what the audit looks at is what this code makes of them."""
    folder = tmp_path / "papers" / tiny.SLUG
    (folder / "conf/paper").mkdir(parents=True)
    (folder / f"conf/paper/{tiny.SLUG}.yaml").write_text("a: 1\n")
    (folder / "spec.yaml").write_text("a: 1\n")
    (folder / "modules.py").write_text("class Centre: mean = float(features.mean())\n")

    def key(preprocess):
        config = configs.config(data={"preprocess": preprocess})
        cell = CellPlan("net", {"data": "blobs", "protocol": "clean"}, 0, config, ())
        return audit_key(cell, {"train": "0" * 64}, Pack(tiny.SLUG, folder.parent))

    own, ours = {"_target_": f"papers.{tiny.SLUG}.modules.Centre"}, {"_target_": "mlintern.data.preprocess.Standardize"}
    before = key(own), key(ours)
    (folder / "modules.py").write_text("class Centre: mean = float(np.random.rand())\n")
    assert key(own) != before[0]
    assert key(ours) == before[1]


@pytest.mark.slow
def test_a_cell_of_other_engine_code_is_trained_again_unless_both_are_certified(tmp_path):
    folder = tiny.project(tmp_path)
    argv = [tiny.PAPER, "study.seeds=[0]", "study.design=none"]
    certified = folder / "mlintern/engine/certified.json"
    certified.unlink(missing_ok=True)
    tiny.run(folder, *argv)
    before = {name: (run["weights_sha256"], run["started"]) for name, run in tiny.records(folder).items()}
    first = source_hash(next(iter(tiny.records(folder).values()))["engine"]["files"])

    with (folder / "mlintern/engine/feed.py").open("a") as file:  # other code of the same bits
        file.write("# a remark\n")
    said = tiny.run(folder, "report", tiny.SLUG, *argv[1:])
    assert f"2 of 2 cells are of code {first[:12]} of the engine (version 1), not certified to make the bits" in said
    status = tiny.run(folder, "status", tiny.SLUG)
    assert "2 cells planned: 2 finished" in status
    again = tiny.run(folder, *argv)
    assert f"was made by code {first[:12]} of the engine (version 1), which is not certified" in again
    assert "Preparing 1 dataset" in again
    after = {name: (run["weights_sha256"], run["started"]) for name, run in tiny.records(folder).items()}
    assert {name: weights for name, (weights, _) in after.items()} == {n: w for n, (w, _) in before.items()}
    assert all(after[name][1] != started for name, (_, started) in before.items())
    second = source_hash(next(iter(tiny.records(folder).values()))["engine"]["files"])

    certified.write_text(json.dumps({"1": [first, second]}))
    with (folder / "mlintern/engine/feed.py").open("rb+") as file:  # the first code again
        file.seek(-len("# a remark\n"), os.SEEK_END)
        file.truncate()
    kept = tiny.run(folder, *argv)
    assert "All 2 cells are finished already" in kept
    assert "Preparing" not in kept
    assert "was made by" not in kept
