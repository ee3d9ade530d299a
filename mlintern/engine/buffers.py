"""Buffers under shards: what batch statistics mean when a global batch is computed in pieces.

Every shard starts a step from the same buffers and changes its own copy: a batch norm normalises each shard by that
shard's own statistics, as in torch's DistributedDataParallel. After the step the copies become one again, from all
shards' copies in the order of the shards, so that neither the number of processes nor who computed what can show:

- elements in which the shards agree (counters, constants, power iterations) are kept as they are;
- other real numbers become their mean over the shards, weighted by examples, as gradients are;
- other whole numbers and truth values are those of the last shard that had examples.
"""

from collections.abc import Sequence

import torch


class Buffers:
    """A model's buffers through one step of several shards."""

    def __init__(self, model: torch.nn.Module):
        self._places = [
            (module, name)
            for module in model.modules()
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        self._before = [buffer.detach().clone() for buffer in self._now()]
        self.copies: list[list[torch.Tensor]] = []
        """Of each shard computed here, in order: what it left in every buffer."""

    def _now(self) -> list[torch.Tensor]:
        return [module._buffers[name] for module, name in self._places]  # type: ignore[misc]

    def _set(self, values: Sequence[torch.Tensor]) -> None:
        """Put values into the buffers in place, as modules may share one; a buffer that grew is replaced."""
        with torch.no_grad():
            for (module, name), value in zip(self._places, values, strict=True):
                buffer = module._buffers[name]
                if buffer is not None and buffer.shape == value.shape and buffer.dtype == value.dtype:
                    buffer.copy_(value)
                else:
                    module._buffers[name] = value.clone()

    def start_shard(self) -> None:
        """Give the next shard the buffers that the step began with."""
        if self.copies:
            self._set(self._before)

    def end_shard(self) -> None:
        """Keep what a shard left in the buffers."""
        self.copies.append([buffer.detach().clone() for buffer in self._now()])

    def join(self, copies: Sequence[Sequence[torch.Tensor]], examples: Sequence[int]) -> None:
        """Set the buffers from all shards' copies, given the number of examples of each."""
        some = [(copy, n) for copy, n in zip(copies, examples, strict=True) if n]
        total = sum(n for _, n in some)
        self._set([_joined([(copy[i], n / total) for copy, n in some]) for i in range(len(self._places))])


def _joined(weighted: Sequence[tuple[torch.Tensor, float]]) -> torch.Tensor:
    """One buffer from the shards' copies of it and their shares of the examples, which sum to one."""
    first, share = weighted[0]
    agreed = torch.ones_like(first, dtype=torch.bool)
    real = first.is_floating_point() or first.is_complex()
    joined = first * share if real else first
    for copy, share in weighted[1:]:
        agreed &= (copy == first) | ((copy != copy) & (first != first))
        joined = joined + copy * share if real else copy
    return torch.where(agreed, first, joined)


def to_bytes(copies: Sequence[Sequence[torch.Tensor]]) -> torch.Tensor:
    """Tensors of any types, one after the other, as uint8 [bytes], for a collective."""
    flat = [tensor.contiguous().reshape(-1).view(torch.uint8) for copy in copies for tensor in copy if tensor.numel()]
    return torch.cat(flat)


def from_bytes(data: torch.Tensor, like: Sequence[Sequence[torch.Tensor]]) -> list[list[torch.Tensor]]:
    """The inverse of `to_bytes`, given tensors of the same types and shapes."""
    found, at = [], 0
    for copy in like:
        row = []
        for tensor in copy:
            size = tensor.numel() * tensor.element_size()
            piece = data[at : at + size].clone()  # a view as a wider type needs an aligned start
            row.append(piece.view(tensor.dtype).reshape(tensor.shape))
            at += size
        found.append(row)
    return found
