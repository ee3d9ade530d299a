"""Composing a run's configuration: Hydra groups in, one checked and resolved dictionary out.

A pack's files are judged before Hydra sees them (`pack_yaml`). Composition happens with `${oc.env:…}` switched off, so
that nothing in a config can read the environment. What comes out is held against what is the user's (`boundary`), the
targets that may be built, and the schema: unknown keys, wrong types and impossible values end as one line.
"""

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mlintern.config import arguments, ranges
from mlintern.config.boundary import (
    PROMISED,
    check_hydras_targets,
    check_overrides,
    check_users_part,
    chooses_an_option,
    users_part,
    with_values,
)
from mlintern.config.expansion import check_expansion
from mlintern.config.explain import check_keys, explain, search_path
from mlintern.config.keys import IN_VAIN, of_users
from mlintern.config.pack_yaml import check_pack
from mlintern.config.schema import Config
from mlintern.core import roots, strict_yaml
from mlintern.core.errors import UserError
from mlintern.core.records import record
from mlintern.core.targets.check import check_targets
from mlintern.engine import directions
from mlintern.engine.instantiate import allowed_prefixes
from mlintern.sandbox import policy

_told: set[str] = set()
"""What this process has said of packs that speak in vain."""
_OF_ANY_DATA = {"num_workers", "train_size", "label_noise"}
"""Keys of `data` that stand in conf/config.yaml, whatever dataset is chosen."""
_OF_PACKS_ALONE = [f"~{group}" for group in "trainer protocol optimizer scheduler loss augment method metrics".split()]
"""What need not be composed to see what is the user's."""


