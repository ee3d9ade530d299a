"""The trace of a run: every step's loss, and a hash chain over them.

Losses stay on the device until a flush, so that a GPU is never asked to wait for a step. The chain is sha256 over the
previous link and the loss's four bytes: two runs whose chains agree at step k agree on every loss up to k.
"""

import hashlib

import numpy as np
import torch

FLUSH_EVERY = 256
"""Steps between flushes; a fixed grid, so that what is noticed at a flush (divergence) is the same on every rerun."""

GENESIS = hashlib.sha256(b"mlintern.loss_chain").digest()


class Trace:
    """Losses and chain of a run from step 0; restored from a checkpoint by `losses`."""

    def __init__(self, losses: np.ndarray | None = None):
        self._blocks: list[np.ndarray] = []
        self._pending: list[torch.Tensor] = []
        self.links: list[str] = []
        self.link = GENESIS
        self.diverged_at: int | None = None
        if losses is not None and len(losses):
            self._extend(losses.astype(np.float32))

    def __len__(self) -> int:
        return len(self.links) + len(self._pending)

    def append(self, loss: torch.Tensor) -> None:
        """Note one step's loss (scalar, still on its device)."""
        self._pending.append(loss.detach())

    def flush(self) -> None:
        """Bring what is pending to the CPU and into the chain."""
        if self._pending:
            self._extend(torch.stack(self._pending).float().cpu().numpy())
            self._pending.clear()

    def losses(self) -> np.ndarray:
        """float32 [steps] of everything flushed so far."""
        return np.concatenate(self._blocks) if self._blocks else np.empty(0, dtype=np.float32)

    def _extend(self, losses: np.ndarray) -> None:
        if self.diverged_at is None and not np.isfinite(losses).all():
            self.diverged_at = len(self.links) + int(np.flatnonzero(~np.isfinite(losses))[0])
        for value in losses.astype("<f4"):
            self.link = hashlib.sha256(self.link + value.tobytes()).digest()
            self.links.append(self.link.hex())
        self._blocks.append(losses)
