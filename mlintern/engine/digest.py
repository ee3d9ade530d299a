"""A digest of a model's state after every step, cheap enough to be taken always.

A step's loss tells of the weights only what the next batch happens to show. The digest tells whether they are the same
bits, so that two runs part at a step and not somewhere before it; and buffers count too: what a batch norm averages
never reaches a training loss. The values' bits are joined by XOR in `LANES` lanes, value i in lane i mod `LANES`, and
the lanes are hashed: two values that change alike, or places, would cancel each other out in one XOR of them all.
Nothing is copied from a GPU until the trace is flushed. For what must hold against more than chance there is
`weights_sha256`.
"""

import hashlib

import numpy as np
import torch

from mlintern.engine.weights import Held

SMALL = 1 << 16
"""Tensors up to this many values are joined before they are hashed: a call costs more than they do."""

LANES = 509
"""A prime, so that the rows of a weight matrix, whose length is round, fall into the lanes at different places."""

_BITS_OF = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class _Group:
    """Tensors of one type on one device, hashed together."""

    def __init__(self, tensors: list[torch.Tensor]):
        self.tensors = tensors
        contiguous = all(tensor.is_contiguous() for tensor in tensors)
        self.views = [tensor.view(-1) for tensor in tensors] if contiguous else None
        first, count = tensors[0], sum(map(torch.numel, tensors))
        self.joined = None
        if len(tensors) > 1 or not contiguous or count < LANES:
            whole = first.new_zeros(-(-count // LANES) * LANES)
            self.joined = whole[:count]
        else:
            whole = self.vectors()[0]
        whole = whole.view(_BITS_OF[first.element_size()])
        at = len(whole) // LANES * LANES
        self.rows, self.rest = whole[:at].view(-1, LANES), whole[at:]
        self.arrays = (self.rows.numpy(), self.rest.numpy()) if first.device.type == "cpu" else None
        self.even = not len(self.rest)

    def vectors(self) -> list[torch.Tensor]:
        """The tensors as vectors, without a copy where they have none to make."""
        return self.views if self.views is not None else [tensor.reshape(-1) for tensor in self.tensors]

    def hash(self) -> int | torch.Tensor:
        """A number below 2^64, or a uint64 scalar on the tensors' device."""
        if self.joined is not None:
            torch.cat(self.vectors(), out=self.joined)
        if self.arrays is None:
            return self.hash_on_device()
        rows, rest = self.arrays  # numpy's reduction takes a sixth of the time of torch's
        lanes = np.bitwise_xor.reduce(rows, axis=0)
        if not self.even:
            lanes[: len(rest)] ^= rest
        return int.from_bytes(hashlib.blake2b(lanes, digest_size=8).digest(), "little")

    def hash_on_device(self) -> torch.Tensor:
        """A uint64 scalar: the lanes' sum, each times an odd number of its own."""
        lanes = torch.hash_tensor(self.rows, dim=0).view(torch.int64)
        if not self.even:
            lanes[: len(self.rest)] ^= torch.hash_tensor(self.rest[None], dim=0).view(torch.int64)
        return (lanes * _odd(lanes.device)).sum().view(torch.uint64)


_ODD: dict[torch.device, torch.Tensor] = {}


def _odd(device: torch.device) -> torch.Tensor:
    """Odd int64 numbers [LANES], the same ones always."""
    if device not in _ODD:
        numbers = np.random.Generator(np.random.Philox(LANES)).integers(-(2**62), 2**62, LANES) * 2 + 1
        _ODD[device] = torch.from_numpy(numbers).to(device)
    return _ODD[device]


class StateDigest:
    """The digest of one model's floating-point parameters and buffers; made once, called after every step."""

    def __init__(self, model: torch.nn.Module | Held):
        self._held = model if isinstance(model, Held) else Held(model)
        self._where: list[int] = []
        self._groups: list[_Group] = []

    def __call__(self) -> list[int] | torch.Tensor:
        """[groups] numbers below 2^64; where the model is not on the CPU, a uint64 tensor on its device."""
        tensors = self._held.tensors()
        where = [tensor.data_ptr() for tensor in tensors]
        if where != self._where:  # the first call, or code that puts new tensors where the old ones were
            self._where, self._groups = where, _grouped(tensors)
        hashes = [group.hash() for group in self._groups] or [0]
        on_device = [value for value in hashes if isinstance(value, torch.Tensor)]
        if not on_device:
            return hashes  # type: ignore[return-value]
        device = on_device[0].device
        return torch.stack([_scalar(value, device) for value in hashes])


def _scalar(value: int | torch.Tensor, device: torch.device) -> torch.Tensor:
    """A uint64 scalar on `device`."""
    return torch.as_tensor(value, dtype=torch.uint64, device=device)


def _grouped(tensors: list[torch.Tensor]) -> list[_Group]:
    """The tensors that have values to hash, a shared one once."""
    once = {id(tensor): tensor.detach() for tensor in tensors if tensor.is_floating_point() and tensor.numel()}
    by_type: dict[tuple[torch.dtype, torch.device], list[torch.Tensor]] = {}
    for tensor in once.values():
        if tensor.numel() <= SMALL:
            by_type.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    large = [[tensor] for tensor in once.values() if tensor.numel() > SMALL]
    return [_Group(group) for group in (*by_type.values(), *large)]
