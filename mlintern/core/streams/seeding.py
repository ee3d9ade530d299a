"""Named random streams: every draw is a pure function of (seed, name, counters).

There is no generator state to save, to restore or to disturb: which batch comes next, what an augmentation does and
which units dropout drops are looked up from a key, not drawn from a sequence. A loader worker more or less, a
validation pass, a logger or a kill and resume therefore cannot change a bit.

The keys come from BLAKE2b (RFC 7693) over the seed, the stream's name and its counters; numpy's streams are Philox
4x64-10 generators (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3") on such a key.
"""

import contextlib
import functools
import hashlib
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mlintern.core.errors import UserError

if TYPE_CHECKING:
    import torch

STREAMS = ("init", "order", "dropout", "augment", "data", "evaluation")
"""The engine's streams. Generated code gets its randomness from these and from nowhere else."""

MAX_SEED = 2**63 - 1

_NUMBER = struct.Struct("<cIq")


def check_seed(seed: object) -> int:
    """`seed` if it is a whole number from 0 to 2^63-1 (0 is a seed like any other); else a UserError."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise UserError(f"seed={seed}: not a whole number; use seed=0 or any number up to {MAX_SEED}")
    if not 0 <= seed <= MAX_SEED:
        raise UserError(f"seed={seed}: out of range; use a whole number from 0 to {MAX_SEED}")
    return seed


def key_bytes(seed: int, name: str, *counters: int | str) -> bytes:
    """The 32-byte key of stream `name` at `counters`. Every part is length-prefixed, so no two paths collide."""
    data = b"".join([_part(part) for part in (seed, name, *counters)])
    return hashlib.blake2b(data, digest_size=32, person=b"mlintern.stream").digest()


def _part(part: int | str) -> bytes:
    if isinstance(part, str):
        text = part.encode()
        return b"s" + struct.pack("<I", len(text)) + text
    return _NUMBER.pack(b"i", 8, part)


def key(seed: int, name: str, *counters: int | str) -> int:
    """The key as a 63-bit number, as torch's generators take it."""
    return int.from_bytes(key_bytes(seed, name, *counters)[:8], "little") >> 1


def generator(seed: int, name: str, *counters: int | str) -> np.random.Generator:
    """A numpy generator (Philox) at the given key: equal keys, equal draws, whoever asks and whenever."""
    words = np.frombuffer(key_bytes(seed, name, *counters)[:16], dtype="<u8")
    return np.random.Generator(np.random.Philox(key=words))


def epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order of the n training examples in this epoch: an int64 permutation [n]."""
    return generator(seed, "order", epoch).permutation(n)


def reseed_default(seed: int, name: str, *counters: int | str) -> None:
    """Set torch's default generators (CPU and every visible GPU) to a key; called before each training step.

    Only the generators that a module's own dropout draws from: `torch.manual_seed` would do the same at a hundred
    times the cost.
    """
    import torch

    value = key(seed, name, *counters)
    torch.default_generator.manual_seed(value)
    if _has_gpu():  # pragma: no cover - needs a GPU
        for device in torch.cuda.default_generators:
            device.manual_seed(value)


@functools.cache
def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@contextlib.contextmanager
def fork_torch(seed: int, name: str, *counters: int | str) -> Iterator[None]:
    """Run a block on its own torch stream and put the default generators back as they were."""
    import torch

    generators = [torch.default_generator]
    if torch.cuda.is_available():  # pragma: no cover - needs a GPU
        generators += torch.cuda.default_generators
    states = [generator.get_state() for generator in generators]
    reseed_default(seed, name, *counters)
    try:
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


@contextlib.contextmanager
def legacy_globals(seed: int, name: str, *counters: int | str) -> Iterator[None]:
    """For dataset generators of other people's packages that draw from `random` and `numpy.random`.

    Both are set to a key for the block and restored after it, so that such a package cannot disturb anyone else. A
    generator that seeds itself (as published datasets do) overrides the key, and that is its right.
    """
    import random

    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002 - other packages' global, restored
    value = key(seed, name, *counters)
    np.random.seed(value % 2**32)  # noqa: NPY002
    random.seed(value)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def stream_heads(seed: int) -> dict[str, str]:
    """First key of every stream, as hex: kept in the run record so that two runs' streams can be compared."""
    return {name: key_bytes(seed, name, 0).hex()[:16] for name in STREAMS}


def torch_generator(seed: int, name: str, *counters: int | str) -> "torch.Generator":
    """A torch generator of its own at the given key (for loaders, and for code that wants one)."""
    import torch

    return torch.Generator().manual_seed(key(seed, name, *counters))
