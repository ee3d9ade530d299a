"""One typed answer: found in the record, or asked for within the budget; what breaks off or is unusable is asked again.

Order of things for a paid call: the record is looked at, tokens are counted, the most it may cost is set aside on disk,
the call is made, its true cost replaces the reservation, and the answer is recorded. A crash between any two of these
costs at most the reservation and never a second payment for an answer that was recorded.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from mlintern.author.asking.dialogue import Dialogue
from mlintern.author.asking.messages import Answer, Request, TextBlock
from mlintern.author.asking.money import Ledger, TokenPrice, price_of
from mlintern.author.asking.providers.base import BrokenOff, NotBilled, Progress, Provider, Refused, Truncated
from mlintern.author.asking.redact import redact
from mlintern.core.errors import UserError

M = TypeVar("M", bound=BaseModel)
ATTEMPTS = 3  # answers of one request: interrupted, truncated or not satisfying the schema
MOST_TOKENS = 128_000

Check = Callable[[M], str]
"""What is wrong with an answer beyond its schema, in words for the model; empty if nothing."""


def _silent(_: str) -> None:
    return None


def _nothing_wrong(_: BaseModel) -> str:
    return ""


@dataclasses.dataclass
class Asker:
    """Asks a provider on behalf of the stages, with one ledger and one record."""

    provider: Provider
    dialogue: Dialogue
    ledger: Ledger
    price: TokenPrice | None = None
    """The user's own price of the model; None: the table's."""
    progress: Progress = _silent
    asked: list[str] = dataclasses.field(default_factory=list)
    """Hashes of the requests that the authoring used, in order, for provenance."""
    models: set[str] = dataclasses.field(default_factory=set)
    """Models that answered, as they name themselves."""

    def ask(self, request: Request, form: type[M], check: Check[M] = _nothing_wrong) -> M:
        """The answer to `request` as a `form`; a bad answer is asked for again with the complaint beside it.

        Raises UserError when `ATTEMPTS` answers were bad, and what providers and the ledger raise.
        """
        complaint = ""
        current = request
        tried: list[Request] = []
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._answer(current)
            tried.append(current)
            self.asked.append(current.sha256())
            self.models.add(answer.model)
            try:
                value = form.model_validate(json_object(answer.text))
                complaint = check(value)
            except (ValueError, ValidationError) as error:
                complaint = _shortly(error)
            else:
                if not complaint:
                    return value
            current = _again(request, answer.text, complaint, attempt)
        for bad in tried:  # so that running again asks again
            self.dialogue.forget(bad)
        raise UserError(
            f"{self.provider.name}: {ATTEMPTS} answers to the {request.stage} request were not usable; the last one: "
            f"{redact(complaint)[:400]}; try another llm.model"
        )

    def _answer(self, request: Request) -> Answer:
        if (known := self.dialogue.find(request)) is not None:
            return known
        problem = ""
        for _ in range(ATTEMPTS):
            try:
                answer = self._paid(request) if self.provider.paid else self.provider.ask(request, self.progress)
            except Truncated:
                problem = f"it was longer than {request.max_tokens:,} tokens"
                if request.max_tokens >= MOST_TOKENS:
                    break
                request = dataclasses.replace(request, max_tokens=min(2 * request.max_tokens, MOST_TOKENS))
            except BrokenOff as interrupted:
                problem = f"it broke off ({interrupted.reason})"
            else:
                answer = dataclasses.replace(answer, text=_canonical(redact(answer.text)))
                self.dialogue.record(request, answer)
                return answer
        raise UserError(
            f"{self.provider.name}: no whole answer to the {request.stage} request: {problem}; run again, finished "
            f"stages are kept, or choose another llm.model"
        )

    def _paid(self, request: Request) -> Answer:
        """One call, with its cost set aside before and settled after."""
        price = price_of(self.provider.model, self.price)
        tokens = self.provider.count_tokens(request)
        number = self.ledger.reserve(request.stage, self.provider.model, price, tokens, request.max_tokens)
        try:
            answer = self.provider.ask(request, self.progress)
        except NotBilled:
            self.ledger.release(number)
            raise
        except (Truncated, Refused) as billed:
            self.ledger.settle(number, price, billed.usage)
            raise
        self.ledger.settle(number, price, answer.usage)
        return answer


def json_object(text: str) -> dict[str, object]:
    """The JSON object in an answer, with or without a code fence around it. Raises ValueError."""
    fenced = re.search(r"```(?:json)?\s*\n(.*?)\n\s*```", text, re.DOTALL)
    try:
        value = json.loads(fenced[1] if fenced and not text.lstrip().startswith("{") else text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the answer is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("the answer is not a JSON object")
    return value


def _canonical(text: str) -> str:
    """An answer in one spelling of its JSON, so that a record reads the same however it was spaced and escaped."""
    try:
        return json.dumps(json_object(text), ensure_ascii=False)
    except ValueError:
        return text


def _again(request: Request, answer: str, complaint: str, attempt: int) -> Request:
    """The same question with the unusable answer and the complaint; always from the original, so it cannot grow."""
    note = (
        f"Answer {attempt} to this request was not usable. It is quoted here as data; write the whole answer anew.\n\n"
        f"What was wrong: {complaint[:4000]}\n\n<earlier_answer>\n{answer[:60_000]}\n</earlier_answer>"
    )
    return dataclasses.replace(request, blocks=(*request.blocks, TextBlock(note)))


def _shortly(error: Exception) -> str:
    if isinstance(error, ValidationError):
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)[:20]]
        return "; ".join(lines)
    return str(error)
