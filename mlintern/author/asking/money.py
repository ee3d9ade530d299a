"""Money: what a call may cost is set aside before it is made, and nothing is asked of a model whose price is unknown.

The ledger is a file, written before and after each call: a killed process leaves its reservation standing as spent, so
a resumed authoring can never pass the limit unseen.
"""

import dataclasses
from pathlib import Path
from typing import Any

from mlintern.author.asking.messages import Usage
from mlintern.core import files
from mlintern.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class TokenPrice:
    """US dollars per million tokens."""

    input: float
    output: float
    cache_write: float
    """Writing a prefix to the five-minute cache."""
    cache_read: float

    @classmethod
    def plain(cls, input: float, output: float) -> "TokenPrice":
        """A price without cache terms: a cache write counts as 1.25 times the input's price, a read as the input's."""
        return cls(input, output, 1.25 * input, input)


# https://platform.claude.com/docs/en/about-claude/pricing, as of 2026-11-16
PRICES = {
    "claude-fable-5-2": TokenPrice(8.0, 40.0, 10.0, 0.2),
    "claude-mythos-5-2": TokenPrice(8.0, 40.0, 10.0, 0.2),
    "claude-fable-5-1": TokenPrice(10.0, 50.0, 12.5, 0.25),
    "claude-mythos-5-1": TokenPrice(10.0, 50.0, 12.5, 0.25),
    "claude-fable-5": TokenPrice(10.0, 50.0, 12.5, 1.0),
    "claude-mythos-5": TokenPrice(10.0, 50.0, 12.5, 1.0),
    "claude-opus-5-5": TokenPrice(4.0, 20.0, 5.0, 0.2),
    "claude-opus-5": TokenPrice(5.0, 25.0, 6.25, 0.5),
    "claude-opus-4-8": TokenPrice(5.0, 25.0, 6.25, 0.5),
    "claude-opus-4-7": TokenPrice(5.0, 25.0, 6.25, 0.5),
    "claude-opus-4-6": TokenPrice(5.0, 25.0, 6.25, 0.5),
    "claude-opus-4-5": TokenPrice(5.0, 25.0, 6.25, 0.5),
    "claude-opus-4-5-20251101": TokenPrice(5.0, 25.0, 6.25, 0.5),
    "claude-sonnet-5-5": TokenPrice(2.0, 10.0, 2.5, 0.1),
    "claude-sonnet-5": TokenPrice(2.0, 10.0, 2.5, 0.2),
    "claude-sonnet-4-6": TokenPrice(3.0, 15.0, 3.75, 0.3),
    "claude-haiku-5-5": TokenPrice(
        0.5, 2.5, 0.625, 0.05
    ),  # the price of prompts over 100,000 tokens; shorter ones cost less
    "claude-haiku-4-5": TokenPrice(1.0, 5.0, 1.25, 0.1),
    "claude-haiku-4-5-20251001": TokenPrice(1.0, 5.0, 1.25, 0.1),
}


def price_of(model: str, given: TokenPrice | None = None) -> TokenPrice:
    """The price of `model`: the one the user gives, else the table's. Raises UserError for a model without either."""
    if given is not None:
        return given
    if model not in PRICES:
        raise UserError(
            f"llm.model={model}: its price is not known, so llm.budget_usd cannot be kept; give it as "
            f"llm.price.input=… llm.price.output=… (dollars per million tokens), or choose one of {', '.join(PRICES)}"
        )
    return PRICES[model]


def cost(price: TokenPrice, usage: Usage) -> float:
    """Dollars of one answer."""
    tokens = (
        usage.input * price.input
        + usage.output * price.output
        + usage.cache_write * price.cache_write
        + usage.cache_read * price.cache_read
    )
    return tokens / 1e6


class Ledger:
    """What one paper's authoring has spent, against a hard limit, in a file that survives a crash."""

    def __init__(self, path: Path, limit_usd: float):
        if not limit_usd >= 0:
            raise UserError(f"llm.budget_usd={limit_usd}: must be 0 or more")
        self.path, self.limit_usd = path, limit_usd
        self.entries: list[dict[str, Any]] = files.read_json(path)["entries"] if path.exists() else []

    @property
    def spent_usd(self) -> float:
        """Dollars spent or set aside; a call that never reported back counts as the most it may have cost."""
        return float(sum(entry["usd"] for entry in self.entries))

    @property
    def tokens(self) -> tuple[int, int]:
        """(input, output) tokens that were reported; cached input counts as input."""
        usages = [Usage(**entry["usage"]) for entry in self.entries if entry["usage"]]
        return sum(u.input + u.cache_write + u.cache_read for u in usages), sum(u.output for u in usages)

    def reserve(self, stage: str, model: str, price: TokenPrice, input_tokens: int, max_tokens: int) -> int:
        """Set aside the most that a call may cost, on disk, before it is made; returns the entry's number.

        Raises UserError where the limit would be passed; then nothing is set aside.
        """
        most = cost(price, Usage(cache_write=input_tokens, output=max_tokens))
        left = self.limit_usd - self.spent_usd
        if most > left:
            raise UserError(
                f"llm.budget_usd={self.limit_usd:g}: the {stage} request may cost up to ${most:.2f}, "
                f"${max(left, 0):.2f} is left; raise it, or choose a cheaper llm.model (finished stages are kept)"
            )
        self.entries.append({"stage": stage, "model": model, "usd": most, "usage": None, "state": "reserved"})
        self._write()
        return len(self.entries) - 1

    def settle(self, number: int, price: TokenPrice, usage: Usage) -> float:
        """Replace a reservation by what the call cost; returns it in dollars."""
        usd = cost(price, usage)
        self.entries[number].update(usd=usd, usage=dataclasses.asdict(usage), state="settled")
        self._write()
        return usd

    def release(self, number: int) -> None:
        """Drop a reservation whose call was refused before any token was billed."""
        self.entries[number].update(usd=0.0, state="not billed")
        self._write()

    def _write(self) -> None:
        files.write_json(self.path, {"limit_usd": self.limit_usd, "entries": self.entries})
