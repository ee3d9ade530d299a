"""Every cache's key holds the code that made what is cached: an edit makes data, audits and cells anew, and no more."""

import json

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
