"""The processes of one cell: rank 0 is the caller, the further ranks are started here and die with it.

Every rank builds the same cell and takes the same steps; a step's shards are divided among them (see `shards`). Only
rank 0 evaluates, writes checkpoints and records. A rank has no state of its own: all of them continue from rank 0's
checkpoint, which is why a run may be resumed on another world size. No barrier is needed for that: rank 0 cannot
finish its first step, let alone write a newer checkpoint, before every rank has read the one there is.
"""

import contextlib
import datetime
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from mlintern.core.errors import Interrupted

HOST = "127.0.0.1"
START_S = 600.0
"""How long ranks may take to start: each imports torch and builds the cell, perhaps on a busy machine."""
STEP_TIMEOUT = datetime.timedelta(days=7)
"""How long ranks wait for each other in a step; rank 0 may be evaluating, and a dead rank is noticed otherwise."""
WATCH_EVERY_S = 0.5


Along = Callable[[int, int], Callable[[], object]]
"""What a further rank does: given its rank and the number of ranks, it builds the cell and returns its training."""


@contextlib.contextmanager
def started(size: int, accelerator: str, along: Along) -> Iterator[None]:
    """Start the ranks 1 … size-1 of a cell for the block; in it, this process is rank 0 of their group.

    `along` can be pickled. With one process nothing is started. Raises RuntimeError naming the rank if one of them
    ends before its time.
    """
    if size == 1:
        yield
        return
    store = torch.distributed.TCPStore(HOST, 0, size, is_master=True, wait_for_workers=False)
    spawn = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
    shared = (size, store.port, os.getpid(), accelerator, along)
    others: list[BaseProcess] = [
        spawn.Process(target=_run_rank, args=(rank, *shared), name=f"rank {rank} of {size}") for rank in range(1, size)
    ]
    try:
        for other in others:
            other.start()
        _await(store, others)
        try:
            with _group(store, 0, size, accelerator):
                yield
        except RuntimeError as error:
            if isinstance(error, torch.distributed.DistError) or "gloo" in str(error).lower():
                _name_the_dead(others, error)  # a collective fails when its peer is gone
            raise
        for other in others:
            other.join(WATCH_EVERY_S * 20)
    finally:
        for other in others:
            if other.pid is not None:
                other.kill()
                other.join()


def _await(store: Any, others: list[BaseProcess]) -> None:
    """Wait until every rank has said that it is there."""
    deadline = time.monotonic() + START_S
    while not store.check([f"ready/{rank}" for rank in range(1, len(others) + 1)]):
        _name_the_dead(others, None)
        if time.monotonic() > deadline:
            raise RuntimeError(f"trainer.devices={len(others) + 1}: the ranks did not start within {START_S:.0f} s")
        time.sleep(0.02)


def _name_the_dead(others: list[BaseProcess], error: Exception | None) -> None:
    """Raise a RuntimeError for the first rank that has failed, if one has."""
    for other in others:
        if error is not None:
            other.join(WATCH_EVERY_S)  # its socket closes before its exit code is known
        code = other.exitcode
        if code:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise RuntimeError(f"{other.name} {how}; run again to continue from the checkpoint") from error


@contextlib.contextmanager
def _group(store: Any, rank: int, size: int, accelerator: str) -> Iterator[None]:
    """Be a member of the ranks' process group for the block: gloo on CPUs, nccl on GPUs."""
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the host's name may lead to no interface, or to a slow one
    backend = "gloo" if accelerator == "cpu" else "nccl"
    torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=STEP_TIMEOUT)
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def _run_rank(rank: int, size: int, port: int, parent: int, accelerator: str, along: Along) -> None:
    """One further rank, from start to end: it trains along and writes nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 decides when to stop
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    train = along(rank, size)
    store = torch.distributed.TCPStore(HOST, port, size, is_master=False)
    store.set(f"ready/{rank}", "")
    with _group(store, rank, size, accelerator), contextlib.suppress(Interrupted):
        train()


def _end_with(parent: int) -> None:
    """End this process when rank 0 is no longer its parent, however it died."""
    while os.getppid() == parent:
        time.sleep(WATCH_EVERY_S)
    os._exit(1)
