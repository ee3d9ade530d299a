"""From config to objects: every `_target_` is checked against the allowlist before anything is imported."""

from collections.abc import Mapping
from typing import Any

import hydra.errors
import hydra.utils

from mlintern.errors import UserError

ALLOWED_PREFIXES = (
    "mlintern.engine.",
    "mlintern.data.",
    "papers.",
    "torch.nn.",
    "torch.optim.",
    "builtins.dict",
    "builtins.list",
)
"""Where a config may take objects from. `papers.` is further limited to the run's own pack."""


def allowed_prefixes(slug: str) -> tuple[str, ...]:
    """The allowlist of one paper's runs: the engine, torch's layers and optimizers, and its own pack."""
    return tuple(f"papers.{slug}." if prefix == "papers." else prefix for prefix in ALLOWED_PREFIXES)


def check_targets(value: Any, allowed: tuple[str, ...], where: str = "") -> None:
    """Walk a composed config; raises UserError at the first `_target_` outside `allowed`."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            place = f"{where}.{name}" if where else str(name)
            if name == "_target_" and not (isinstance(item, str) and item.startswith(allowed)):
                raise UserError(f"{place}={item}: not an allowed target; use one of {', '.join(allowed)}")
            check_targets(item, allowed, place)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            check_targets(item, allowed, f"{where}[{i}]")


def build(config: Mapping[str, Any], where: str, **arguments: Any) -> Any:
    """Instantiate one group; a failure becomes one line that names the group and the target."""
    try:
        return hydra.utils.instantiate(dict(config), **arguments)
    except hydra.errors.InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError):
            raise cause from None
        reason = f"{type(cause).__name__}: {cause}" if cause is not None else str(error).splitlines()[0]
        raise UserError(f"{where}: {config.get('_target_')} cannot be built ({reason}); check its keys") from error
