"""What every entry point does first: a character that the terminal's encoding lacks is printed as `?`."""

import io
import sys


def never_fail() -> None:
    """Let stdout and stderr take any text: under an ASCII or Latin locale an `…` would end a study with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
