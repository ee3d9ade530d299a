"""A metric says which way is better; selection takes it from there, and protocol.mode can only agree."""

import pytest

from mlintern.core.errors import UserError
from mlintern.core.records.record import cell_id
from mlintern.data.protocol import EvaluationProtocol
from mlintern.engine import directions, metrics
from mlintern.engine.selection import better, choose
from tests.engine.cells import MSE, PACKS, compose, own, refusal, trained


def curve(record, metric):
    return {row["step"]: row[metric] for row in record["evaluations"] if row["split"] == "valid"}


def test_the_lowest_loss_is_chosen(tmp_path):
    record = trained(tmp_path, "protocol.metric=loss", "trainer.eval_every=2", "optimizer.lr=0.3")
    losses = curve(record, "loss")
    assert record["selection"]["step"] == min(losses, key=losses.get) != max(losses, key=losses.get)
    assert record["selection"]["mode"] == "min"


def test_the_lowest_error_is_chosen(tmp_path):
    record = trained(tmp_path, "data.source.kind=real", "+model.outputs=1", *MSE, "trainer.eval_every=2")
    errors = curve(record, "squared_error")
    assert record["selection"]["step"] == min(errors, key=errors.get) != max(errors, key=errors.get)
    assert directions.known(record["config"]) == {"loss": False, "squared_error": False}


@pytest.mark.parametrize(("name", "mode", "best"), [("Margin", "max", max), ("Unsaid", "max", max)])
def test_a_pack_s_metric_is_chosen_on_its_own_way(tmp_path, name, mode, best):
    said = own("metrics", name, f"protocol.metric={name.lower()}", "trainer.eval_every=2")
    assert compose(*said).protocol.mode == mode
    values = curve(record := trained(tmp_path, *said), name.lower())
    assert record["selection"]["step"] == best(values, key=values.get)


def test_a_pack_s_metric_without_a_direction_is_refused_where_it_is_chosen_on():
    said = own("metrics", "Nowhere", "protocol.metric=nowhere")
    assert "add `higher_is_better = True` (or False) to the class" in refusal(*said)
    assert "papers.numbers.modules.Nowhere" in refusal(*said, "protocol.mode=max")
    assert compose(*said, "protocol=last").protocol.mode is None


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["protocol.metric=loss", "protocol.mode=max"], "protocol.mode=max: lower is better for protocol.metric=loss"),
        (["protocol.mode=min"], "protocol.mode=min: higher is better for protocol.metric=accuracy"),
        (
            own("metrics", "Margin", "protocol.metric=margin", "protocol.mode=min"),
            "higher is better for protocol.metric=margin",
        ),
        (["protocol.mode=most"], "protocol.mode=most: choose max or min"),
    ],
)
def test_a_mode_can_only_agree(overrides, says):
    assert says in refusal(*overrides)


def test_ids_are_those_of_a_mode_that_was_written_out():
    said, unsaid = compose("protocol.mode=max"), compose()
    assert said.protocol == unsaid.protocol
    assert cell_id(said.plain(), 1, "", {}) == cell_id(unsaid.plain(), 1, "", {})


def test_the_engine_s_metrics_say_what_the_table_says():
    for target, higher in directions.ENGINE.items():
        assert getattr(metrics, target.rpartition(".")[2]).higher_is_better is higher
    made = {value for value in vars(metrics).values() if hasattr(value, "per_example")}
    assert {f"mlintern.engine.metrics.{kind.__name__}" for kind in made} == set(directions.ENGINE)


def test_sources_that_cannot_be_read_say_nothing(tmp_path):
    pack = tmp_path / "odd"
    pack.mkdir()
    (pack / "broken.py").write_text("class A:\n  higher_is_better = \n")
    (pack / "link.py").symlink_to(PACKS / "numbers" / "modules.py")
    (pack / "typed.py").write_text("class A:\n    higher_is_better: bool = False\nclass B(A):\n    pass\n")
    for target in ("papers.odd.broken.A", "papers.odd.link.Margin", "papers.odd.none.A", "torch.nn.Linear"):
        assert directions.of_target(target, tmp_path) is None
    assert directions.of_target("papers.odd.typed.B", tmp_path) is False


def test_nothing_is_chosen_where_nobody_said_which_way():
    protocol = EvaluationProtocol("p", ("train",), 0.1, "valid", "colour")
    with pytest.raises(UserError, match="nothing says whether higher is better"):
        choose([{"step": 1, "split": "valid", "colour": 2.0}], protocol)
    assert better(1.0, 2.0, "min") and not better(1.0, 2.0, "max")
