"""Answers from chat completions: OpenAI's, or any server that speaks them (vLLM, llama.cpp, Ollama, LM Studio …).

What servers of this kind understand differs. The most is asked for first (an answer held to its JSON schema, figures as
images); a server that refuses one of these is asked again without it, and the schema then stands in the request's text.
Source of the wire format: https://platform.openai.com/docs/api-reference/chat
"""

import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from mlintern.author.asking.messages import Answer, FileBlock, Request, TextBlock, Usage
from mlintern.author.asking.providers.base import (
    BrokenOff,
    NotBilled,
    Progress,
    Refused,
    Truncated,
    address_of,
    forbid_live_request,
)
from mlintern.author.asking.redact import redact
from mlintern.core.errors import UserError

DEFAULT_URL = "https://api.openai.com/v1"
RETRIES = 5
TIMEOUT_S = 600.0
_LONGEST_WAIT_S = 60.0
_TRANSIENT = (408, 409, 429, 500, 502, 503, 504)
_CHARACTERS_PER_TOKEN = 3  # of English text and code it is nearer to four: an estimate that errs to the high side
_TOKENS_PER_FILE = 2_000
_THOUGHT = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)
"""What some models write before their answer, where the server does not take it out."""
_FIXES = {
    400: "the request was not accepted",
    401: "the key was not accepted; check OPENAI_API_KEY",
    403: "the key may not use this model or server; choose another llm.model or key",
    404: "there is no such model or server; check llm.model and llm.base_url (the part before /chat/completions)",
    413: "the request is too large for the server; the paper may have too many figures",
    429: "the rate limit or the account's limit holds; wait and run again, finished stages are kept",
}


def root_of(base_url: str | None) -> str:
    """The URL before `/chat/completions`: with or without /v1, a trailing slash or the whole endpoint's path."""
    url = (base_url or DEFAULT_URL).rstrip("/").removesuffix("/chat/completions")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"llm.base_url={base_url}: not a URL; give it as http://host:port/v1")
    return url if parts.path else f"{url}/v1"


def is_own_machine(url: str) -> bool:
    """Is the server on this machine or in a private network, where nothing is billed?"""
    address = address_of(url)
    return address is not None and (address.is_loopback or address.is_private)


