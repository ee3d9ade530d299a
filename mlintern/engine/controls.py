"""Models for controls: what the data give away to no model at all, and to a linear one.

They stand in for a paper's model under its own training, and are sized by the data rather than by a configuration.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn


class Constant(nn.Module):
    """The same outputs for every example: it learns the commonest class, or the mean of a target."""

    def __init__(self, shape: Sequence[int], outputs: int, vocabulary: int | None = None):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[n, ...] to [n, outputs]."""
        return self.bias.expand(len(inputs), -1)


class Linear(nn.Module):
    """A linear map of the flattened inputs; of token ids, the mean of a vector per token."""

    def __init__(self, shape: Sequence[int], outputs: int, vocabulary: int | None = None):
        super().__init__()
        self.tokens = nn.EmbeddingBag(vocabulary, outputs, mode="mean") if vocabulary else None
        self.linear = None if vocabulary else nn.Linear(math.prod(shape), outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[n, ...] to [n, outputs]."""
        if self.tokens is not None:
            return self.tokens(inputs.flatten(1))
        assert self.linear is not None
        return self.linear(inputs.flatten(1))
