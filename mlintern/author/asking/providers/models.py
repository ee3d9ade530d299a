"""Which model answers by default: the strongest current one that the installed client names."""

import re
from typing import get_args

_STRENGTH = {"haiku": 0, "sonnet": 1, "opus": 2, "fable": 3}
"""Lines in the order of strength. Mythos is the same model as Fable for approved organisations only."""
_NAME = re.compile(r"claude-(?P<line>[a-z]+)-(?P<major>\d{1,2})(?:-(?P<minor>\d{1,2}))?")


def strongest(names: list[str], deprecated: frozenset[str] = frozenset()) -> str:
    """The strongest of `names`: by line, then by version; dated snapshots and deprecated names do not count.

    Raises ValueError if none is of a known line.
    """
    ranked = [
        ((_STRENGTH[found["line"]], int(found["major"]), int(found["minor"] or 0)), name)
        for name in names
        if name not in deprecated and (found := _NAME.fullmatch(name)) and found["line"] in _STRENGTH
    ]
    if not ranked:
        raise ValueError("none of the client's models is of a known line")
    return max(ranked)[1]


def default_model() -> str:
    """The strongest current model that the installed `anthropic` client names."""
    from anthropic.resources.messages.messages import DEPRECATED_MODELS
    from anthropic.types.model import Model

    literal = next(arg for arg in get_args(Model) if get_args(arg))
    return strongest(list(get_args(literal)), frozenset(DEPRECATED_MODELS))
