"""trainer.precision: the format that the model really computes in, at training and at evaluation."""

import dataclasses
from typing import get_args

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from mlintern.engine.config import PrecisionName
from mlintern.engine.evaluate import evaluate
from mlintern.engine.loop import Loop
from mlintern.engine.precision import Precision
from tests.engine import small
from tests.engine.cells import refusal

PRECISIONS = get_args(PrecisionName)

FORMATS = {  # of the weights, and of a linear layer's outputs
    "32-true": (torch.float32, torch.float32),
    "64-true": (torch.float64, torch.float64),
    "bf16-true": (torch.bfloat16, torch.bfloat16),
    "bf16-mixed": (torch.float32, torch.bfloat16),
}


def make_loop(name, checkpoint=None):
    plain = small.make_loop(max_steps=12)
    precision = Precision(name)
    module = small.make_module(plain.feed.order, max_steps=12)
    x, y = (torch.from_numpy(values[50:]) for values in (small.FEATURES, small.LABELS))
    options = dict(batch_size=5, seed=0, step=0, precision=precision)
    return Loop(
        Fabric(accelerator="cpu", devices=1, precision=name),
        module,
        plain.feed,
        lambda step: {"valid": evaluate(module.model, x, y, module.criterion, module.metrics, **options)},
        dataclasses.replace(plain.plan, precision=precision),
        checkpoint,
    )


@pytest.mark.parametrize("name", PRECISIONS)
def test_the_model_computes_in_it(name):
    loop, seen = make_loop(name), set()
    loop.model.body[0].register_forward_hook(lambda module, inputs, output: seen.add((module.training, output.dtype)))
    loop.run()
    weights, outputs = FORMATS[name]
    assert {parameter.dtype for parameter in loop.model.parameters()} == {weights}
    assert seen == {(True, outputs), (False, outputs)}
    assert np.isfinite(loop.state.trace.losses()).all() and torch.get_default_dtype() == torch.float32


def test_each_gives_losses_of_its_own_that_are_close():
    losses = {name: make_loop(name).run().trace.losses() for name in PRECISIONS}
    assert len({values.tobytes() for values in losses.values()}) == len(PRECISIONS)
    for values in losses.values():
        np.testing.assert_allclose(values, losses["64-true"], rtol=0.05)


@pytest.mark.parametrize("name", PRECISIONS)
def test_a_stopped_run_goes_on_to_the_same_bits(name, tmp_path):
    whole = make_loop(name)
    whole.run()
    stopped = make_loop(name, tmp_path / "checkpoint")
    stopped.run(until=5)
    stopped.save()
    resumed = make_loop(name, tmp_path / "checkpoint")
    resumed.run()
    assert small.bits(resumed) == small.bits(whole)


def test_another_is_refused():
    assert refusal("trainer.precision=16-mixed").startswith("trainer.precision=16-mixed: choose 32-true")
