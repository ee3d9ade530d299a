"""What this host's sandbox has, for tests that need it."""

from mlintern.core.errors import UserError
from mlintern.sandbox.process import offered


def capabilities(backend: str = "auto") -> list[str]:
    """The layers that hold on this host; empty when there is no sandbox to be had."""
    try:
        return offered(backend)[1]
    except UserError:
        return []
