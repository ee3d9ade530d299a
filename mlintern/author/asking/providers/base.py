"""What every provider offers, and how its failures are told apart."""

import dataclasses
import ipaddress
import os
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

from mlintern.author.asking.messages import Answer, Request, Usage
from mlintern.core.errors import UserError

NO_LIVE_REQUESTS = "MLINTERN_NO_LIVE_REQUESTS"
"""Environment variable: when set (tests set it), only servers on loopback may be asked."""

Progress = Callable[[str], None]
"""Called with each piece of an answer's text as it arrives."""


class Provider(Protocol):
    """Answers requests. `ask` raises UserError, `Truncated`, `Refused` or `BrokenOff`."""

    name: str
    model: str
    paid: bool
    """Whether answers cost money; then `count_tokens` is asked before each call."""

    def count_tokens(self, request: Request) -> int:
        return 0

    def ask(self, request: Request, progress: Progress) -> Answer: ...


@dataclasses.dataclass
class Truncated(Exception):
    """The answer reached `max_tokens` before it was complete; it was billed."""

    usage: Usage


@dataclasses.dataclass
class BrokenOff(Exception):
    """The answer broke off after it had begun: billed, for an unknown amount."""

    reason: str


class NotBilled(UserError):
    """The request failed before any answer began, so nothing was billed."""


class Refused(UserError):
    """The model declined to answer; `usage` was billed."""

    def __init__(self, message: str, usage: Usage):
        super().__init__(message)
        self.usage = usage


def forbid_live_request(url: str) -> None:
    """Raise UserError if live requests are switched off and `url` is not on this machine."""
    if not os.environ.get(NO_LIVE_REQUESTS):
        return
    address = address_of(url)
    if address is None or not address.is_loopback:
        host = urlsplit(url).hostname or ""
        raise UserError(f"{NO_LIVE_REQUESTS} is set, and {host} is not on this machine; unset it, or use llm.base_url")


def address_of(url: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address of a URL's host, where it is given as one or is this machine; None for a name to be looked up."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None
