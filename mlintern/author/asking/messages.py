"""What is asked of a language model and what comes back, independent of who answers.

A request is one turn: a system text, blocks (the paper's text first, so that it can be cached), and the JSON schema of
the answer. Repairs are new requests that quote the earlier answer as data, never a continued conversation, so that any
request stands for itself, hashes stably and can be answered from a file.
"""

import dataclasses
import hashlib
import json
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class TextBlock:
    """A run of text of the request."""

    text: str
    cache: bool = False
    """Ask the server to cache the request up to here: set on the paper's text, which every stage repeats."""


@dataclasses.dataclass(frozen=True)
class FileBlock:
    """An image or a PDF."""

    media_type: Literal["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"]
    data: str
    """Base64."""
    name: str
    """What the request's text calls it: `figure-2`, `page 5`."""


Block = TextBlock | FileBlock


@dataclasses.dataclass(frozen=True)
class Request:
    """One question to a language model."""

    stage: str
    system: str
    blocks: tuple[Block, ...]
    schema: dict[str, Any]
    """JSON schema that the answer must satisfy."""
    max_tokens: int = 32_000
    """Most tokens of the answer, thinking included."""

    def sha256(self) -> str:
        """Hash of what is asked; the bound on the answer's length is not part of the question."""
        asked = dataclasses.asdict(self)
        del asked["max_tokens"]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Usage:
    """Tokens of one answer, as the server counts them."""

    input: int = 0
    output: int = 0
    cache_write: int = 0
    cache_read: int = 0


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back."""

    text: str
    model: str
    usage: Usage
    stop_reason: str = "end_turn"
