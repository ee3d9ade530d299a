"""The digest after every step: what it sees, and that it looks where the weights are now."""

import pytest
import torch
from torch import nn

from mlintern.engine.digest import StateDigest, _grouped
from mlintern.engine.weights import Held


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.b.weight = self.a.weight


def flip_a_bit(tensor):
    tensor.data.view(torch.int32).view(-1)[1] ^= 1


def test_weights_and_buffers_are_seen():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(300, 300))
    digest = StateDigest(model)
    seen = digest()
    assert digest() == seen
    for place in (model[0].weight, model[1].running_var, model[2].weight):
        flip_a_bit(place)
        assert digest() != seen
        seen = digest()


def test_a_weight_that_two_layers_share_is_seen():
    model = Tied()
    digest = StateDigest(model)
    before = digest()
    flip_a_bit(model.a.weight)
    assert digest() != before


@pytest.mark.parametrize("place", ["parameter", "data", "buffer"])
def test_a_tensor_put_in_the_place_of_another_is_seen(place):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    digest = StateDigest(model)
    before = digest()
    if place == "parameter":
        model[0].weight = nn.Parameter(model[0].weight.detach() + 1)
    elif place == "data":
        model[0].weight.data = model[0].weight.detach() + 1
    else:
        model[1].running_mean = model[1].running_mean + 1
    after = digest()
    assert after != before
    assert after == StateDigest(model)()


def test_half_and_double_and_no_values_at_all():
    model = nn.Sequential(nn.Linear(3, 3).half(), nn.Linear(3, 3).double(), nn.ReLU())
    digest = StateDigest(model)
    before = digest()
    assert len(before) == 2
    model[0].weight.data[0, 0] += 1
    between = digest()
    assert between[0] != before[0] and between[1] == before[1]
    assert StateDigest(nn.ReLU())() == [0]


class Written(nn.Module):
    """Writes its state dict by itself."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2)

    def state_dict(self, *args, **kwargs):
        return {f"renamed.{name}": value for name, value in super().state_dict(*args, **kwargs).items()}


@pytest.mark.parametrize("model", [Tied(), Written(), nn.Sequential(nn.BatchNorm1d(3), nn.GRU(2, 2))])
def test_what_is_held_is_the_state_dict(model):
    held = Held(model)
    state = model.state_dict()
    assert set(held.names) == set(state)
    for name, tensor in zip(held.names, held.tensors(), strict=True):
        assert tensor.data_ptr() == state[name].data_ptr()


def test_what_is_not_persistent_is_not_held():
    model = nn.Linear(2, 2)
    model.register_buffer("scratch", torch.zeros(1), persistent=False)
    assert Held(model).names == ["weight", "bias"]


def as_on_a_device(tensor):
    """The digest that the tensor would have if it were not on a CPU."""
    (group,) = _grouped([tensor])
    group.arrays = None
    return group.hash()


CHANGES = {
    "all values alike": lambda weight: weight.copy_(torch.ones_like(weight)),
    "two rows swapped": lambda weight: weight.copy_(weight.flip(0)),
    "two columns swapped": lambda weight: weight.copy_(weight.flip(1)),
    "every sign": lambda weight: weight.neg_(),
    "one bit": lambda weight: flip_a_bit(weight),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("shape", [(2, 2), (64, 64), (30, 254), (2, 50_000)])
@pytest.mark.parametrize("equal", [True, False])
def test_changes_that_one_xor_would_cancel_out_are_seen(shape, equal, change):
    if equal and "swapped" in change:
        pytest.skip("swapping equal values changes nothing")
    layer = nn.Module()
    layer.weight = nn.Parameter(torch.full(shape, 0.25) if equal else torch.randn(shape))
    digest = StateDigest(layer)
    before = digest()
    other = as_on_a_device(layer.weight)
    with torch.no_grad():
        CHANGES[change](layer.weight)
    assert digest() != before
    assert as_on_a_device(layer.weight) != other
