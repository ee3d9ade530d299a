"""Control cells: which there are, what they train on, and what their smells say."""

import dataclasses

import numpy as np
import pytest
import torch

from mlintern.config import Composer
from mlintern.core.records import record
from mlintern.core.schema import FreeGroup
from mlintern.data.group import Data
from mlintern.data.splits import Examples, Splits
from mlintern.engine import ENGINE_VERSION, initialise, rows
from mlintern.engine.controls import Constant, Linear
from mlintern.engine.instantiate import build
from mlintern.engine.rows import is_control, sizes
from mlintern.engine.training import BuiltCell
from mlintern.plan.grid import study_cells
from mlintern.report.model.report import Smell
from mlintern.study.account.smells.of_controls import learns_shuffled_labels, no_better_than
from tests.study import tiny

SLUG = "arxiv_2011_14439"


def make_splits(labels, features=None):
    features = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32) if features is None else features
    parts = []
    for at in (0, 20, 40):
        rows = np.arange(at, at + 20)
        parts.append(Examples(np.array([f"r{i}" for i in rows]), features[rows], labels[rows]))
    return Splits("small", *parts, fit_on=("train",))


@pytest.fixture(scope="module")
def composer():
    with Composer(SLUG) as composer:
        yield composer


@pytest.fixture(scope="module")
def planned(composer):
    """The cells of the bundled study, without controls and with them."""
    return [study_cells(composer, ["study.seeds=[0,1]", *more]) for more in ([], ["study.controls=true"])]


def test_the_cells_of_the_bundled_study(planned):
    plain, cells = planned
    assert [(c.variant, c.levels, c.seed) for c in cells[: len(plain)]] == [
        (c.variant, c.levels, c.seed) for c in plain
    ]
    found = [
        (c.variant, c.levels["data"], c.levels["protocol"], c.levels["control"], c.seed) for c in cells[len(plain) :]
    ]
    shuffled = [row for row in found if row[3] == "shuffled_labels"]
    models, data = ("logistic", "mlp", "cnn", "gru"), ("mnist1d", "mnist1d_shuffled")
    assert sorted(shuffled) == sorted((m, d, "clean", "shuffled_labels", 0) for m in models for d in data)
    assert sorted(set(found) - set(shuffled)) == sorted(
        ("logistic", d, "clean", kind, 0) for d in data for kind in ("linear", "constant")
    )


def test_only_control_cells_have_other_ids(planned):
    without, ids = (
        [record.cell_id(cell.config.plain(), ENGINE_VERSION, "code", {}) for cell in cells] for cells in planned
    )
    assert ids[: len(without)] == without
    assert len(set(ids)) == len(ids)


def test_shuffled_labels_are_the_same_ones_dealt_anew(composer):
    config, _ = composer.compose(["model=logistic", "determinism=fast", "trainer.batch_size=20"])
    splits = make_splits(np.arange(60) % 10, np.random.default_rng(0).normal(size=(60, 40)).astype(np.float32))
    shuffling = dataclasses.replace(config, data=Data({**config.data, "shuffle_labels": True}))
    plain, one, two = (BuiltCell(c, *rows.seen(c, splits)) for c in (config, shuffling, shuffling))
    assert set(plain.targets) == set(one.targets) == {"train", "valid"}
    assert torch.equal(plain.targets["valid"], one.targets["valid"])
    assert not torch.equal(plain.targets["train"], one.targets["train"])
    assert torch.equal(plain.targets["train"].sort().values, one.targets["train"].sort().values)
    assert torch.equal(one.targets["train"], two.targets["train"])
    assert torch.equal(one.feed.targets, one.targets["train"])
    seeded = BuiltCell(dataclasses.replace(shuffling, seed=1), *rows.seen(shuffling, splits))
    assert not torch.equal(one.targets["train"], seeded.targets["train"])


