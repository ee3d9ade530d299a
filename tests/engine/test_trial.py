"""The trial: what does not fit is right or refused before the first step, in a line with both shapes and the key."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, mean_squared_error
from torch import nn

from mlintern.core.errors import UserError
from mlintern.core.records.record import PREDICTIONS_FILE
from mlintern.core.streams.seeding import generator
from mlintern.engine import trial
from mlintern.engine.metrics import Accuracy
from mlintern.engine.weights import weights_sha256
from tests.engine.cells import BCE, MSE, built, compose, own, refusal, splits_of, trained

MODEL = "model._target_=papers.numbers.modules"
METRIC = MSE[1:]


def of_test(folder, *overrides):
    """What a trained cell gives its test examples [n, ...], and its labels [n, ...], from its weights."""
    from safetensors.torch import load_file

    config = compose(*overrides)
    cell = built(*overrides)
    cell.module.model.load_state_dict(load_file(folder / "weights.safetensors"))
    with torch.no_grad():
        test = splits_of(config).test
        outputs = cell.module.model.eval()(torch.from_numpy(test.features))
    return outputs.numpy(), test.labels


@pytest.mark.parametrize("kind", ["yes_column", "class", "class_column", "class_float"])
@pytest.mark.parametrize("size", [7, 80])
def test_one_logit_is_scored_as_scikit_learn_does(tmp_path, kind, size):
    said = ("model.outputs=1", f"data.source.kind={kind}", *BCE, "protocol=last", f"trainer.eval_batch_size={size}")
    said = tuple(f"+{one}" if one.startswith("model.") else one for one in said)
    record = trained(tmp_path, *said)
    outputs, labels = of_test(tmp_path, *said)
    right = accuracy_score(labels.ravel(), outputs.ravel() > 0)
    assert record["metrics"]["test"]["accuracy"] == pytest.approx(right, abs=1e-12)
    kept = pd.read_parquet(tmp_path / PREDICTIONS_FILE)
    assert kept["accuracy"].mean() == pytest.approx(right)
    assert np.ndim(kept["prediction"][0]) == 0, "one number a row, not one for each row of the batch"
    loss = nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(outputs.ravel()), torch.tensor(labels.ravel()).float()
    )
    assert record["metrics"]["test"]["loss"] == pytest.approx(float(loss), rel=1e-5)


def test_probabilities_are_cut_at_one_half(tmp_path):
    cell = built("+model.outputs=1", *BCE)
    outputs, labels = torch.tensor([[0.2], [0.4], [0.6]]), torch.tensor([0, 0, 1])
    assert Accuracy().beside(nn.BCELoss()).per_example(outputs, labels).tolist() == [1, 1, 1]
    assert Accuracy().beside(cell.module.criterion).per_example(outputs, labels).tolist() == [0, 0, 1]
    assert Accuracy(threshold=0.3).beside(nn.BCELoss()).per_example(outputs, labels).tolist() == [1, 0, 1]


def test_one_number_against_one_number_is_no_square_of_them(tmp_path):
    """[n] labels beside [n, 1] outputs are [n, 1] labels: the same weights, the same loss, the right error."""
    cells = {}
    for kind in ("real", "real_column"):
        said = ("+model.outputs=1", f"data.source.kind={kind}", *MSE)
        (tmp_path / kind).mkdir()
        cells[kind] = trained(tmp_path / kind, *said)
        outputs, labels = of_test(tmp_path / kind, *said)
        measured = cells[kind]["metrics"]["test"]
        error = mean_squared_error(labels.ravel(), outputs.ravel())
        assert measured["squared_error"] == pytest.approx(error, rel=1e-6) == measured["loss"]
    assert cells["real"]["weights_sha256"] == cells["real_column"]["weights_sha256"]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["+model.outputs=1"], "CrossEntropyLoss over outputs [49, 1] beside labels [49] has one class"),
        (["+model.outputs=[]"], "CrossEntropyLoss over outputs [49] beside labels [49] has one class"),
        (
            ["data.source.kind=many"],
            "reads outputs as [n, classes, places...] and wants labels [48] for outputs [48, 2]",
        ),
        (["data.source.kind=many", "+model.outputs=3"], "as class probabilities, and those of train do not sum to 1"),
        (["data.source.kind=many", *BCE], "outputs [48, 2] and the labels [48, 3] are not a number for each number"),
        (
            ["data.source.kind=classes", "+data.source.classes=5"],
            "the model gives 2 outputs an example",
        ),
        (
            ["data.source.kind=from_one"],
            "2 outputs an example [49, 2], and labels of train [49] go up to 2; it needs 3",
        ),
        (["data.source.kind=signed"], "class indices of train go from -1 to 1"),
        (["data.source.kind=real"], "the labels of train [48] are numbers with fractions"),
        (["data.source.kind=gaps", "+model.outputs=1", *MSE], "labels of train are NaN or infinite"),
        (["data.source.kind=tokens", "+model.outputs=[5,3]"], "outputs.movedim(-1, 1)"),
        (["+model.outputs=1", "loss=mse", "data.source.kind=real"], "say yes or no beside labels [50] that are not 0"),
        (["loss=mse"], "outputs [49, 2] and the labels [49] are not a number for each number"),
        (["data.source.kind=reals", "+model.outputs=1", *MSE], "outputs [48, 1] and the labels [48, 2]"),
        (["+model.features=9"], "cannot be built"),
        (["+loss.reduction=none"], "loss.reduction=none: a step needs one number"),
        (["+loss.weight=[1.0,2.0,3.0]"], "loss.weight: 3 weights for outputs [49, 2]"),
        (
            ["loss._target_=torch.nn.CTCLoss", "~loss.label_smoothing"],
            "CTCLoss of outputs [50, 2] and labels [50] do not fit",
        ),
        (["model._target_=papers.numbers.modules.Pair"], "gives a tuple; forward must return one tensor"),
        (
            ["model._target_=papers.numbers.modules.Squeezed", "+model.outputs=1", *BCE, "trainer.eval_batch_size=79"],
            "gives outputs [] for inputs [1, 8]; the first axis must stay the batch",
        ),
        (
            ["+model.norm=batch", "trainer.batch_size=43", "trainer.max_steps=60"],
            "the last batch of an epoch has one example, over which a batch norm has no statistics",
        ),
        (["method=mixup", "method.alpha=0"], "method.alpha=0: must be a number above 0; for no mixing use"),
        (["loss.label_smoothing=1.5"], "loss.label_smoothing=1.5: must be a number"),
        (own("metrics", "Scalar", "protocol.metric=loss"), "metrics.scalar: per_example gave [] for outputs [50, 2]"),
        (
            own("metrics", "Endless", "protocol.metric=loss"),
            "metrics.endless: per_example gave values that are not finite",
        ),
        (["+metrics.again._target_=mlintern.engine.metrics.Accuracy"], "metrics: accuracy is taken"),
        (own("metrics", "Anonymous", "protocol.metric=loss"), "metrics.anonymous: Anonymous has no name; add"),
        (own("metrics", "Erases", "protocol.metric=loss"), "metrics.erases changes the outputs or labels that it is"),
        (own("loss", "Relabels"), "loss: Relabels changes the outputs or labels that it is given"),
        ([f"{MODEL}.Company"], "model: Company gives an example other outputs in another batch, in eval mode too"),
        ([f"{MODEL}.Centred"], "model: Centred gives an example other outputs in another batch"),
        (["+model.drop=1.0"], "model: body.3 (Dropout) drops everything in training (dropout 1); give less than 1"),
        (
            [*own("loss", "RootMSE"), "data.source.kind=real_column", "+model.outputs=1", *METRIC],
            "loss: RootMSE on outputs [48, 1] and labels [48, 1] is the same whichever label an example has",
        ),
        (
            ["loss._target_=torch.nn.NLLLoss", "~loss.label_smoothing"],
            "NLLLoss reads outputs [49, 2] as logarithms of class probabilities, and their probabilities sum to",
        ),
        (
            ["loss._target_=torch.nn.KLDivLoss", "~loss.label_smoothing", "data.source.kind=soft", *METRIC],
            "KLDivLoss reads outputs [48, 2] as logarithms of class probabilities",
        ),
        (
            [
                *("loss._target_=torch.nn.PoissonNLLLoss", "~loss.label_smoothing", "data.source.kind=real"),
                *("+model.outputs=1", *METRIC),
            ],
            "loss: PoissonNLLLoss reads labels as counts, and those of train go down to -",
        ),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_one_line(overrides, says):
    assert says in refusal(*overrides)


def test_a_short_batch_that_training_never_comes_to_is_no_reason():
    built("+model.norm=batch", "trainer.batch_size=43", "trainer.max_steps=5")


@pytest.mark.parametrize(
    "overrides",
    [
        own("loss", "Dice"),
        own("loss", "Contrast"),
        [f"{MODEL}.Still", *own("loss", "Dice")],
        ["+model.drop=0.9"],
        ["+model.norm=batch"],
    ],
)
def test_what_is_no_mistake_is_not_refused(overrides):
    built(*overrides)


@pytest.mark.parametrize("overrides", [[f"{MODEL}.Detached"], own("loss", "Number")])
def test_a_loss_that_teaches_nothing_is_refused(tmp_path, overrides):
    with pytest.raises(UserError, match="has a gradient|without a gradient") as refused:
        trained(tmp_path, *overrides)
    assert "\n" not in str(refused.value)


def test_a_model_that_changes_its_inputs_changes_no_data(tmp_path):
    found = {}
    for name in ("Greedy", "Polite"):
        (tmp_path / name).mkdir()
        found[name] = trained(tmp_path / name, f"{MODEL}.{name}", "trainer.eval_every=3")
    assert found["Greedy"]["evaluations"] == found["Polite"]["evaluations"]
    assert found["Greedy"]["weights_sha256"] == found["Polite"]["weights_sha256"]


@pytest.mark.parametrize("name", ["BatchF1", "Standardised", "Ranked"])
def test_a_metric_that_looks_at_its_batch_is_refused(name):
    said = refusal(*own("metrics", name, "protocol.metric=loss"))
    assert "gives an example another value in another batch" in said
    assert "trainer.eval_batch_size" in said


@pytest.mark.parametrize("name", ["Margin", "Nowhere"])
def test_a_sound_metric_of_a_pack_is_not_refused(tmp_path, name):
    said = own("metrics", name, "protocol.metric=loss")
    values = [
        trained(tmp_path, *said, f"trainer.eval_batch_size={size}")["metrics"]["test"][name.lower()] for size in (9, 80)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_class_probabilities_and_many_labels_are_what_they_are(tmp_path):
    outputs, labels = (
        torch.tensor([[2.0, -1.0, 3.0], [1.0, 1.0, -1.0]]),
        torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
    )
    from mlintern.engine.metrics import Accuracy

    assert Accuracy().beside(nn.BCEWithLogitsLoss()).per_example(outputs, labels).tolist() == [1, 0]
    assert Accuracy().beside(nn.CrossEntropyLoss()).per_example(outputs, labels / 2).tolist() == [0, 1]
    trained(tmp_path, "data.source.kind=soft")
    (tmp_path / "many").mkdir()
    trained(tmp_path / "many", "data.source.kind=many_int", "+model.outputs=3", *BCE)


def test_an_untried_cell_and_a_tried_one_train_alike(tmp_path, monkeypatch):
    """The trial leaves nothing in weights, buffers, a loss's own state or random streams."""
    said = ["+model.norm=batch", "+model.drop=0.3", *own("loss", "Counting")]
    torch.manual_seed(5)
    state, drawn = torch.get_rng_state(), np.random.get_state()[1].tobytes()
    cell = built(*said)
    assert torch.equal(state, torch.get_rng_state())
    assert np.random.get_state()[1].tobytes() == drawn
    assert cell.module.criterion.calls == 0  # type: ignore[attr-defined]
    tried = weights_sha256(cell.module.model.state_dict())
    first = trained(tmp_path, *said)
    monkeypatch.setattr(trial.Trial, "run", lambda self: trial.Fitted(self.criterion, trial.by_examples))
    assert weights_sha256(built(*said).module.model.state_dict()) == tried
    (tmp_path / "untried").mkdir()
    second = trained(tmp_path / "untried", *said)
    assert first["loss_chain_sha256"] == second["loss_chain_sha256"]
    assert first["metrics"] == second["metrics"]


