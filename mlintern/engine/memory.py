"""Memory: how much a cell takes at most, and whether an error says that there was not enough."""

import resource
import sys
from pathlib import Path

import torch

_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_CPU_MESSAGES = ("can't allocate memory", "not enough memory", "std::bad_alloc", "Cannot allocate memory")
"""How torch's CPU allocators say it, in a plain RuntimeError."""


def reset_peak() -> None:
    """Start counting the peak anew, where the system can (Linux): a worker trains one cell after the other."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        _CLEAR_REFS.write_text("5")  # see proc(5): resets VmHWM
    except OSError:
        return  # no such file, or a sandbox in between: the peak is the process's since its start


def peak_bytes() -> int:
    """Most memory since the last reset, in bytes: a GPU's allocations where there is one, else the process's RAM."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Does the error say that an allocation failed, on a GPU or on the CPU?"""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _CPU_MESSAGES)