def made(kind, splits, inputs):
    config = FreeGroup({"_target_": f"mlintern.engine.controls.{kind}"})
    assert is_control(config)
    return initialise.build(lambda: build(config, "model", **sizes(splits, inputs)), 0)


def test_simple_models_are_sized_by_the_data():
    splits = make_splits(np.arange(60) % 3)
    inputs = {name: np.ones((20, 2, 4), np.float32) for name in ("train", "valid", "test")}
    linear, constant = made("Linear", splits, inputs), made("Constant", splits, inputs)
    assert linear(torch.from_numpy(inputs["test"])).shape == constant(torch.from_numpy(inputs["test"])).shape == (20, 3)
    tokens = {name: np.arange(100).reshape(20, 5) % 7 for name in ("train", "valid", "test")}
    assert made("Linear", splits, tokens)(torch.from_numpy(tokens["test"])).shape == (20, 3)
    regression = make_splits(np.linspace(0, 1, 60))
    assert made("Linear", regression, inputs)(torch.from_numpy(inputs["test"])).shape == (20, 1)
    assert isinstance(linear, Linear) and isinstance(constant, Constant)


def test_shuffled_labels_that_are_learnt_smell():
    draw = np.random.default_rng(0)
    targets = draw.integers(0, 10, 1000)
    knowing = np.where(draw.random(1000) < 0.2, targets, draw.integers(0, 10, 1000))
    smell = learns_shuffled_labels("mlp", knowing, targets)
    assert smell is not None and smell.severity == "high" and "by chance" in smell.evidence


def test_shuffled_labels_that_are_not_learnt_do_not():
    draw = np.random.default_rng(0)
    for share in (0.5, 0.9, 0.99):  # also where one class is nearly all there is
        for _ in range(200):
            targets = (draw.random(400) > share).astype(int)
            predictions = (draw.random(400) > share).astype(int)
            assert learns_shuffled_labels("mlp", predictions, targets) is None
    assert learns_shuffled_labels("mlp", np.zeros(5, int), np.zeros(5, int)) is None  # one class: nothing to tell
    assert learns_shuffled_labels("mlp", np.linspace(0, 1, 5), np.linspace(0, 1, 5)) is None


@pytest.mark.parametrize(("ours", "simple", "higher", "smells"), [
    ([0.9, 0.92], 0.5, True, False), ([0.4, 0.42], 0.5, True, True), ([0.5], 0.5, True, True),
    ([0.1], 0.2, False, False), ([0.3], 0.2, False, True),
])  # fmt: skip
def test_a_model_that_a_simple_one_beats_smells(ours, simple, higher, smells):
    found = no_better_than("cnn", "accuracy", "linear", ours, simple, higher)
    assert (found is not None) == smells
    if smells:
        assert isinstance(found, Smell) and found.severity == "medium"
    assert not smells or no_better_than("cnn", "accuracy", "constant", ours, simple, higher).severity == "high"


@pytest.mark.slow
def test_a_study_with_controls(tmp_path):
    folder = tiny.project(tmp_path, "    - {model: [net], data: [blobs]}")
    tiny.run(folder, tiny.PAPER)
    before = tiny.bits(folder)
    out = tiny.run(folder, tiny.PAPER, "study.controls=true")
    after = tiny.bits(folder)
    assert {key: after[key] for key in before} == before
    found = {r["levels"].get("control"): r for r in tiny.records(folder).values()}
    assert set(found) == {None, "shuffled_labels", "linear", "constant"}
    accuracy = {name: r["metrics"]["test"]["accuracy"] for name, r in found.items()}
    assert accuracy["constant"] < 0.65 and accuracy["shuffled_labels"] < 0.75 < accuracy[None]
    assert found["constant"]["parameters"] == 2 and found["linear"]["parameters"] == 18
    assert {r["data"]["train"] for r in found.values()} == {found[None]["data"]["train"]}
    assert "learns_shuffled_labels" not in out
    page = next((folder / "reports" / tiny.SLUG).glob("*/report.html")).read_text()
    assert "Controls" in page
