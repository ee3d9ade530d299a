"""Which sandbox the code of packs gets: the user's word, and nobody else's.

The command line decides (`sandbox=none`, `sandbox.network=peers`), else the user's own settings file, else `auto`. What
a project's conf/ or a pack's YAML says of it is not read: whoever wrote the code that the sandbox is for could have
written them too.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.core import strict_yaml
from mlintern.core.errors import UserError

BACKENDS = ("auto", "bwrap", "unshare", "none")
NETWORKS = ("none", "peers")
SETTINGS_FILE = "config.yaml"

BARE: dict[str, Any] = {"backend": "none", "layers": [], "network": "host"}
"""What a record says of code that ran with no sandbox around it."""


@dataclasses.dataclass(frozen=True)
class Policy:
    """The sandbox that the user asked for."""

    backend: str = "auto"
    network: str = "none"
    """`none`, also where processes of one machine talk to each other; `peers`: the host's, for several nodes."""
    reads: tuple[str, ...] = ()
    """Folders outside the project that data may be made from; the user's settings alone name them."""

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise UserError(f"sandbox={self.backend}: choose {', '.join(BACKENDS)}")
        if self.network not in NETWORKS:
            raise UserError(f"sandbox.network={self.network}: choose none, or peers for cells on several nodes")

    def config(self) -> dict[str, str]:
        """As a composed configuration has it."""
        return {"backend": self.backend, "network": self.network}


_said: Policy | None = None


def say(policy: Policy | None) -> None:
    """Make `policy` this process's; None: what the user's settings say."""
    global _said
    _said = policy


def current() -> Policy:
    """The sandbox that this process's user asked for."""
    return _said if _said is not None else from_settings()


def from_overrides(overrides: Sequence[str]) -> Policy:
    """What the command line asks for, else the user's settings. Raises UserError for a value that there is not."""
    found = from_settings()
    for override in overrides:
        key, given, value = override.lstrip("+").partition("=")
        value = value.strip("'\" ")
        if key not in ("sandbox", "sandbox.backend", "sandbox.network") or not given:
            if key.startswith(("sandbox.", "~sandbox")):
                raise UserError(f"{override}: no such key; there are sandbox, sandbox.backend and sandbox.network")
            continue
        name = "network" if key == "sandbox.network" else "backend"
        if override.startswith("+") or "," in value:
            raise UserError(f"{override}: write it like {key}={'peers' if name == 'network' else 'none'}, one value")
        found = dataclasses.replace(found, **{name: value})  # type: ignore[arg-type]
    return found


def settings_path() -> Path:
    """The user's own settings: $XDG_CONFIG_HOME/mlintern/config.yaml, by default below ~/.config."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "mlintern" / SETTINGS_FILE


def from_settings() -> Policy:
    """What the user's settings say; `auto` where they say nothing. Raises UserError for a file that is off."""
    path = settings_path()
    if not os.path.lexists(path):
        return Policy()
    value = strict_yaml.load(path, follow=True).value  # dotfile managers put a link there
    if not isinstance(value, Mapping) or set(value) - {"sandbox"}:
        raise UserError(f"{path}: must be a mapping with the one key sandbox")
    chosen = value.get("sandbox", "auto")
    given = {"backend": chosen} if isinstance(chosen, str) else chosen
    if not isinstance(given, Mapping) or set(given) - {"backend", "network", "reads"}:
        raise UserError(
            f"{path}: sandbox: write one of {', '.join(BACKENDS)}, or a mapping with backend, network and reads"
        )
    reads = given.get("reads", [])
    if not isinstance(reads, list) or not all(isinstance(item, str) and item.startswith("/") for item in reads):
        raise UserError(f"{path}: sandbox.reads: write a list of folders by their whole paths, such as [/data]")
    try:
        return Policy(**{str(n): str(item) for n, item in given.items() if n != "reads"}, reads=tuple(reads))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
