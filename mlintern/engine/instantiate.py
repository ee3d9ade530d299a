"""From config to objects. `mlintern.core.targets.check` holds every target against the allowlist before any import."""

import traceback
from collections.abc import Callable, Mapping
from typing import Any

import hydra.errors
import hydra.utils

from mlintern.core import patience, uncached
from mlintern.core.errors import UserError

ALLOWED_PREFIXES = (
    "mlintern.engine.",
    "mlintern.data.",
    "papers.",
    "torch.nn.",
    "torch.optim.",
    "torchvision.",
    "timm.",
    "transformers.",
    "torchmetrics.",
    "einops.layers.",
    "builtins.dict",
    "builtins.list",
)
"""Where a config may take objects from; `mlintern.core.targets.check` says which names of these. `papers.` is further
limited to the run's own pack."""


def allowed_prefixes(slug: str) -> tuple[str, ...]:
    """The allowlist of one paper's runs: the engine, torch and the libraries beside it, and its own pack."""
    return tuple(f"papers.{slug}." if prefix == "papers." else prefix for prefix in ALLOWED_PREFIXES)


def build(config: Mapping[str, Any], where: str, **arguments: Any) -> Any:
    """Instantiate one group; a failure becomes one line that names the group and the target."""
    uncached.install()
    try:
        with patience.within(patience.BUILD):
            return hydra.utils.instantiate(dict(config), **arguments)
    except hydra.errors.InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError):
            raise cause from None
        reason = _reason(cause) if cause is not None else str(error).splitlines()[0]
        raise UserError(f"{where}: {config.get('_target_')} cannot be built ({reason}); check its keys") from error


def factory(config: Mapping[str, Any], where: str) -> Callable[..., Any]:
    """What builds one group later, when its arguments are there; a failure then is one line as well."""
    make = build({**config, "_partial_": True}, where)

    def build_later(*arguments: Any) -> Any:
        try:
            return make(*arguments)
        except (TypeError, ValueError, RuntimeError, LookupError) as error:
            raise UserError(
                f"{where}: {config.get('_target_')} cannot be built ({_reason(error)}); check its keys"
            ) from error

    return build_later


def _reason(error: BaseException) -> str:
    """What went wrong, and in which line of a pack, where it did there: the class's module, or what that imports."""
    while error.__cause__ is not None:  # Hydra's ImportError of what importing raised
        error = error.__cause__
    places = [
        f"papers/{frame.filename.rpartition('/papers/')[2]}:{frame.lineno}: "
        for frame in traceback.extract_tb(error.__traceback__)
        if "/papers/" in frame.filename
    ]
    return f"{places[-1] if places else ''}{type(error).__name__}: {error}"
