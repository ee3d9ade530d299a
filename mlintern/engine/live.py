"""The live snapshot: where a small run is after every step, in memory that outlives the process.

A checkpoint is flushed to the disk and therefore written once a second. A snapshot is a copy into a file that is mapped
into memory: the kernel owns its pages, so `kill -9` loses nothing that was copied, while a power cut may lose all of it
(hence the boot id in it). It holds two copies in turn, so that one is whole whenever the process dies, and the losses
since the last checkpoint, which has the rest: evaluations, chosen weights, earlier losses.

The rule: a run whose tensors are on the CPU and come to at most `LARGEST` bytes is copied after every step, or, where a
copy takes more than `SHARE` of a step, after every k-th, k the smallest number that keeps to that share. After an
evaluation, which may have chosen new weights, copies wait for the next checkpoint: it is written at once, unless the
last one was so recent that checkpoints would take over 5 % of the time. A resume from a snapshot gives the bits of any
other resume: what it holds is a function of the cell and the step.
"""

import json
import math
import mmap
import os
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlintern.core.errors import Damaged
from mlintern.core.files import write_problem
from mlintern.core.plain import read_plain
from mlintern.engine.weights import Held

LIVE_FILE = "checkpoint.live"
LARGEST = 64 << 20
SHARE = 0.05
MOST_STEPS = 1 << 14
"""Steps that may lie between a snapshot and its checkpoint; the loop writes a checkpoint before they run out."""

_HEAD = struct.Struct("<8sIIqq40s64s")  # magic, length of layout, digest groups, first step, bytes of a copy, boot, run
_MARK = struct.Struct("<qqII")  # turn (0: being written), step, CRC of the copy, CRC of the losses and digests so far
_MAGIC = b"mlinter2"
_MARKS_AT = 192
_MOST_BYTES = 1 << 30
_LAYOUT_AT = _MARKS_AT + 2 * _MARK.size
_PAGE = 4096


