"""Initial weights are keyed by the parameter's name."""

import pytest
import torch
from torch import nn

from mlintern.engine import initialise
from mlintern.errors import UserError


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
