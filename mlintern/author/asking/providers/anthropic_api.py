"""Answers from the Messages API, through the official client: streamed, structured, with the paper's text cached.

The client retries what failed before an answer began (connection, 408, 409, 429, 5xx, 529; it honours retry-after). An
answer that breaks off half way is `Interrupted`: it was billed, so asking again is for the one who keeps the money.
"""

import json
import os
from typing import Any

import anthropic
import httpx2

from mlintern.author.asking.messages import Answer, FileBlock, Request, Usage
from mlintern.author.asking.providers.base import (
    BrokenOff,
    NotBilled,
    Progress,
    Refused,
    Truncated,
    forbid_live_request,
)
from mlintern.author.asking.providers.models import default_model
from mlintern.author.asking.redact import redact
from mlintern.core.errors import UserError

LARGEST_ANSWER = 128_000  # tokens, of every current model
RETRIES = 5
TIMEOUT_S = 600.0
"""Longest silence of the server by default; a streamed answer may take longer as a whole."""

_FIXES = {
    400: "the request was not accepted",
    401: "the key was not accepted; check ANTHROPIC_API_KEY",
    402: "there is a problem with the account's billing; see the provider's console",
    403: "the key may not use this model or server; choose another llm.model or key",
    404: "there is no such model or server; check llm.model and llm.base_url (a server that speaks chat completions "
    "needs llm.provider=openai)",
    413: "the request is too large for the server; the paper may have too many figures",
    429: "the rate limit holds; wait and run again, finished stages are kept",
    529: "the server is overloaded; run again later, finished stages are kept",
}


class AnthropicProvider:
    """The Messages API of Anthropic, or of any server that speaks it (`base_url`)."""

    name = "anthropic"
    paid = True

    def __init__(
        self,
        model: str | None = None,
        base_url: str | None = None,
        retries: int = RETRIES,
        timeout_s: float = TIMEOUT_S,
    ):
        """Raises UserError without a key, and for a live request where those are switched off."""
        if not (os.environ.get("ANTHROPIC_API_KEY") or os.environ.get("ANTHROPIC_AUTH_TOKEN")):
            raise UserError(
                "llm.provider=anthropic: no key; set ANTHROPIC_API_KEY, or use llm.provider=manual, which needs none"
            )
        self.model = model or default_model()
        if base_url is not None:  # the client adds /v1 itself
            base_url = base_url.rstrip("/").removesuffix("/v1")
        try:
            self.client = anthropic.Anthropic(base_url=base_url, max_retries=retries, timeout=timeout_s)
        except anthropic.AnthropicError as error:
            raise UserError(f"llm.provider=anthropic: {redact(str(error))}") from None
        forbid_live_request(str(self.client.base_url))

    def count_tokens(self, request: Request) -> int:
        """Input tokens of the request, as the server counts them."""
        parameters = self._parameters(request)
        del parameters["max_tokens"]
        try:
            return int(self.client.messages.count_tokens(**parameters).input_tokens)
        except (anthropic.APIError, httpx2.HTTPError) as error:
            raise self._problem(error, request) from None

    def ask(self, request: Request, progress: Progress) -> Answer:
        """The answer, streamed; raises UserError, Truncated, Refused, or Interrupted once an answer had begun."""
        manager = self.client.messages.stream(**self._parameters(request))
        try:
            stream = manager.__enter__()
        except (anthropic.APIError, httpx2.HTTPError) as error:
            raise self._problem(error, request) from None
        try:
            for text in stream.text_stream:
                progress(text)
            message = stream.get_final_message()
        except (anthropic.APIError, httpx2.HTTPError, json.JSONDecodeError) as error:
            raise BrokenOff(redact(str(error))[:300]) from None
        except AssertionError:  # how the client says that the stream ended before any message
            raise BrokenOff("the stream ended without a message") from None
        finally:
            stream.close()
        usage = _usage(message.usage)
        if message.stop_reason in ("max_tokens", "model_context_window_exceeded"):
            raise Truncated(usage)
        if message.stop_reason == "refusal":
            details = message.stop_details
            why = f" ({details.category})" if details and details.category else ""
            raise Refused(
                f"{self.model} refused the {request.stage} request{why}; try another llm.model, or llm.provider=manual",
                usage,
            )
        if message.stop_reason is None:
            raise BrokenOff("the stream ended before the answer did")
        if message.stop_reason == "pause_turn":  # a server's own tools do this, and none are asked for
            raise BrokenOff("the server paused the turn")
        text = "".join(block.text for block in message.content if block.type == "text")
        return Answer(text=text, model=str(message.model), usage=usage, stop_reason=str(message.stop_reason))

    def _parameters(self, request: Request) -> dict[str, Any]:
        return {
            "model": self.model,
            "max_tokens": min(request.max_tokens, LARGEST_ANSWER),
            "system": [{"type": "text", "text": request.system}],
            "messages": [{"role": "user", "content": [_wire(block) for block in request.blocks]}],
            "output_config": {"format": {"type": "json_schema", "schema": anthropic.transform_schema(request.schema)}},
        }

    def _problem(self, error: Exception, request: Request) -> UserError:
        where = f"llm.provider=anthropic ({request.stage}, {self.model})"
        if isinstance(error, anthropic.APIStatusError):
            fix = _FIXES.get(error.status_code, "the server failed; run again later, finished stages are kept")
            said = redact(error.api_message or error.message)[:300]
            request_id = f" [{error.request_id}]" if error.request_id else ""
            return NotBilled(f"{where}: HTTP {error.status_code}: {fix}. The server says: {said}{request_id}")
        if isinstance(error, anthropic.APITimeoutError):  # the server may have worked, and billed
            return UserError(f"{where}: no answer in time; run again, finished stages are kept")
        return NotBilled(f"{where}: cannot reach {self.client.base_url}: {redact(str(error))}; check the network")


def _wire(block: Any) -> dict[str, Any]:
    if isinstance(block, FileBlock):
        kind = "document" if block.media_type == "application/pdf" else "image"
        return {"type": kind, "source": {"type": "base64", "media_type": block.media_type, "data": block.data}}
    wire: dict[str, Any] = {"type": "text", "text": block.text}
    if block.cache:
        wire["cache_control"] = {"type": "ephemeral"}
    return wire


def _usage(usage: Any) -> Usage:
    return Usage(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cache_write=usage.cache_creation_input_tokens or 0,
        cache_read=usage.cache_read_input_tokens or 0,
    )
