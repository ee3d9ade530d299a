"""A digest of a model's state after every step, cheap enough to be taken always.

A step's loss tells of the weights only what the next batch happens to show. The digest tells whether they are the same
bits, so that two runs part at a step and not somewhere before it; and buffers count too: what a batch norm averages
never reaches a training loss. It is an XOR over the values (`torch.hash_tensor`): the order of the values has no say
in it, nothing is copied from a GPU until the trace is flushed, and a change that leaves it as it was is not to be
expected by chance. For what must hold against more than chance there is `weights_sha256`.
"""

import torch

SMALL = 1 << 16
"""Tensors up to this many values are joined before they are hashed: a call costs more than they do."""


class StateDigest:
    """The digest of one model's floating-point parameters and buffers; made once, called after every step."""

    def __init__(self, model: torch.nn.Module):
        held = [value for value in model.state_dict().values() if isinstance(value, torch.Tensor)]
        tensors = [tensor for tensor in held if tensor.is_floating_point() and tensor.numel()]
        self.large = [tensor for tensor in tensors if tensor.numel() > SMALL]
        by_type: dict[tuple[torch.dtype, torch.device], list[torch.Tensor]] = {}
        for tensor in tensors:
            if tensor.numel() <= SMALL:
                by_type.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        self.small = list(by_type.values())

    def __call__(self) -> torch.Tensor:
        """uint64 [groups], still on the model's device."""
        joined = [torch.cat([tensor.reshape(-1) for tensor in group]) for group in self.small]
        hashes = [torch.hash_tensor(tensor) for tensor in (*joined, *self.large)]
        return torch.stack(hashes) if hashes else torch.zeros(1, dtype=torch.uint64)
