"""Feeding a sandboxed program and reading what it writes, both outputs at once and within bounds."""

import os
import selectors
from typing import IO, Protocol

CHUNK = 1 << 16


class Piped(Protocol):
    """A running program's three pipes."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None


def communicate(process: Piped, input: bytes, most: int) -> tuple[bytes, bytes, bool]:
    """Feeds stdin and reads both outputs until they end or one grows past the limit (then True)."""
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    collected = {process.stdout: bytearray(), process.stderr: bytearray()}
    waiting = memoryview(input)
    with selectors.DefaultSelector() as selector:
        for stream in collected:
            selector.register(stream, selectors.EVENT_READ)
        if waiting:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        else:
            process.stdin.close()
        while selector.get_map():
            for key, _ in selector.select():
                if key.fileobj is process.stdin:
                    waiting = feed(process.stdin, waiting)
                    if not waiting:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                chunk = os.read(key.fd, CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                    continue
                kept = collected[key.fileobj]  # type: ignore[index]
                kept += chunk
                if len(kept) > most:
                    return bytes(collected[process.stdout]), bytes(collected[process.stderr]), True
    return bytes(collected[process.stdout]), bytes(collected[process.stderr]), False


def feed(stdin: IO[bytes], waiting: memoryview) -> memoryview:
    try:
        return waiting[os.write(stdin.fileno(), waiting[:CHUNK]) :]
    except BrokenPipeError:
        return waiting[:0]  # it reads no more; its exit code says whether that matters
