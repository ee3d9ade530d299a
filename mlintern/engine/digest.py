"""A digest of a model's state after every step, cheap enough to be taken always.

A step's loss tells of the weights only what the next batch happens to show. The digest tells whether they are the same
bits, so that two runs part at a step and not somewhere before it; and buffers count too: what a batch norm averages
never reaches a training loss. It is an XOR over the values' bits: the order of the values has no say in it, nothing is
copied from a GPU until the trace is flushed, and a change that leaves it as it was is not to be expected by chance. For
what must hold against more than chance there is `weights_sha256`.
"""

import numpy as np
import torch

SMALL = 1 << 16
"""Tensors up to this many values are joined before they are hashed: a call costs more than they do."""

_BITS_OF = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class _Group:
    """Tensors of one type on one device, hashed together."""

    def __init__(self, tensors: list[torch.Tensor]):
        self.tensors = tensors
        contiguous = all(tensor.is_contiguous() for tensor in tensors)
        self.views = [tensor.view(-1) for tensor in tensors] if contiguous else None
        first = tensors[0]
        self.joined = first.new_empty(sum(map(torch.numel, tensors))) if len(tensors) > 1 or not contiguous else None
        whole = self.joined if self.joined is not None else self.vectors()[0]
        bits = whole.view(_BITS_OF[first.element_size()])
        self.whole, self.bits = whole, bits.numpy() if first.device.type == "cpu" else None

    def vectors(self) -> list[torch.Tensor]:
        """The tensors as vectors, without a copy where they have none to make."""
        return self.views if self.views is not None else [tensor.reshape(-1) for tensor in self.tensors]

    def hash(self) -> int | torch.Tensor:
        """A number below 2^64, or a uint64 scalar on the tensors' device."""
        if self.joined is not None:
            torch.cat(self.vectors(), out=self.joined)
        if self.bits is not None:  # numpy's reduction takes a sixth of the time of torch's
            return int(np.bitwise_xor.reduce(self.bits)) % (1 << 64)
        return torch.hash_tensor(self.whole)


class StateDigest:
    """The digest of one model's floating-point parameters and buffers; made once, called after every step."""

    def __init__(self, model: torch.nn.Module):
        held = [value for value in model.state_dict().values() if isinstance(value, torch.Tensor)]
        tensors = [tensor for tensor in held if tensor.is_floating_point() and tensor.numel()]
        by_type: dict[tuple[torch.dtype, torch.device], list[torch.Tensor]] = {}
        for tensor in tensors:
            if tensor.numel() <= SMALL:
                by_type.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        large = [[tensor] for tensor in tensors if tensor.numel() > SMALL]
        self.groups = [_Group(group) for group in (*by_type.values(), *large)]

    def __call__(self) -> torch.Tensor:
        """uint64 [groups], still on the model's device."""
        hashes = [group.hash() for group in self.groups] or [0]
        tensors = [value for value in hashes if isinstance(value, torch.Tensor)]
        if not tensors:
            return torch.from_numpy(np.array(hashes, dtype=np.uint64))
        device = tensors[0].device
        return torch.stack([torch.as_tensor(value, dtype=torch.uint64, device=device) for value in hashes])
