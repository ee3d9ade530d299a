"""Initial weights are keyed by the parameter's name."""

import sys
import types

import pytest
import torch
from torch import nn

from mlintern.core.errors import UserError
from mlintern.engine import initialise


class Net(nn.Module):
    def __init__(self, extra=False, stray=False):
        super().__init__()
        if stray:
            torch.rand(17)
        self.first = nn.Linear(4, 3)
        if extra:
            self.unused = nn.Conv1d(2, 2, 3)
        self.scale = nn.Parameter(torch.randn(3))
        self.query = nn.Parameter(torch.empty(3, 3))
        nn.init.orthogonal_(self.query)
        self.norm = nn.LayerNorm(3)
        self.second = nn.Linear(3, 2)
        nn.init.trunc_normal_(self.second.weight, std=0.02)


def test_same_seed_same_weights_and_other_seed_other_weights():
    a, b, c = (initialise.build(Net, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["first.weight"], c["first.weight"])


def test_an_unused_layer_changes_no_other_weight():
    plain, extended = initialise.build(Net, 3).state_dict(), initialise.build(lambda: Net(extra=True), 3).state_dict()
    assert {name for name in plain if not torch.equal(plain[name], extended[name])} == set()


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.Linear(4, 4),
        lambda: nn.Conv1d(4, 4, 3),
        lambda: nn.Embedding(4, 4),
        lambda: nn.GRU(4, 4),
        lambda: nn.LSTM(4, 4),
        lambda: nn.MultiheadAttention(4, 2),
        lambda: nn.TransformerEncoderLayer(4, 2, 8),
        lambda: nn.Bilinear(4, 4, 4),
    ],
)
def test_every_layer_is_keyed_by_name_whatever_stands_before_it(layer):
    """Of one kind only: nothing between them could bring a shared sequence of draws back into step."""

    def model(before):
        return nn.ModuleDict({**({"unused": before()} if before else {}), "used": layer()})

    alone = initialise.build(lambda: model(None), 3).state_dict()
    for other in (layer, lambda: nn.Linear(7, 5), lambda: nn.Embedding(3, 3)):
        beside = initialise.build(lambda other=other: model(other), 3).state_dict()
        assert {name for name in alone if not torch.equal(alone[name], beside[name])} == set()


@pytest.mark.parametrize("fill", ["orthogonal_", "sparse_", "trunc_normal_", "xavier_normal_", "kaiming_normal_"])
def test_every_initialiser_is_keyed(fill):
    def model(extra):
        net = nn.Module()
        for name in (*extra, "used"):
            weight = nn.Parameter(torch.empty(6, 6))
            getattr(nn.init, fill)(weight, *([0.5] if fill == "sparse_" else []))
            setattr(net, name, weight)
        return net

    plain, more = initialise.build(lambda: model([]), 1), initialise.build(lambda: model(["other"]), 1)
    assert torch.equal(plain.used, more.used)
    assert not torch.equal(more.used, more.other)


@pytest.mark.parametrize("fill", ["orthogonal_", "sparse_", "trunc_normal_", "kaiming_normal_"])
def test_an_initialiser_imported_by_name_is_keyed_all_the_same(fill):
    """Whether its module was imported before the engine's stand-ins were in place or while they were."""
    source = (
        f"from torch.nn.init import {fill} as fill\n"
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, names):\n"
        "        super().__init__()\n"
        "        for name in names:\n"
        "            weight = torch.nn.Parameter(torch.empty(6, 6))\n"
        f"            fill(weight{', 0.5' if fill == 'sparse_' else ''})\n"
        "            setattr(self, name, weight)\n"
    )

    def load():
        module = types.ModuleType("generated_initialiser")
        sys.modules[module.__name__] = module
        exec(compile(source, "generated_initialiser.py", "exec"), vars(module))
        return module.Net

    early = load()
    before = initialise.build(lambda: early(["used"]), 1), initialise.build(lambda: early(["other", "used"]), 1)
    late = initialise.build(lambda: load()(["other", "used"]), 1)
    assert torch.equal(before[0].used, before[1].used)
    assert torch.equal(before[0].used, late.used)
    assert not torch.equal(late.used, late.other)


def test_a_custom_initialiser_is_kept():
    weight = initialise.build(Net, 3).second.weight
    assert weight.abs().max() <= 0.04 + 1e-6  # truncated at two of its standard deviations
    assert weight.std() > 0.005


def test_the_global_generator_is_left_alone():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    initialise.build(Net, 9)
    assert torch.equal(torch.rand(2), expected)


def test_modules_of_one_shape_differ():
    model = initialise.build(lambda: nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5)), 0)
    assert not torch.equal(model[0].weight, model[1].weight)


def test_a_constructor_that_changes_is_refused():
    calls = []

    def make():
        calls.append(1)
        return nn.Sequential(*(nn.Linear(2, 2) for _ in calls))

    with pytest.raises(UserError, match="constructor"):
        initialise.build(make, 0)


def test_what_is_no_module_is_refused():
    with pytest.raises(UserError, match="not a torch.nn.Module"):
        initialise.build(lambda: 3, 0)
