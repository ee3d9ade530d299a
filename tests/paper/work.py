"""How much work something is, counted and not timed: a busy machine changes nothing about it."""

import sys
from collections.abc import Callable
from types import FrameType


def calls_in(do: Callable[[], object]) -> int:
    """How many Python functions are called while something is done, whether or not it raises."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        do()
    finally:
        sys.setprofile(before)
    return calls
