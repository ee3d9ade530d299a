"""A kept cell comes back as it was written, and never from behind a link."""

import pytest

from mlintern.core import files
from mlintern.core.errors import Damaged
from mlintern.core.records import record
from mlintern.engine import assemble
from mlintern.study.folders import kept
from tests import records

CELL = "00aa00aa00aa00aa"


@pytest.fixture
def runs(tmp_path):
    """A study's folder with one cell kept, and none where cells are trained."""
    place = tmp_path / "study" / CELL
    place.mkdir(parents=True)
    for name in record.NEEDED:
        (place / name).write_bytes(name.encode())
    run = record.seal(records.whole(CELL, engine=assemble.engine_now()), place)
    files.write_json(place / record.RUN_FILE, run)
    return tmp_path


def test_a_kept_cell_comes_back_with_its_files(runs):
    kept.restore(runs, CELL)
    assert record.read_own_run(runs / CELL)["cell_id"] == CELL
    assert {name: (runs / CELL / name).read_bytes() for name in record.NEEDED} == {
        name: name.encode() for name in record.NEEDED
    }


@pytest.mark.parametrize("name", [record.RUN_FILE, record.STEPS_FILE])
@pytest.mark.parametrize("there", [True, False])
def test_what_lies_behind_a_link_does_not(runs, tmp_path, name, there):
    path = runs / "study" / CELL / name
    if there:
        path.rename(tmp_path / "elsewhere")
    else:
        path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Damaged, match=rf"{name}: a link, not a file"):
        kept.restore(runs, CELL)
    assert not (runs / CELL / record.RUN_FILE).exists()


def test_a_cell_that_is_a_link_is_no_reason_to_bring_another_back(runs):
    (runs / CELL).mkdir()
    (runs / CELL / record.RUN_FILE).symlink_to("nowhere")
    kept.restore(runs, CELL)
    assert list((runs / CELL).iterdir()) == [runs / CELL / record.RUN_FILE]
    assert kept.place_of(runs, CELL) == runs / CELL