def _say_once(said: str) -> None:
    if said not in _told:
        _told.add(said)
        print(f"mlintern: {said}", file=sys.stderr)


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

    `packs` is the folder that the pack lies in: papers/, unless it is a draft or a snapshot. Every composition of a
    pack goes through here, and Hydra sees no file of it that `pack_yaml` has not judged.
    """

    def __init__(self, slug: str, packs: Path | None = None):
        self.slug, self.packs = slug, (roots.PACKS if packs is None else packs).resolve()
        self._stack = contextlib.ExitStack()
        self._alone: dict[tuple[str, ...], DictConfig] = {}
        """{options that the user chose: what conf/ comes to with them, without the pack}."""

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
        self._stack.enter_context(initialize_config_dir(str(roots.CONF), version_base="1.3"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def compose(self, overrides: Sequence[str]) -> tuple[Config, dict[str, str]]:
        """The checked, resolved configuration for `overrides`, and {group: chosen option}."""
        check_pack(self.folder)
        named = [f"paper={self.slug}", *(o for o in overrides if not o.lstrip("+").startswith("paper="))]
        check_overrides(named)
        check_keys(named, self.folder)
        composed = self._composed([search_path(self.folder), *named], named)
        choices = {k: str(v) for k, v in composed.hydra.runtime.choices.items() if v is not None}
        raw: Any = OmegaConf.to_container(composed, resolve=False)
        check_hydras_targets(raw["hydra"], self.slug)
        own = self._without_pack(named, choices)
        self._leave_out(composed, raw, own)
        check_users_part(users_part(raw), own, self.slug)
        del raw["hydra"]
        check_expansion(raw)
        with open_dict(composed):
            del composed["hydra"]
        self._leave_out_arguments(composed, raw, overrides)
        config = check(composed, self.slug, self.packs)
        plain = config.plain()
        check_targets(plain, allowed_prefixes(self.slug), roots=self._roots)
        arguments.check(plain, self._roots)
        return config, choices

    @property
    def _roots(self) -> list[Path]:
        return [self.packs.parent, roots.ROOT]

    def _leave_out_arguments(self, composed: DictConfig, raw: Mapping[str, Any], overrides: Sequence[str]) -> None:
        """Leave out what the pack says of its own optimizer (loss, …) where the user chose another that does not take
        it, and say so once. What a chosen ablation says stays: without it its level would be the base."""
        for key, name in arguments.replaced(raw, overrides, self._roots):
            group, _, argument = key.partition(".")
            if argument in self._of_ablations(group, overrides):
                continue
            with open_dict(composed):
                del composed[group][argument]
            _say_once(f"{key}: {name} takes no such argument; what papers/{self.slug}/conf says of it is left out")

    def _of_ablations(self, group: str, overrides: Sequence[str]) -> set[str]:
        """The keys of a group that the ablations which the overrides choose speak of."""
        text = " ".join(value for key, _, value in (o.partition("=") for o in overrides) if key == "ablation")
        files = [self.folder / "conf" / "ablation" / f"{option}.yaml" for option in re.findall(r"[\w-]+", text)]
        said = [strict_yaml.load(path).value for path in files if path.is_file()]
        return {key for value in said if isinstance(value, dict) for key in value.get(group) or {}}

    def _leave_out(self, composed: DictConfig, raw: dict[str, Any], own: Mapping[str, Any]) -> None:
        """Put the user's own word where a pack spoke in vain, and say so once."""
        vain = [name for name in IN_VAIN if raw[name] != own[name]]
        for name in vain:
            raw[name] = own[name]
            with open_dict(composed):
                composed[name] = OmegaConf.create(own[name])
        if vain:
            what = f"{' and '.join(vain)} {'are' if len(vain) > 1 else 'is'} yours to set"
            _say_once(f"papers/{self.slug}/conf: {what}; what the pack says of that is left out")

    def _composed(self, given: Sequence[str], named: Sequence[str]) -> DictConfig:
        from hydra import compose
        from hydra.errors import HydraException

        try:
            return compose("config", list(given), return_hydra_config=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise explain(error, self.folder, named) from error
        except (ValueError, AssertionError) as error:  # Hydra's own, for `model=3`, bad defaults lists and the like
            said = next(iter(str(error).splitlines()), "") or "a defaults list that Hydra cannot read"
            raise UserError(f"{' '.join(named)}: {said}") from error
        except yaml.MarkedYAMLError as error:  # of conf/ itself
            raise UserError(f"{error.problem_mark or 'config'}: not YAML ({error.problem}); mend that line") from None
        except RecursionError:
            raise UserError(f"papers/{self.slug}/conf: nested too deeply to be composed; flatten it") from None

    def _without_pack(self, named: Sequence[str], choices: Mapping[str, str]) -> dict[str, Any]:
        """What is the user's, as conf/ and the user's overrides have it.

        Composing costs more than all other checks together: it is done once for the groups that the user chose.
        """
        own = of_users(named)
        if choices.get("determinism") in PROMISED and not any(o.lstrip("+").startswith("determinism=") for o in own):
            own = [f"determinism={choices['determinism']}", *own]
        groups = tuple(o for o in own if chooses_an_option(o))
        if groups not in self._alone:
            self._alone[groups] = self._composed([*groups, *_OF_PACKS_ALONE], named)
        return users_part(with_values(self._alone[groups], [o for o in own if o not in groups]))


def check(composed: DictConfig, slug: str, packs: Path) -> Config:
    """A composed config, resolved, typed and checked; raises UserError naming the key."""
    try:
        for group, hint in (("model", "model=<variant>"), ("data", "data=<dataset>")):
            if composed.get(group) is None or not set(composed[group]) - _OF_ANY_DATA:
                raise UserError(f"{group}: not chosen; the pack's paper config must set a default, or give {hint}")
        plain: dict[str, Any] = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise explain(error, packs / slug) from error
    if (said := plain["paper"].get("slug")) != slug:
        raise UserError(f"paper.slug={said}: is not the pack's; write {slug} in papers/{slug}/conf/paper/{slug}.yaml")
    for name in record.DETERMINING:
        record.canonical(plain[name], name)
    ranges.check_finite(plain)
    plain["sandbox"] = policy.current().config()  # whatever a project or a pack says of it
    config = Config.from_plain(plain)
    ranges.check(config)
    return directions.resolved(config, packs)
