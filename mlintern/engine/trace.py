"""The trace of a run: every step's loss with a hash chain over them, and a digest of the weights after every step.

Losses stay on the device until a flush, so that a GPU is never asked to wait for a step. The chain is sha256 over the
previous link and the loss's four bytes: two runs whose chains agree at step k agree on every loss up to k.
"""

import hashlib
from typing import Any

import numpy as np
import torch

FLUSH_EVERY = 256
"""Steps between flushes; a fixed grid, so that what is noticed at a flush (divergence) is the same on every rerun."""

GENESIS = hashlib.sha256(b"mlintern.loss_chain").digest()


class Trace:
    """Losses, chain and digests of a run from step 0; restored from a checkpoint by `losses` and `digests`."""

    def __init__(self, losses: np.ndarray | None = None, digests: np.ndarray | None = None):
        self._blocks: list[np.ndarray] = []
        self._digests: list[np.ndarray] = []
        self._pending: list[float | torch.Tensor] = []
        self._pending_digests: list[list[int] | torch.Tensor] = []
        self.links: list[str] = []
        self.link = GENESIS
        self.diverged_at: int | None = None
        if losses is not None and len(losses):
            self._extend(losses.astype(np.float32))
        if digests is not None and len(digests):
            self._digests.append(digests)

    def __len__(self) -> int:
        return len(self.links) + len(self._pending)

    def append(self, loss: float | torch.Tensor, digest: list[int] | torch.Tensor | None = None) -> None:
        """Note one step's loss and the digest [groups] of the weights after it; tensors stay on their device."""
        self._pending.append(loss)
        if digest is not None:
            self._pending_digests.append(digest)

    def flush(self) -> None:
        """Bring what is pending to the CPU and into the chain."""
        if self._pending:
            self._extend(_together(self._pending, np.float32))
            self._pending.clear()
        if self._pending_digests:
            self._digests.append(folded(_together(self._pending_digests, np.uint64)))
            self._pending_digests.clear()

    def losses(self) -> np.ndarray:
        """float32 [steps] of everything flushed so far."""
        return np.concatenate(self._blocks) if self._blocks else np.empty(0, dtype=np.float32)

    def digests(self) -> np.ndarray:
        """int64 [steps]: the weights after each step, as numbers to compare."""
        return np.concatenate(self._digests) if self._digests else np.empty(0, dtype=np.int64)

    def _extend(self, losses: np.ndarray) -> None:
        if self.diverged_at is None and not np.isfinite(losses).all():
            self.diverged_at = len(self.links) + int(np.flatnonzero(~np.isfinite(losses))[0])
        for value in losses.astype("<f4"):
            self.link = hashlib.sha256(self.link + value.tobytes()).digest()
            self.links.append(self.link.hex())
        self._blocks.append(losses)


def _together(values: list[Any], dtype: Any) -> np.ndarray:
    """Numbers, lists of numbers or tensors as one array; a device is asked once."""
    if isinstance(values[0], torch.Tensor):
        stacked = torch.stack(values)
        return (stacked.float() if stacked.is_floating_point() else stacked).cpu().numpy()
    return np.array(values, dtype=dtype)


def folded(hashes: np.ndarray) -> np.ndarray:
    """uint64 [steps, groups] to one int64 per step."""
    rows = (hashlib.blake2b(row.astype("<u8").tobytes(), digest_size=8).digest() for row in hashes)
    return np.frombuffer(b"".join(rows), dtype="<i8").astype(np.int64)
