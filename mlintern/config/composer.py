"""Composing a run's configuration: Hydra groups in, one checked and resolved dictionary out.

Composition happens with `${oc.env:…}` switched off, so that nothing in a config can read the environment, and what
comes out is checked against the schema below: unknown keys, wrong types and impossible values end as one line.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mlintern import config
from mlintern.config.explain import explain, no_option, search_path
from mlintern.config.schema import Schema
from mlintern.config.values import check_values
from mlintern.engine import directions
from mlintern.errors import UserError
from mlintern.sandbox import policy

_OF_ANY_DATA = {"num_workers", "train_size", "label_noise"}
"""Keys of `data` that stand in conf/config.yaml, whatever dataset is chosen."""


@contextlib.contextmanager
def no_environment() -> Iterator[None]:
    """Switch `${oc.env:…}` off: a config must not be able to read a secret."""

    def refuse(*names: str) -> str:
        raise UserError(
            f"${{oc.env:{','.join(names)}}}: configs cannot read environment variables; write the value out"
        )

    OmegaConf.clear_resolver("oc.env")
    OmegaConf.register_new_resolver("oc.env", refuse, replace=True)
    yield


class Composer:
    """Composes configurations of one pack; opening Hydra once and reusing it makes a study's many cells cheap.

    `packs` is the folder that the pack lies in: papers/, unless it is a draft or a snapshot.
    """

    def __init__(self, slug: str, packs: Path | None = None):
        self.slug, self.packs = slug, (config.PACKS if packs is None else packs).resolve()
        self._stack = contextlib.ExitStack()

    @property
    def folder(self) -> Path:
        """The pack's folder."""
        return self.packs / self.slug

    def __enter__(self) -> "Composer":
        from hydra import initialize_config_dir
        from hydra.core.global_hydra import GlobalHydra

        hydra = GlobalHydra.instance()
        self._stack.callback(setattr, hydra, "hydra", hydra.hydra)  # a multirun's own instance, put back at the end
        hydra.clear()
        self._stack.enter_context(no_environment())
        self._stack.enter_context(initialize_config_dir(str(config.CONF), version_base="1.3"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def compose(self, overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
        """The checked, resolved configuration for `overrides`, and {group: chosen option}."""
        from hydra import compose
        from hydra.errors import HydraException

        named = [f"paper={self.slug}", *(o for o in overrides if not o.lstrip("+").startswith("paper="))]
        try:
            composed = compose("config", [search_path(self.folder), *named], return_hydra_config=True)
            choices = {k: str(v) for k, v in composed.hydra.runtime.choices.items() if v is not None}
            with open_dict(composed):
                del composed["hydra"]
        except (HydraException, OmegaConfBaseException) as error:
            raise explain(error, self.slug, self.packs) from error
        except (ValueError, AssertionError) as error:  # Hydra's own, for `model=3`, bad defaults lists and the like
            raise no_option(error, named) from error
        except yaml.MarkedYAMLError as error:
            raise UserError(f"{error.problem_mark or 'config'}: not YAML ({error.problem}); mend that line") from None
        return check(composed, self.slug, self.packs), choices


def check(composed: DictConfig, slug: str, packs: Path) -> dict[str, Any]:
    """A composed config as a plain dictionary, resolved and checked; raises UserError naming the key."""
    try:
        typed = OmegaConf.merge(OmegaConf.structured(Schema), composed)
        for group, hint in (("model", "model=<variant>"), ("data", "data=<dataset>")):
            if composed.get(group) is None or not set(composed[group]) - _OF_ANY_DATA:
                raise UserError(f"{group}: not chosen; the pack's paper config must set a default, or give {hint}")
        plain: dict[str, Any] = OmegaConf.to_container(typed, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise explain(error, slug, packs) from error
    check_values(plain)
    plain["sandbox"] = policy.current().config()  # whatever a project or a pack says of it
    return directions.resolved(plain, packs)
