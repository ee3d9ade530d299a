"""One polite, bounded, resumable download.

Why not a ready-made client: the `arxiv` package talks to its own fixed address, and none of the usual retry helpers
covers all of what a shared archive needs at once: a rate limit over several processes, Retry-After, resuming with
If-Range, a deadline that a slow drip cannot stretch, and bodies that are checked before they count as received.
"""

import contextlib
import email.utils
import fcntl
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from mlintern import __version__
from mlintern.core.errors import UserError
from mlintern.core.files import writing
from mlintern.paper.fetch.archive import GZIP_ERRORS, gunzip
from mlintern.paper.settings import PaperSettings

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_BACKOFF_S = 60.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class NotThere(Exception):
    """The server answered, and it has no such thing (404, 410, or a body of another kind)."""


class BadBody(Exception):
    """A body that is not what was sent; asking again may help."""


class _Failed(Exception):
    """One attempt failed in a way that another one may mend."""

    def __init__(self, reason: str, retry_after_s: float = 0.0):
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Downloader:
    """Downloads within the limits of `settings`; `rate_file` is shared by all processes that use the same cache."""

    def __init__(self, settings: PaperSettings, rate_file: Path):
        self.settings = settings
        self.rate_file = rate_file
        contact = settings.contact or "no contact given"
        self.headers = {"User-Agent": f"mlintern/{__version__} ({contact})", "Accept-Encoding": "identity"}

    def get(self, url: str, partial: Path, verify: Callable[[Path], None]) -> str:
        """Download `url` to `partial`, resuming what an earlier call left there; returns its address after redirects.

        `verify(path)` raises BadBody for a body that should be asked for again, NotThere for one that is of no use.
        Raises NotThere, or UserError when the attempts or the deadline are used up.
        """
        settings = self.settings
        deadline = time.monotonic() + settings.deadline_s
        tried = 0
        while True:
            tried += 1
            try:
                final = self._attempt(url, partial, deadline)
                try:
                    verify(partial)
                except (BadBody, NotThere):
                    forget(partial)
                    raise
                return final
            except BadBody as problem:
                failed = _Failed(str(problem))
            except _Failed as problem:
                failed = problem
            backoff = min(settings.backoff_s * 2 ** (tried - 1), _LONGEST_BACKOFF_S)
            wait = max(backoff, failed.retry_after_s)
            left = deadline - time.monotonic()
            if tried >= settings.attempts or wait >= left:
                raise self._give_up(url, failed, tried, wait, left)
            time.sleep(wait)

    def _give_up(self, url: str, failed: _Failed, tried: int, wait: float, left: float) -> UserError:
        settings = self.settings
        if left <= 0:
            why, fix = f"{failed}, and paper.deadline_s={settings.deadline_s:g} is over", "raise it or try again later"
        elif wait >= left and failed.retry_after_s >= left:
            why, fix = f"{failed}, and the server asks to wait {failed.retry_after_s:.0f} s", "try again after that"
        else:
            why, fix = f"{failed}", "try again later, or set paper.arxiv_url to a mirror"
        return UserError(f"{url}: {why} (attempt {tried} of {settings.attempts}); {fix}")

    def _wait_for_turn(self) -> None:
        """Sleep until `request_interval_s` has passed since the last request of any process that shares the cache."""
        interval = self.settings.request_interval_s
        if interval == 0:
            return
        with writing(self.rate_file):
            self.rate_file.parent.mkdir(parents=True, exist_ok=True)
            with open(self.rate_file, "a+") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                handle.seek(0)
                with contextlib.suppress(ValueError):
                    last = float(handle.read() or 0.0)
                    time.sleep(min(max(last + interval - time.time(), 0.0), interval))  # a clock may be set back
                handle.truncate(0)
                handle.write(repr(time.time()))
                handle.flush()

    def _attempt(self, url: str, partial: Path, deadline: float) -> str:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _Failed("no time left")
        limits = httpx.Timeout(min(self.settings.timeout_s, left))
        trust_env = urlsplit(url).hostname not in _LOOPBACK  # a proxy cannot reach this machine's loopback
        with httpx.Client(timeout=limits, follow_redirects=True, max_redirects=5, trust_env=trust_env) as client:
            # A header sent byte by byte never trips the read timeout, so the connection is cut from outside.
            watchdog = threading.Timer(left, client.close)
            watchdog.daemon = True
            watchdog.start()
            try:
                self._wait_for_turn()
                return self._receive(client, url, partial, deadline)
            except httpx.InvalidURL as error:
                raise UserError(f"{url}: not an address that can be asked ({error}); check paper.arxiv_url") from None
            except httpx.TooManyRedirects:
                raise NotThere("it redirects in circles") from None
            except (httpx.HTTPError, httpx.StreamError) as error:
                if time.monotonic() >= deadline:
                    raise _Failed("too slow") from None
                raise _Failed(_reason(error)) from None
            finally:
                watchdog.cancel()

    def _receive(self, client: httpx.Client, url: str, partial: Path, deadline: float) -> str:
        validator = _validator_of(partial)
        headers = dict(self.headers)
        have = partial.stat().st_size if validator else 0
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        with client.stream("GET", url, headers=headers) as response:
            status = response.status_code
            if status == 416:
                forget(partial)
                raise _Failed("the partial download no longer fits")
            if status in RETRIED:
                raise _Failed(f"HTTP {status} {response.reason_phrase}", _retry_after_s(response))
            if status in (404, 410):
                raise NotThere(f"HTTP {status}")
            if status in (401, 403):
                raise UserError(
                    f"{url}: refused (HTTP {status}); arXiv blocks clients that ask too often or say no contact: "
                    "wait, and set paper.contact to your e-mail address"
                )
            if status not in (200, 206):
                raise NotThere(f"HTTP {status}")
            resumed = status == 206 and response.headers.get("content-range", "").startswith(f"bytes {have}-")
            if status == 206 and not resumed:
                forget(partial)
                raise _Failed("the server sent another range than was asked for")
            self._store(response, partial, resumed, deadline)
            encoding = response.headers.get("content-encoding", "").lower()
            final = str(response.url)
        if encoding in ("gzip", "x-gzip"):
            _undo_gzip(partial, self.settings.max_download_bytes)
        return final

    def _store(self, response: httpx.Response, partial: Path, resumed: bool, deadline: float) -> None:
        limit = self.settings.max_download_bytes
        length = response.headers.get("content-length", "")
        expected = int(length) if length.isascii() and length.isdigit() else None
        size = partial.stat().st_size if resumed else 0
        too_big = UserError(
            f"{response.url}: more than {limit} bytes; if this is right, raise paper.max_download_bytes"
        )
        if expected is not None and size + expected > limit:
            raise too_big
        received = 0
        with writing(partial):
            partial.parent.mkdir(parents=True, exist_ok=True)
            _write_validator(partial, response)
            with open(partial, "ab" if resumed else "wb") as out:
                for chunk in response.iter_raw():
                    received += len(chunk)
                    if size + received > limit:
                        raise too_big
                    out.write(chunk)
                    if time.monotonic() >= deadline:
                        raise _Failed(f"too slow ({received} bytes came)")
        if expected is not None and received != expected:
            raise _Failed(f"the body ended after {received} of {expected} bytes")


