"""The least value of a smoothed loss, which overfitting a batch is measured from."""

import types

import pytest
import torch
from torch import nn

from mlintern.vet.rehearse import _floor


@pytest.mark.parametrize("shape", [(8,), (8, 5)])
def test_the_floor_of_label_smoothing_is_reached_by_certain_and_smoothed_outputs(shape):
    classes, smoothing = 11, 0.1
    targets = torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(0))
    criterion = nn.CrossEntropyLoss(label_smoothing=smoothing)
    wanted = nn.functional.one_hot(targets, classes).movedim(-1, 1) * (1 - smoothing) + smoothing / classes
    cell = types.SimpleNamespace(module=types.SimpleNamespace(criterion=criterion, model=lambda x: wanted.log()))
    assert _floor(cell, torch.zeros(8, 1)) == pytest.approx(criterion(wanted.log(), targets).item(), abs=1e-6)
