"""Vetting a draft: policy, composition and the spec's values first; code only in the sandbox, and only after these."""

import shutil
from pathlib import Path

import pytest

from mlintern.author.draft.vetting import vet_pack
from mlintern.author.forms import ModelInput
from mlintern.spec.paper_spec import load_spec

BUNDLED = Path(__file__).resolve().parent.parent.parent / "papers" / "arxiv_2011_14439"
SLUG = BUNDLED.name
INPUTS = [ModelInput(variant=v, shape=[40], dtype="float32", high=2) for v in ("logistic", "mlp", "cnn", "gru")]


@pytest.fixture
def draft(tmp_path):
    pack = tmp_path / "project" / "papers" / SLUG
    shutil.copytree(BUNDLED, pack, ignore=shutil.ignore_patterns("__pycache__", "composed.yaml"))
    return pack


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def vet(pack, inputs=INPUTS):
    return vet_pack(pack, load_spec(pack / "spec.yaml"), inputs)


def test_code_against_the_policy_is_named_with_its_line(draft):
    edit(draft / "modules.py", "from torch import nn", "from torch import nn\nimport os")
    [problem] = [line for line in vet(draft) if "import" in line]
    assert problem.startswith(f"papers/{SLUG}/modules.py:7: import")


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        (f"conf/paper/{SLUG}.yaml", "lr: 0.01", "lr: 0.1", "optimizer.lr (): the spec gives 0.01"),
        (f"conf/paper/{SLUG}.yaml", "max_steps: 6000", "max_stepz: 6000", "max_stepz"),
        pytest.param("conf/model/cnn.yaml", "channels: 25", "channels: 26",
                     "(model=cnn data=mnist1d protocol=clean): the spec gives 25", marks=pytest.mark.slow),
        pytest.param("conf/model/cnn.yaml", "channels: 25", "width: 25",
                     "model=cnn: model.width: CNN takes no such argument; it takes channels", marks=pytest.mark.slow),
        pytest.param(f"conf/paper/{SLUG}.yaml", "/loss: cross_entropy", "/loss: mse",
                     "loss.label_smoothing: MSELoss takes no such argument", marks=pytest.mark.slow),
        pytest.param("conf/data/mnist1d.yaml", "seed: 42", "seed: 43",
                     "data.source.seed (): the spec gives 42", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_configuration_that_is_not_the_specs_is_named(draft, file, old, new, problem):
    edit(draft / file, old, new)
    assert any(problem in line for line in vet(draft))


def test_a_variant_that_does_not_compose_is_named(draft):
    (draft / "conf/model/gru.yaml").unlink()
    own = (
        "choose cnn, control_constant, control_linear, logistic, mlp"  # the draft's options: the project's pack has gru
    )
    assert f"model=gru: model=gru: no such option; {own}" in vet(draft)


@pytest.mark.slow
def test_every_variant_needs_its_input(draft):
    assert vet(draft, INPUTS[:3]) == ["inputs: none given for variant gru; say shape and type"]


@pytest.mark.slow
def test_the_bundled_pack_passes_whole(draft):
    assert vet(draft) == []


@pytest.mark.slow
def test_a_model_that_looks_at_its_neighbours_is_found_by_running_it(draft):
    edit(draft / "modules.py", "return self.out(x)", "return self.out(x - x.mean(0))")
    assert any(line.startswith("logistic: batch_independence") for line in vet(draft))
