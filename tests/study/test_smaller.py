"""Out of memory: halves of halves down to one example, and what the notes say."""

from mlintern.plan.cell_plan import CellPlan
from mlintern.study.run import memory_fallback
from tests import configs


def cell(shards=1, batch=4, eval_batch=10):
    config = configs.config(trainer={"shards": shards, "batch_size": batch, "eval_batch_size": eval_batch})
    return CellPlan("net", {"data": "d"}, 0, config, ("model=net", f"trainer.shards={shards}"))


def test_the_batch_stays_and_its_pieces_halve():
    first = memory_fallback.halved(cell())
    changed = {"shards": 2, "eval_batch_size": 5}
    assert first.config.plain() == configs.plain(trainer={"batch_size": 4, **changed})
    assert first.overrides == ("model=net", "trainer.eval_batch_size=5", "trainer.shards=2")
    second = memory_fallback.halved(first)
    assert (second.config.trainer.shards, second.config.trainer.eval_batch_size) == (4, 2)
    assert memory_fallback.halved(second) is None  # one example at a time did not fit


def test_the_note_brings_back_the_smaller_cell(tmp_path):
    asked = cell()
    less = memory_fallback.halved(asked)
    assert memory_fallback.noted(tmp_path) is None
    memory_fallback.note(tmp_path, asked, less, "abc", "no memory")
    noted = memory_fallback.noted(tmp_path)
    assert noted["before"] == {"shards": 1, "eval_batch_size": 10}
    assert memory_fallback.with_trainer(asked, noted["instead"]) == less
    assert "batch of 4 goes on in 2 pieces of at most 2" in memory_fallback.described(less)