def test_rows_of_every_class_are_tried():
    cell = built("data.source.kind=classes")
    labels = torch.zeros(3000, dtype=torch.int64)
    labels[generator(0, "order").permutation(3000)[:2]] = torch.tensor([1, 2])
    sample = trial.dataclasses.replace(cell.trial(cell.feed.order), targets={"train": labels})._sample()
    assert set(labels[sample].tolist()) == {0, 1, 2}


@pytest.mark.parametrize(("shards", "most"), [(1, 16), (4, 8)])
def test_a_trial_takes_no_more_examples_at_a_time_than_training_or_evaluation(shards, most):
    """Where memory is short, that is what it is enough for: a trial of more would be refused for nothing."""
    cell = built("trainer.batch_size=16", f"trainer.shards={shards}", "trainer.eval_batch_size=8")
    seen: list[int] = []
    cell.module.model.register_forward_hook(lambda model, given, outputs: seen.append(len(outputs)))
    cell.trial(cell.feed.order).run()
    assert max(seen) == most


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("shapes", "method: Misfit with inputs [50, 8] and labels [50]: they do not fit (RuntimeError: mat1 and mat2"),
        ("attribute", "they do not fit (AttributeError: 'Net' object has no attribute 'encoder'); change method or"),
        ("item", "method: Misfit gives a loss without a gradient; compute it from model(inputs)"),
        ("rows", "method: Misfit gives [50] for inputs [50, 8] and labels [50]; loss must return one number"),
        ("number", "method: Misfit gives a float for inputs [50, 8] and labels [50]; loss must return one number"),
        ("short", "method: Misfit with inputs [16, 8] and labels [16]: they do not fit (ZeroDivisionError"),
    ],
)
def test_a_method_that_does_not_fit_is_told_before_the_first_step(how, says):
    assert says in refusal(*own("method", "Misfit", f"+method.how={how}"), "trainer.max_steps=60")


def test_trying_a_method_leaves_no_trace(tmp_path):
    cell = built(*own("method", "Misfit"))
    assert vars(cell.module.method)["calls"] == 0
    assert all(parameter.grad is None for parameter in cell.module.model.parameters())


def test_what_a_packs_code_raises_names_its_line():
    said = refusal("+model.norm=batch", "model.width=wide")
    assert said.startswith("model: papers.numbers.modules.Net cannot be built (papers/numbers/modules.py:")
