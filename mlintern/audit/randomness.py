"""The audit's own random streams: a pure function of (seed, purpose), never the global generators."""

import hashlib

import numpy as np


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """An independent Philox generator for this purpose; equal arguments, equal stream, on any machine."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest[:16], dtype="<u8")))


def drawn(n: int, limit: int, seed: int, *purpose: str | int) -> np.ndarray:
    """Sorted row numbers below n: all of them, or `limit` drawn for this purpose."""
    if n <= limit:
        return np.arange(n)
    return np.sort(generator(seed, *purpose).choice(n, limit, replace=False))