class Snapshot:
    """Copies of one run's model and optimizer, made after steps."""

    def __init__(
        self,
        path: Path,
        identity: str,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        groups: int,
        step: int,
    ):
        """Make the file for the run `identity`, which has just written its checkpoint of `step`; digests have `groups`
        numbers."""
        self.optimizer, self.held = optimizer, Held(model)
        entries = [
            [f"{kind}/{name}", str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
            for kind, name, tensor in (
                *(("model", name, tensor) for name, tensor in zip(self.held.names, self.held.tensors(), strict=True)),
                *(("optimizer", name, tensor) for name, tensor in _optimizer_tensors(optimizer)),
            )
        ]
        layout = json.dumps(entries).encode()
        tensors = self._tensors()
        self.shapes = [tensor.shape for tensor in tensors]
        self.size = sum(_room(tensor) for tensor in tensors)
        start = -(-(_LAYOUT_AT + len(layout)) // _PAGE) * _PAGE
        length = start + 2 * self.size + MOST_STEPS * (4 + 8 * groups)
        try:
            path.unlink(missing_ok=True)  # never write into a file that another process may be reading
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise write_problem(path, error) from error
        try:
            os.posix_fallocate(descriptor, 0, length)  # a full disk is an error here and not a SIGBUS later
            self.map = mmap.mmap(descriptor, length)
        except OSError as error:
            raise write_problem(path, error) from error
        finally:
            os.close(descriptor)
        self.map[_LAYOUT_AT : _LAYOUT_AT + len(layout)] = layout
        self.first, self.turn = step, 0
        self.copies = [_views(self.map, start + self.size * half, tensors) for half in (0, 1)]
        at = start + 2 * self.size
        self.losses = np.frombuffer(self.map, dtype=np.float32, count=MOST_STEPS, offset=at)
        at += 4 * MOST_STEPS
        self.digests = np.frombuffer(self.map, dtype=np.uint64, count=MOST_STEPS * groups, offset=at)
        self.digests = self.digests.reshape(MOST_STEPS, groups)
        _HEAD.pack_into(self.map, 0, _MAGIC, len(layout), groups, step, self.size, _boot_id(), identity.encode())
        self.start, self._traced = start, 0
        self.every, self._cost, self._began, self._asked = 1, math.inf, time.perf_counter(), 0

    @staticmethod
    def possible(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> bool:
        """Can this run be kept so: on the CPU, not too large, and with an optimizer whose state is tensors?"""
        tensors = [*model.state_dict().values(), *(tensor for _, tensor in _optimizer_tensors(optimizer))]
        kept = [tensor for tensor in tensors if isinstance(tensor, torch.Tensor)]
        plain = all(isinstance(v, torch.Tensor) for entries in optimizer.state.values() for v in entries.values())
        small = sum(_room(tensor) for tensor in kept) <= LARGEST
        return plain and small and len(kept) == len(tensors) and all(t.device.type == "cpu" for t in kept)

    def step_done(self, step: int, loss: float | torch.Tensor, digest: list[int] | torch.Tensor) -> bool:
        """Note the loss and digest of the step that makes it `step` steps, and copy everything if it is time to.

        False where this file has no room for it, because its losses are full or the state has another shape by now.
        """
        place = step - 1 - self.first
        if place >= MOST_STEPS or len(digest) != self.digests.shape[1]:
            return False
        self.losses[place] = loss
        self.digests[place] = digest
        self._traced = zlib.crc32(
            self.digests[place].data, zlib.crc32(self.losses[place : place + 1].data, self._traced)
        )
        self._asked += 1
        if self._asked % self.every:
            return True
        began = time.perf_counter()
        tensors = self._tensors()
        if [tensor.shape for tensor in tensors] != self.shapes:
            return False
        half = self.turn & 1
        at = _MARKS_AT + half * _MARK.size
        _MARK.pack_into(self.map, at, 0, 0, 0, 0)
        with torch.no_grad():
            torch._foreach_copy_(self.copies[half], tensors)
        self.turn += 1
        _MARK.pack_into(self.map, at, self.turn, step, _copied(self.map, self.start, self.size, half), self._traced)
        now = time.perf_counter()
        self._budget(now - began, now - self._began)
        return True

    def _tensors(self) -> list[torch.Tensor]:
        return [*self.held.tensors(), *(tensor for _, tensor in _optimizer_tensors(self.optimizer))]

    def _budget(self, cost: float, elapsed: float) -> None:
        """Set `every` from the cheapest copy so far and the mean step, which `elapsed` seconds of all steps tell."""
        self._cost = min(self._cost, cost)
        step = elapsed / self._asked - self._cost / self.every
        self.every = max(1, math.ceil(self._cost / (SHARE * step))) if step > 0 else 1


Found = tuple[int, dict[str, torch.Tensor], torch.Tensor, torch.Tensor]
"""Steps done, tensors by `model/…` and `optimizer/…`, losses and digests since the checkpoint."""


def read(path: Path, identity: str, checkpoint_step: int) -> Found | None:
    """What is newer than the checkpoint of that step, if there is something: of this boot and this run, whole,
    unchanged, and continuing that very checkpoint. Whatever else stands there is as good as nothing.
    """
    try:
        data = bytearray(read_plain(path, _MOST_BYTES))
        return _parse(data, identity, checkpoint_step)
    except (Damaged, struct.error, ValueError, TypeError, AttributeError, KeyError, RuntimeError, OverflowError):
        return None


def _parse(data: bytearray, identity: str, checkpoint_step: int) -> Found | None:
    magic, length, groups, first, size, boot, run = _HEAD.unpack_from(data)
    marks = [_MARK.unpack_from(data, _MARKS_AT + half * _MARK.size) for half in (0, 1)]
    half = 0 if marks[0][0] > marks[1][0] else 1
    turn, step, copied, traced = marks[half]
    if magic != _MAGIC or boot != _boot_id() or not turn or first != checkpoint_step or step <= first:
        return None
    if run.rstrip(b"\0") != identity.encode():
        return None
    layout = json.loads(data[_LAYOUT_AT : _LAYOUT_AT + length])
    start = -(-(_LAYOUT_AT + length) // _PAGE) * _PAGE
    empty = [torch.empty(shape, dtype=getattr(torch, dtype), device="meta") for _, dtype, shape in layout]
    views = _views(data, start + half * size, empty)
    at, done = start + 2 * size, step - first
    losses = torch.frombuffer(data, dtype=torch.float32, count=done, offset=at).clone()
    digests = torch.frombuffer(data, dtype=torch.uint64, count=done * groups, offset=at + 4 * MOST_STEPS).clone()
    checked = 0
    for loss, digest in zip(losses.numpy(), digests.numpy().reshape(done, groups), strict=True):
        checked = zlib.crc32(digest.data, zlib.crc32(loss.tobytes(), checked))
    if (_copied(data, start, size, half), checked) != (copied, traced):
        return None
    named: list[Any] = [name for name, _, _ in layout]
    return step, {n: v.clone() for n, v in zip(named, views, strict=True)}, losses, digests.view(done, groups)


def _copied(buffer: Any, start: int, size: int, half: int) -> int:
    """CRC of one of the two copies."""
    with memoryview(buffer) as view:
        return zlib.crc32(view[start + half * size : start + (half + 1) * size])


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> list[tuple[str, torch.Tensor]]:
    """(name as in a checkpoint, tensor) of an optimizer's state."""
    return [
        (f"{index}/{name}", value)
        for index, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"])
        if parameter in optimizer.state
        for name, value in optimizer.state[parameter].items()
        if isinstance(value, torch.Tensor)
    ]


def _room(tensor: torch.Tensor) -> int:
    """Bytes that a tensor takes in a copy: a multiple of 64, so that every one begins on a cache line."""
    return -(-tensor.numel() * tensor.element_size() // 64) * 64


def _views(buffer: Any, at: int, like: list[torch.Tensor]) -> list[torch.Tensor]:
    """Tensors of those types and shapes that lie in `buffer` from `at` on."""
    views = []
    for tensor in like:
        count = tensor.numel()
        flat = torch.frombuffer(buffer, dtype=tensor.dtype, count=count, offset=at) if count else tensor.reshape(-1)
        views.append(flat.view(tensor.shape))
        at += _room(tensor)
    return views


def _boot_id() -> bytes:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip().ljust(40, b"\0")
    except OSError:  # not Linux: there is no telling, so that no snapshot is ever taken up
        return os.urandom(40)