def _validator_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _write_validator(partial: Path, response: httpx.Response) -> None:
    """Keep what proves that the rest of a body belongs to its beginning: a strong ETag, else Last-Modified."""
    etag = response.headers.get("etag", "")
    validator = etag if etag and not etag.startswith("W/") else response.headers.get("last-modified", "")
    _validator_file(partial).write_text(json.dumps(validator))


def _validator_of(partial: Path) -> str:
    try:
        validator = json.loads(_validator_file(partial).read_text())
        return validator if partial.is_file() and isinstance(validator, str) else ""
    except (OSError, ValueError):
        return ""


def forget(partial: Path) -> None:
    """Remove a partial download and what is known about it."""
    partial.unlink(missing_ok=True)
    _validator_file(partial).unlink(missing_ok=True)


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds that a Retry-After header asks for (a number or a date, RFC 9110 10.2.3); 0 without a usable one."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        then = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max((then - datetime.now(UTC)).total_seconds(), 0.0)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.ConnectError):
        return f"cannot connect ({error})"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return f"the connection broke ({error or type(error).__name__})"


def _undo_gzip(path: Path, limit: int) -> None:
    """Replace a body sent with Content-Encoding: gzip by what it encodes; a body that is not gzip stays."""
    with open(path, "rb") as probe:
        if probe.read(2) != b"\x1f\x8b":
            return
    plain = path.with_name(path.name + ".plain")
    try:
        with open(plain, "wb") as out:
            if not gunzip(path, limit, out):
                raise UserError(f"{path.name}: expands to more than {limit} bytes; refused")
        plain.replace(path)
    except GZIP_ERRORS as error:
        forget(path)
        raise _Failed(f"the body is damaged ({error})") from None
    finally:
        plain.unlink(missing_ok=True)
