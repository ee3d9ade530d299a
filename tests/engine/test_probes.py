"""Probes: what they measure on models whose attention is known, and that they leave no trace."""

import numpy as np
import pytest
import torch
from torch import nn

from mlintern.core.errors import UserError
from mlintern.engine import probes
from mlintern.engine.precision import Precision
from mlintern.engine.probes import AttentionInRegion, Brier, Part, SaliencyInRegion
from mlintern.engine.weights import weights_sha256

OPTIONS = {"batch_size": 3, "seed": 0, "step": 5, "precision": Precision()}


class Looker(nn.Module):
    """Attends where the image is bright: softmax over 4 x 4 places (and a class token) of the patches' means."""

    def __init__(self, sharpness=20.0):
        super().__init__()
        self.softmax = nn.Softmax(dim=-1)
        self.sharpness = nn.Parameter(torch.tensor(sharpness))

    def forward(self, images):
        means = nn.functional.avg_pool2d(images, 4).flatten(1)  # [n, 16]
        scores = torch.cat([torch.zeros(len(images), 1), means * self.sharpness], dim=1)  # [n, 17], a class token first
        weights = self.softmax(scores[:, None, None].expand(-1, 2, 17, -1))  # [n, heads, queries, keys]
        seen = (weights.mean(dim=(1, 2))[:, 1:] * means).sum(dim=1)
        return torch.stack([-seen, seen], dim=1)


def lit(n=7, place=(1, 2)):
    """Images [n, 1, 16, 16] with one bright patch, and the mask of that patch."""
    images, masks = torch.zeros(n, 1, 16, 16), torch.zeros(n, 16, 16, dtype=torch.bool)
    rows, columns = (slice(4 * at, 4 * at + 4) for at in place)
    images[:, 0, rows, columns] = 1.0
    masks[:, rows, columns] = True
    return images, masks


def measured(probe, model, part):
    return probes.measure([probe], model, part, **OPTIONS)[probe.name]


def test_attention_on_the_region_and_beside_it():
    images, masks = lit()
    on = measured(AttentionInRegion("softmax", prefix=1), Looker(), Part(images, torch.ones(7).long(), masks))
    assert on.shape == (7,) and (on > 15.9).all()  # all of it, on a sixteenth of the area
    away = measured(AttentionInRegion("softmax", prefix=1), Looker(-20.0), Part(images, torch.ones(7).long(), masks))
    assert (away < 0.01).all()
    flat = measured(AttentionInRegion("softmax", prefix=1), Looker(0.0), Part(images, torch.ones(7).long(), masks))
    assert np.allclose(flat, 1.0)


def test_the_mean_over_queries_and_a_grid_that_is_given():
    images, masks = lit()
    part = Part(images, torch.ones(7).long(), masks)
    first = measured(AttentionInRegion("softmax", prefix=1), Looker(), part)
    mean = measured(AttentionInRegion("softmax", prefix=1, query="mean", grid=[4, 4]), Looker(), part)
    assert np.allclose(first, mean)  # all queries of this model ask the same


def test_a_region_that_covers_parts_of_places():
    images, _ = lit()
    half = torch.zeros(7, 16, 16, dtype=torch.bool)
    half[:, 4:6, 8:12] = True  # the upper half of the bright patch
    value = measured(AttentionInRegion("softmax", prefix=1), Looker(), Part(images, torch.ones(7).long(), half))
    assert np.allclose(value, 16.0, atol=0.1)


def test_saliency_in_the_region_of_images_and_series():
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 2, bias=False))
    images, masks = lit()
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].weight.view(2, 16, 16)[:, 4:8, 8:12] = 1.0
    assert np.allclose(measured(SaliencyInRegion(), model, Part(images, torch.zeros(7).long(), masks)), 16.0)
    series, marks = torch.randn(4, 256), torch.zeros(4, 256, dtype=torch.bool)
    marks[:, 128:] = True
    with torch.no_grad():
        model[1].weight.fill_(1.0)
    part = Part(series, torch.zeros(4).long(), marks)
    assert np.allclose(measured(SaliencyInRegion(spatial=1), model, part), 1.0)


def test_brier_score():
    model = nn.Identity()
    logits = torch.tensor([[50.0, 0.0], [0.0, 0.0], [0.0, 50.0]])
    part = Part(logits, torch.tensor([0, 0, 0]), None)
    assert np.allclose(measured(Brier(), model, part), [0.0, 0.5, 2.0])


def test_a_model_is_left_as_it_was():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(256), nn.Dropout(0.5), nn.Linear(256, 2)).train()
    images, masks = lit()
    before, drawn = weights_sha256(model.state_dict()), torch.random.get_rng_state()
    one = measured(SaliencyInRegion(), model, Part(images, torch.zeros(7).long(), masks))
    assert weights_sha256(model.state_dict()) == before and model.training
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert np.array_equal(one, measured(SaliencyInRegion(), model, Part(images, torch.zeros(7).long(), masks)))


class Meddling(Brier):
    def measure(self, model, inputs, targets, annotations):
        with torch.no_grad():
            model.sharpness += 1
        return super().measure(model, inputs, targets, annotations)


class Wrong(Brier):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def measure(self, model, inputs, targets, annotations):
        return self.value


@pytest.mark.parametrize(
    ("probe", "notes", "says"),
    [
        (Meddling(), True, "measuring changed the model"),
        (Wrong(torch.tensor(1.0)), True, r"gave shape \(\) for 3 examples"),
        (Wrong(torch.full((3,), torch.nan)), True, "with values that are not finite"),
        (AttentionInRegion("softmax", prefix=1), False, "the data have no annotations"),
        (AttentionInRegion("sofmax"), True, "module=sofmax: choose one of softmax"),
        (AttentionInRegion("softmax"), True, "17 keys after prefix=0 make no grid of 4 x 4"),
    ],
)
def test_what_cannot_be_measured_is_said(probe, notes, says):
    images, masks = lit(3)
    with pytest.raises(UserError, match=says):
        measured(probe, Looker(), Part(images, torch.ones(3).long(), masks if notes else None))


def test_an_empty_region_is_refused():
    images, masks = lit(3)
    with pytest.raises(UserError, match="annotated region is empty"):
        measured(AttentionInRegion("softmax", prefix=1), Looker(), Part(images, torch.ones(3).long(), masks & False))


def test_maps_of_some_examples():
    images, masks = lit(9)
    asked = [AttentionInRegion("softmax", prefix=1), Brier()]
    part = Part(images, torch.ones(9).long(), masks)
    found = probes.maps(asked, Looker(), part, seed=0, step=0, precision=Precision())
    assert {name: values.shape for name, values in found.items()} == {
        "inputs": (probes.DRAWN, 1, 16, 16),
        "annotations": (probes.DRAWN, 16, 16),
        "attention_in_region": (probes.DRAWN, 4, 4),
    }
    assert probes.maps([Brier()], Looker(), part, seed=0, step=0, precision=Precision()) == {}
