"""Secrets stay out of every line that is printed, stored or sent."""

import os
import re

_SECRET_NAMES = re.compile(r"(?:_|^)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
_SHAPES = re.compile(r"\bsk-[A-Za-z0-9_-]{8,}|\bBearer\s+[A-Za-z0-9._~+/=-]{8,}|\bhf_[A-Za-z0-9]{16,}")
_SHORTEST = 8  # characters; a shorter value would blot out ordinary words


def redact(text: str) -> str:
    """`text` with the values of secret environment variables, and anything shaped like an API key, blotted out."""
    for name, value in os.environ.items():
        if _SECRET_NAMES.search(name) and len(value) >= _SHORTEST:
            text = text.replace(value, "[secret]")
    return _SHAPES.sub("[secret]", text)
