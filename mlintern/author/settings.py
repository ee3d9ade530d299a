"""Config group `llm`: who answers, and what it may cost."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlintern.author.asking.asker import Asker
from mlintern.author.asking.dialogue import Dialogue
from mlintern.author.asking.money import Ledger, TokenPrice, price_of
from mlintern.author.asking.providers.base import Progress, Provider
from mlintern.core.errors import UserError

PROVIDERS = ("anthropic", "openai", "manual", "replay")


@dataclasses.dataclass(frozen=True)
class LlmSettings:
    """Config group `llm`."""

    provider: str = "anthropic"
    base_url: str | None = None
    """A server that speaks the provider's API (Messages, or chat completions); None: the provider's own."""
    model: str | None = None
    """None: the strongest current model that the installed anthropic client names."""
    budget_usd: float = 5.0
    """Hard limit for one paper, over all runs."""
    price: Mapping[str, float] | None = None
    """{input, output} in dollars per million tokens, for a model that the price table does not have."""
    max_repairs: int = 3
    """How often a pack that fails vetting or critique is written again."""
    replay: str | None = None
    """Folder of the recorded dialogue that `provider=replay` answers from."""
    timeout_s: float = 600.0
    """Longest silence of the server before an answer counts as lost; a slow server of one's own may need more."""

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise UserError(f"llm.provider={self.provider}: choose {', '.join(PROVIDERS)}")
        for name in ("base_url", "model", "replay"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise UserError(f"llm.{name}={value!r}: must be text; put it in quotes")
        if (
            isinstance(self.budget_usd, bool)
            or not isinstance(self.budget_usd, int | float)
            or not self.budget_usd >= 0
        ):
            raise UserError(f"llm.budget_usd={self.budget_usd}: must be a number of dollars, 0 or more")
        if isinstance(self.timeout_s, bool) or not isinstance(self.timeout_s, int | float) or not self.timeout_s > 0:
            raise UserError(f"llm.timeout_s={self.timeout_s}: must be a number of seconds above 0")
        if isinstance(self.max_repairs, bool) or not isinstance(self.max_repairs, int) or self.max_repairs < 0:
            raise UserError(f"llm.max_repairs={self.max_repairs}: must be a whole number, 0 or more")
        self.own_price()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "LlmSettings":
        """Settings from a config's `llm` group; raises UserError for an unknown key."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise UserError(f"llm.{name}: no such key; choose {', '.join(known)}")
        return cls(**values)

    def own_price(self) -> TokenPrice | None:
        """The price that the user gives, or None."""
        if self.price is None:
            return None
        values = dict(self.price)
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) and v >= 0 for v in values.values())
        if set(values) != {"input", "output"} or not numbers:
            raise UserError("llm.price: give llm.price.input=… and llm.price.output=… in dollars per million tokens")
        return TokenPrice.plain(float(values["input"]), float(values["output"]))


def make_asker(settings: LlmSettings, work: Path, progress: Progress) -> Asker:
    """Provider, record and ledger of one paper's authoring, in its work folder.

    Raises UserError where the provider cannot answer (no key, no recorded dialogue) or its model has no known price.
    """
    provider = _provider(settings, work)
    own = settings.own_price() or _own_machine_price(provider)
    if provider.paid:
        price_of(provider.model, own)
    ledger = Ledger(work / "spent.json", float(settings.budget_usd))
    return Asker(provider, Dialogue(work / "dialogue"), ledger, own, progress)


def _provider(settings: LlmSettings, work: Path) -> Provider:
    # each is imported where it is chosen: the client takes a second to load, and manual and replay need none of it
    if settings.provider == "manual":
        from mlintern.author.asking.providers.manual import ManualProvider

        return ManualProvider(work / "manual")
    if settings.provider == "replay":
        from mlintern.author.asking.providers.replay import ReplayProvider

        if settings.replay is None:
            raise UserError("llm.provider=replay: say which dialogue with llm.replay=<folder>")
        return ReplayProvider(Path(settings.replay))
    if settings.provider == "openai":
        from mlintern.author.asking.providers.openai_api import OpenAIProvider

        return OpenAIProvider(settings.model, settings.base_url, timeout_s=float(settings.timeout_s))
    from mlintern.author.asking.providers.anthropic_api import AnthropicProvider

    return AnthropicProvider(settings.model, settings.base_url, timeout_s=float(settings.timeout_s))


def _own_machine_price(provider: Provider) -> TokenPrice | None:
    """Nothing, for a server of one's own; None where somebody may bill."""
    if provider.name != "openai":
        return None
    from mlintern.author.asking.providers.openai_api import OpenAIProvider, is_own_machine

    assert isinstance(provider, OpenAIProvider)
    return TokenPrice.plain(0.0, 0.0) if is_own_machine(provider.url) else None