class OpenAIProvider:
    """Chat completions of any server that speaks them; a server of one's own needs no key and costs nothing."""

    name = "openai"
    paid = True

    def __init__(
        self,
        model: str | None,
        base_url: str | None = None,
        retries: int = RETRIES,
        timeout_s: float = TIMEOUT_S,
    ):
        """Raises UserError without a model or where the server needs a key that is not there."""
        if not model:
            raise UserError("llm.provider=openai: no model; name the server's with llm.model=…")
        self.model, self.retries = model, retries
        self.url = root_of(base_url or os.environ.get("OPENAI_BASE_URL"))
        key = os.environ.get("OPENAI_API_KEY")
        if not key and self.url == DEFAULT_URL:
            raise UserError("llm.provider=openai: no key; set OPENAI_API_KEY, or name a server with llm.base_url=…")
        forbid_live_request(self.url)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.client = httpx.Client(headers=headers, timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 30.0)))
        self.without: set[str] = set()
        """What this server has refused: `json_schema`, `json_object`, `stream_options`, `max_tokens`, `files`."""

    def count_tokens(self, request: Request) -> int:
        """Input tokens of the request, estimated to the high side: these servers count none beforehand."""
        texts = [
            request.system,
            json.dumps(request.schema),
            *(b.text for b in request.blocks if isinstance(b, TextBlock)),
        ]
        files = sum(isinstance(block, FileBlock) for block in request.blocks)
        return sum(len(text.encode()) for text in texts) // _CHARACTERS_PER_TOKEN + _TOKENS_PER_FILE * files

    def ask(self, request: Request, progress: Progress) -> Answer:
        """The answer, streamed where the server streams; raises UserError, Truncated, Refused or Interrupted."""
        attempt = 0
        while True:
            try:
                with self.client.stream("POST", f"{self.url}/chat/completions", json=self.body(request)) as response:
                    if response.status_code == 200:
                        return self._answer(request, response, progress)
                    problem, wait_s = self._problem(request, response, attempt)
            except httpx.TimeoutException:  # the server may have worked, and billed
                raise UserError(
                    f"{self._where(request)}: no answer in time; a slow server needs a longer llm.timeout_s; run "
                    "again, finished stages are kept"
                ) from None
            except httpx.HTTPError as error:
                problem = NotBilled(
                    f"{self._where(request)}: cannot reach {self.url}: {redact(str(error))}; check llm.base_url and "
                    "the network"
                )
                wait_s = _backoff(attempt)
            if wait_s is None or attempt == self.retries:
                raise problem
            time.sleep(wait_s)
            attempt += wait_s > 0  # asking for less is no retry

    def body(self, request: Request) -> dict[str, Any]:
        """The request on the wire."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": request.system},
                {"role": "user", "content": self._content(request)},
            ],
            "stream": True,
            "max_completion_tokens" if "max_tokens" in self.without else "max_tokens": request.max_tokens,
        }
        if "stream_options" not in self.without:
            body["stream_options"] = {"include_usage": True}
        if "json_schema" not in self.without:
            form = {"name": re.sub(r"\W", "_", request.stage), "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        elif "json_object" not in self.without:
            body["response_format"] = {"type": "json_object"}
        return body

    def _content(self, request: Request) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        for block in request.blocks:
            if isinstance(block, TextBlock):
                parts.append({"type": "text", "text": block.text})
            elif "files" in self.without:
                parts.append({"type": "text", "text": f"({block.name} cannot be shown here.)"})
            elif block.media_type == "application/pdf":
                data = f"data:application/pdf;base64,{block.data}"
                parts.append({"type": "file", "file": {"filename": f"{block.name}.pdf", "file_data": data}})
            else:
                parts.append(
                    {"type": "image_url", "image_url": {"url": f"data:{block.media_type};base64,{block.data}"}}
                )
        if "json_schema" in self.without:
            schema = json.dumps(request.schema, ensure_ascii=False)
            text = f"Answer with one JSON object and nothing else. It must satisfy this JSON schema:\n{schema}"
            parts.append({"type": "text", "text": text})
        return parts

    def _answer(self, request: Request, response: httpx.Response, progress: Progress) -> Answer:
        """What came back; a server that does not stream answers in one piece."""
        texts: list[str] = []
        usage: dict[str, Any] = {}
        model, reason, refusal = self.model, None, ""
        try:
            for piece in _pieces(response):
                usage = piece.get("usage") or usage
                model = str(piece.get("model") or model)
                for choice in (piece.get("choices") or [])[:1]:
                    said = choice.get("delta") or choice.get("message") or {}
                    refusal += said.get("refusal") or ""
                    if text := said.get("content"):
                        texts.append(text)
                        progress(text)
                    reason = choice.get("finish_reason") or reason
                if "error" in piece:
                    raise BrokenOff(redact(json.dumps(piece["error"]))[:300])
        except (httpx.HTTPError, ValueError, AttributeError, TypeError) as error:  # cut off, or not of this format
            raise BrokenOff(redact(f"{type(error).__name__}: {error}")[:300]) from None
        text = (
            _THOUGHT.sub("", "".join(texts), count=1) if texts and texts[0].lstrip().startswith("<") else "".join(texts)
        )
        found = self._usage(request, usage, text)
        if reason == "length":
            raise Truncated(found)
        if reason == "content_filter" or (refusal and not text):
            raise Refused(f"{model} refused the {request.stage} request; try another llm.model", found)
        if reason is None:
            raise BrokenOff("the stream ended before the answer did")
        return Answer(text=text, model=model, usage=found, stop_reason=str(reason))

    def _usage(self, request: Request, said: dict[str, Any], text: str) -> Usage:
        """Tokens as the server counted them, else as they are estimated."""
        if not isinstance(said.get("prompt_tokens"), int) or not isinstance(said.get("completion_tokens"), int):
            return Usage(input=self.count_tokens(request), output=len(text.encode()) // _CHARACTERS_PER_TOKEN)
        cached = (said.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        return Usage(input=said["prompt_tokens"] - cached, output=said["completion_tokens"], cache_read=cached)

    def _problem(self, request: Request, response: httpx.Response, attempt: int) -> tuple[UserError, float | None]:
        """What a refusal means, and seconds to wait before the next attempt (None: none helps)."""
        said = redact(_said(response))[:300]
        status = response.status_code
        if status in (400, 415, 422, 500, 501) and (refused := self._refused(request, said)):
            self.without.add(refused)
            return self._failure(request, status, said), 0.0
        wait_s = None
        if status in _TRANSIENT and "insufficient_quota" not in said:
            wait_s = _seconds(response.headers.get("retry-after")) or _backoff(attempt)
        return self._failure(request, status, said), wait_s

    def _failure(self, request: Request, status: int, said: str) -> UserError:
        fix = _FIXES.get(status, "the server failed; run again later, finished stages are kept")
        return NotBilled(f"{self._where(request)}: HTTP {status}: {fix}. The server says: {said}")

    def _refused(self, request: Request, said: str) -> str | None:
        """Which of the things that not every server has this one refuses, by what it says."""
        words = said.lower()
        named = {
            "max_tokens": "max_completion_tokens" in words,
            "stream_options": "stream_options" in words,
            "files": any(w in words for w in ("image", "file", "multimodal", "vision")) and self._has_files(request),
            "json_object": "json_object" in words or ("response_format" in words and "json_schema" in self.without),
            "json_schema": any(w in words for w in ("response_format", "json_schema", "schema", "grammar")),
        }
        return next((name for name, found in named.items() if found and name not in self.without), None)

    def _has_files(self, request: Request) -> bool:
        return any(isinstance(block, FileBlock) for block in request.blocks)

    def _where(self, request: Request) -> str:
        return f"llm.provider=openai ({request.stage}, {self.model})"


def _pieces(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON objects of an answer: its events, or the one body of a server that does not stream."""
    if "text/event-stream" not in response.headers.get("content-type", ""):
        yield json.loads(response.read())
        return
    for line in response.iter_lines():
        data = line.removeprefix("data:").strip()
        if line.startswith("data:") and data != "[DONE]":
            yield json.loads(data)


def _said(response: httpx.Response) -> str:
    """The server's own words for a failure."""
    try:
        text = response.read().decode(errors="replace")
    except httpx.HTTPError:
        return "nothing"
    try:
        value = json.loads(text)
    except ValueError:
        return " ".join(text.split())
    error = value.get("error", value) if isinstance(value, dict) else value
    return str(error.get("message", error) if isinstance(error, dict) else error)


def _seconds(header: str | None) -> float | None:
    try:
        return min(float(header), _LONGEST_WAIT_S) if header else None
    except ValueError:  # a date
        return None


def _backoff(attempt: int) -> float:
    return min(0.5 * 2.0**attempt, 8.0)
