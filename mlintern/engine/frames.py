"""Frames: arrays over a pipe, from code that nobody trusts to code that checks every byte of them.

A frame is the length of its header, the header (one small JSON object with `dtype`, `shape` and the sender's notes) and
the values as raw bytes. The receiver allocates nothing before it has found the header in order, and reads no more than
it says. There are no pickles, no references and no types but numbers.
"""

import json
import math
import os
import select
import struct
from typing import Any

import numpy as np

from mlintern.core.errors import UserError

PIECE_BYTES = 16 << 20
"""Values of one frame, at most, unless one row has more: a sender splits a batch by rows."""
MOST_BYTES = 1 << 30
"""Values of one frame, in any case."""
MOST_HEADER = 4096
DTYPES = ("<f4", "<f8", "<i8", "<i4", "|u1", "|b1")
_LENGTH = struct.Struct("<I")


class Sender:
    """Writes frames to a pipe."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor

    def send(self, values: np.ndarray, **notes: Any) -> None:
        """Send values [n, ...] in as many frames as it takes, each with the same notes."""
        values = np.ascontiguousarray(values)
        per_row = max(1, math.prod(values.shape[1:]) * values.itemsize)
        rows = max(1, PIECE_BYTES // per_row)
        if per_row > MOST_BYTES:
            raise UserError(
                f"model: the outputs for one example take {per_row >> 20} MiB; {MOST_BYTES >> 20} MiB is the most that "
                "can be scored"
            )
        for at in range(0, max(1, len(values)), rows):
            piece = values[at : at + rows]
            kind = piece.dtype.newbyteorder("<").str
            header = json.dumps({**notes, "dtype": kind, "shape": list(piece.shape)}).encode()
            self._write(_LENGTH.pack(len(header)) + header)
            self._write(piece.astype(kind, copy=False).reshape(-1).view(np.uint8))

    def _write(self, data: Any) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]


class Ended(UserError):
    """The sender is gone and there is nothing left in the pipe."""


class Receiver:
    """Reads frames from a pipe, until `ended`, another pipe, has something to read and this one is empty.

    Both ends of the frames' pipe stay open from one sender to the next, so that its end alone would say nothing.
    """

    def __init__(self, descriptor: int, ended: int):
        self.descriptor, self.ended = descriptor, ended
        os.set_blocking(descriptor, False)

    def frame(self) -> tuple[dict[str, Any], np.ndarray] | None:
        """The next frame's notes and values; None where the sender has ended between two frames.

        Raises UserError for a frame that is not in order.
        """
        first = self._some(_LENGTH.size)
        if not first:
            return None
        (length,) = _LENGTH.unpack(self._all(first, _LENGTH.size))
        if not 2 <= length <= MOST_HEADER:
            raise UserError(f"outputs: a frame's header of {length} bytes; {MOST_HEADER} is the most")
        notes, dtype, shape = _checked(self._all(b"", length))
        values = np.empty(shape, dtype)
        if values.nbytes:
            self._fill(memoryview(values.reshape(-1).view(np.uint8)))  # type: ignore[arg-type]
        return notes, values

    def rest(self) -> int:
        """How many bytes come after the last frame; more than the pipe holds are not counted."""
        return len(self._some(1 << 20))

    def _some(self, most: int) -> bytes:
        """At least one byte and at most `most`; none where the sender has ended."""
        while True:
            try:
                data = os.read(self.descriptor, most)
            except BlockingIOError:
                ready, _, _ = select.select([self.descriptor, self.ended], [], [])
                if self.descriptor not in ready:
                    return self._last(most)  # what was written before the end is in the pipe by now
                continue
            return data

    def _last(self, most: int) -> bytes:
        try:
            return os.read(self.descriptor, most)
        except BlockingIOError:
            return b""

    def _all(self, begun: bytes, size: int) -> bytes:
        data = bytearray(begun)
        while len(data) < size:
            more = self._some(size - len(data))
            if not more:
                raise Ended("outputs: they break off in the middle of a frame")
            data += more
        return bytes(data)

    def _fill(self, view: memoryview) -> None:
        while view:
            data = self._some(min(len(view), 1 << 20))
            if not data:
                raise Ended("outputs: they break off in the middle of a frame")
            view[: len(data)] = data
            view = view[len(data) :]


def _checked(header: bytes) -> tuple[dict[str, Any], np.dtype[Any], tuple[int, ...]]:
    """Notes, type and shape of a header; raises UserError for one that is not in order."""
    try:
        notes = json.loads(header)
        dtype, shape = notes.pop("dtype"), notes.pop("shape")
        flat = all(value is None or isinstance(value, str | int) for value in notes.values())
    except (ValueError, RecursionError, KeyError, AttributeError, TypeError):
        raise UserError("outputs: a frame's header is not readable") from None
    if dtype not in DTYPES or not flat:
        raise UserError(f"outputs: a frame of type {str(dtype)[:40]!r}; {', '.join(DTYPES)} are known")
    if not isinstance(shape, list) or not 1 <= len(shape) <= 8 or not all(_is_size(n) for n in shape):
        raise UserError("outputs: a frame's shape is no list of one to eight sizes")
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size > MOST_BYTES:
        raise UserError(f"outputs: a frame of {size >> 20} MiB; {MOST_BYTES >> 20} MiB is the most")
    return notes, np.dtype(dtype), tuple(shape)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_BYTES
