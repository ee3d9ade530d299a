"""Batches from tensors: gathered for several steps at a time, and yet as if each were gathered alone."""

import pytest
import torch

from mlintern.engine import feed
from mlintern.engine.feed import ALIGNMENT, Order, TensorFeed

KINDS = {
    "aligned": (torch.randn(50, 16), torch.arange(50)),
    "not aligned": (torch.randn(50, 3), torch.randn(50)),
    "no values": (torch.empty(50, 0), torch.arange(50)),
    "images of another layout": (torch.randn(50, 2, 4, 4).to(memory_format=torch.channels_last), torch.arange(50)),
}


@pytest.mark.parametrize("block", [1, 2_000, 1 << 20])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["reshuffled", "fixed"])
@pytest.mark.parametrize("start", [0, 5, 8])
def test_batches_are_the_rows_of_their_steps(kind, order, start, block, monkeypatch):
    monkeypatch.setattr(feed, "BLOCK", block)
    inputs, targets = KINDS[kind]
    rows = Order(50, 8, 0, order)
    batches = list(TensorFeed(inputs, targets, Order(50, 8, 0, order)).batches(start, 20))
    assert len(batches) == 20 - start
    for step, batch in enumerate(batches, start):
        index = torch.from_numpy(rows.rows(step))
        assert torch.equal(batch.inputs, inputs[index])
        assert torch.equal(batch.targets, targets[index])
        for values in batch:
            if values.is_floating_point() and values.numel():
                assert values.data_ptr() % ALIGNMENT == 0 and values.is_contiguous()


def test_a_batch_may_be_written_to():
    """Autograd must not take a write to one batch for a write to another that came with it."""
    inputs, targets = KINDS["aligned"]
    kept, weight = inputs.clone(), torch.ones(16, requires_grad=True)
    batches = TensorFeed(inputs, targets, Order(50, 8, 0, "fixed")).batches(0, 7)
    first, second = next(batches).inputs, next(batches).inputs
    loss = (first * weight).sum()  # needs `first` as it is when it is time to go back
    second.add_(1)
    loss.backward()
    assert torch.equal(weight.grad, kept[:8].sum(0))
    assert torch.equal(inputs, kept)
