"""The rehearsal: what only a pack's own data, loss and a few steps of the engine can show."""

import shutil

import pytest

from mlintern.config import Composer, Config
from mlintern.core.roots import PACKS
from mlintern.plan.grid import named_cell
from mlintern.vet.run import rehearse

SLUG = "arxiv_2011_14439"
pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def config():
    with Composer(SLUG) as composer:
        return named_cell(composer, ["model=mlp", "audit=quick"]).config


@pytest.fixture
def checked(tmp_path, config):
    """A function from edits of the bundled pack's modules, and of the config, to {check: (status, reason)}."""

    def check(old="", new="", **changes):
        pack = tmp_path / "project" / "papers" / SLUG
        shutil.copytree(PACKS / SLUG, pack, ignore=shutil.ignore_patterns("__pycache__"))
        text = (pack / "modules.py").read_text()
        assert old in text
        (pack / "modules.py").write_text(text.replace(old, new))
        cell = Config.from_plain(config.plain() | changes)
        found = rehearse([{"name": "mlp", "config": cell, "overfit": True}], project=pack.parent.parent, pack=pack)
        return {check.name: (check.status, check.reason) for check in found}

    return check


def test_a_good_cell_passes_every_check(checked):
    found = checked()
    assert {name: status for name, (status, _) in found.items()} == dict.fromkeys(
        ("prepare", "audit", "rehearsal", "gradients", "overfit"), "PASS"
    )


def test_data_that_come_out_differently_are_named(checked):
    noise = "np.random.seed(int(torch.seed()) % 2**32)\n        features += np.random.rand(*features.shape)\n        "
    found = checked("cut = self.train_size\n", f"{noise}cut = self.train_size\n")
    assert found["prepare"][0] == "FAIL"
    assert "built twice, " in found["prepare"][1]
    assert list(found) == ["prepare"]


def test_a_leak_is_found_before_a_study_starts(checked):
    found = checked('"test": {"features": features[cut:]', '"test": {"features": features[:1000]')
    assert found["audit"][0] == "FAIL"
    assert "training would be refused" in found["audit"][1]


def test_a_parameter_that_the_loss_does_not_reach_is_named(checked):
    found = checked("h = h + functional.relu(layer(h))", "h = h + functional.relu(layer(h)).detach()")
    assert found["gradients"] == ("FAIL", "the loss gives no gradient to more.0.weight, more.0.bias; use it in forward "
                                          "or remove it")  # fmt: skip


def test_a_loss_that_does_not_fit_the_outputs_is_named(checked):
    found = checked(loss={"_target_": "torch.nn.MSELoss"})
    assert found["rehearsal"][0] == "FAIL"


def test_a_metric_that_is_not_measured_is_named(checked, config):
    found = checked(protocol={**config.protocol.plain(), "metric": "bleu"})
    assert found["rehearsal"][0] == "FAIL"
    assert "bleu" in found["rehearsal"][1]
