"""Where papers come from and how politely: the `paper.*` keys of the configuration."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlintern.core.errors import UserError

ARXIV_URL = "https://arxiv.org"
_EXPORT_URL = "https://export.arxiv.org"
_AR5IV_URL = "https://ar5iv.labs.arxiv.org"


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/mlintern/papers`, by default below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "mlintern" / "papers"


@dataclass(frozen=True)
class PaperSettings:
    """How papers are fetched. Raises UserError naming the key for a value that cannot work.

    The defaults follow https://info.arxiv.org/help/api/tou.html: one request every three seconds, one at a time.
    """

    arxiv_url: str = ARXIV_URL
    """Serves /e-print/, /html/ and /pdf/. A mirror set here serves the API too, unless `export_url` says otherwise."""
    export_url: str = ""
    """Serves /api/query. Empty: export.arxiv.org for arXiv itself, else `arxiv_url`."""
    ar5iv_url: str = ""
    """A second source of HTML, used for a paper's newest version. Empty: ar5iv for arXiv itself, else none."""
    contact: str = ""
    """Goes into the user agent, so that arXiv can write to you before it blocks you: an e-mail address or a URL."""
    cache_dir: Path = dataclasses.field(default_factory=default_cache)
    roads: tuple[str, ...] = ("source", "html", "pdf")
    """What is asked for, in this order, until something can be read."""
    request_interval_s: float = 3.0
    """Seconds between two requests of all processes that share the cache."""
    attempts: int = 5
    """Requests per address before giving up on 429, 5xx, broken connections and damaged bodies."""
    backoff_s: float = 2.0
    """Seconds before the second attempt; doubled each time, up to a minute; a server's Retry-After counts if longer."""
    timeout_s: float = 30.0
    """Seconds of silence after which a connection is given up."""
    deadline_s: float = 600.0
    """Seconds for one address, all attempts and waits included."""
    max_download_bytes: int = 200_000_000
    offline: bool = False
    """Use the cache only."""
    refresh: bool = False
    """Ask arXiv again for the newest version, although the cache knows one."""

    def __post_init__(self) -> None:
        for name in ("arxiv_url", "export_url", "ar5iv_url"):
            value = getattr(self, name).rstrip("/")
            object.__setattr__(self, name, value)
            if (value or name == "arxiv_url") and not _is_http(value):
                raise UserError(f"paper.{name}={value!r} is not an http(s) address; write it like {ARXIV_URL}")
        for name in ("request_interval_s", "backoff_s"):
            if not 0 <= getattr(self, name) < 3600:
                raise UserError(f"paper.{name}={getattr(self, name)!r} is not between 0 and 3600 seconds")
        for name in ("timeout_s", "deadline_s", "attempts", "max_download_bytes"):
            if not getattr(self, name) > 0:
                raise UserError(f"paper.{name}={getattr(self, name)!r} must be above 0")
        if not self.roads or set(self.roads) - {"source", "html", "pdf"}:
            raise UserError(f"paper.roads={list(self.roads)}: give some of source, html, pdf in the order to try")
        if any(not (32 <= ord(char) < 127) for char in self.contact):
            raise UserError("paper.contact holds a character that a header cannot carry; use plain ASCII")
        object.__setattr__(self, "cache_dir", Path(self.cache_dir).expanduser().absolute())
        is_arxiv = self.arxiv_url == ARXIV_URL
        if not self.export_url:
            object.__setattr__(self, "export_url", _EXPORT_URL if is_arxiv else self.arxiv_url)
        if not self.ar5iv_url and is_arxiv:
            object.__setattr__(self, "ar5iv_url", _AR5IV_URL)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "PaperSettings":
        """Settings from configuration values or command-line texts (`{"attempts": "3"}`); unknown keys are refused."""
        kinds = {field.name: field for field in dataclasses.fields(cls)}
        read: dict[str, Any] = {}
        for key, value in values.items():
            if key not in kinds:
                raise UserError(f"paper.{key} is not a setting; there are {', '.join(sorted(kinds))}")
            reader, what = _KINDS[str(kinds[key].type)]
            try:
                read[key] = reader(value)
            except (TypeError, ValueError):
                raise UserError(f"paper.{key}={value!r} is not {what}") from None
        return cls(**read)


def _is_http(value: str) -> bool:
    try:
        url = urlsplit(value)
        return url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:  # a port that is no number, or brackets that do not close
        return False


def _read_bool(value: Any) -> bool:
    if str(value).lower() in ("true", "1", "yes", "on"):
        return True
    if str(value).lower() in ("false", "0", "no", "off"):
        return False
    raise ValueError(value)


def _read_names(value: Any) -> tuple[str, ...]:
    names = value.strip("[]() ").split(",") if isinstance(value, str) else value
    return tuple(str(name).strip() for name in names)


_KINDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "<class 'str'>": (str, "text"),
    "<class 'float'>": (float, "a number"),
    "<class 'int'>": (int, "a whole number"),
    "<class 'bool'>": (_read_bool, "true or false"),
    "<class 'pathlib.Path'>": (Path, "a path"),
    "tuple[str, ...]": (_read_names, "a list of names"),
}
