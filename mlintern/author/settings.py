"""Config group `llm`: who answers, and what it may cost."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from mlintern.author.asking.asker import Asker
from mlintern.author.asking.dialogue import Dialogue
from mlintern.author.asking.money import Ledger, TokenPrice, price_of
from mlintern.author.asking.providers.base import Progress, Provider
from mlintern.core.errors import UserError
from mlintern.core.ranges import COUNT, NOT_NEGATIVE, POSITIVE
from mlintern.core.schema import Group, Number, Whole


@dataclasses.dataclass(frozen=True)
class LlmSettings(Group):
    """Config group `llm`."""

    KEY: ClassVar[str] = "llm"
    provider: Literal["anthropic", "openai", "manual", "replay"] = "anthropic"
    base_url: str | None = None
    """A server that speaks the provider's API (Messages, or chat completions); None: the provider's own."""
    model: str | None = None
    """None: the strongest current model that the installed anthropic client names."""
    budget_usd: Annotated[Number, NOT_NEGATIVE] = 5.0
    """Hard limit for one paper, over all runs."""
    price: Mapping[str, Number] | None = None
    """{input, output} in dollars per million tokens, for a model that the price table does not have."""
    max_repairs: Annotated[Whole, COUNT] = 3
    """How often a pack that fails vetting or critique is written again."""
    replay: str | None = None
    """Folder of the recorded dialogue that `provider=replay` answers from."""
    timeout_s: Annotated[Number, POSITIVE] = 600.0
    """Longest silence of the server before an answer counts as lost; a slow server of one's own may need more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.own_price()

    def own_price(self) -> TokenPrice | None:
        """The price that the user gives, or None."""
        if self.price is None:
            return None
        if set(self.price) != {"input", "output"} or not all(map(NOT_NEGATIVE.holds, self.price.values())):
            raise UserError("llm.price: give llm.price.input=… and llm.price.output=… in dollars per million tokens")
        return TokenPrice.plain(float(self.price["input"]), float(self.price["output"]))


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
