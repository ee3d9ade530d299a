"""Composing a run's configuration: Hydra groups in, one checked and resolved dictionary out.

Composition happens with `${oc.env:…}` switched off, so that nothing in a config can read the environment, and what
comes out is checked against the schema below: unknown keys, wrong types and impossible values end as one line.
"""

import contextlib
import dataclasses
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mlintern import record
from mlintern.data.protocol import EvaluationProtocol
from mlintern.data.training import LabelNoise
from mlintern.engine.determinism import Determinism
from mlintern.engine.seeding import check_seed
from mlintern.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
"""The project: conf/, papers/ and mlintern/ stand side by side in it."""

CONF = ROOT / "conf"
PACKS = ROOT / "papers"

DESIGNS = ("one_at_a_time", "full", "fraction", "none")
"""Which combinations of the ablations' levels a study runs; `mlintern/study/design.py` says what each is."""

COORDINATES = ("model", "data", "ablation", "protocol", "seed")
"""What tells one cell of a study from another. Naming one on the command line asks for that cell alone."""

_OF_ANY_DATA = {"num_workers", "train_size", "label_noise"}
"""Keys of `data` that stand in conf/config.yaml, whatever dataset is chosen."""


@dataclasses.dataclass
class Trainer:
    """Config group `trainer`."""

    accelerator: str = MISSING
    strategy: str = MISSING
    devices: int = MISSING
    shards: int = MISSING
    accumulate: int | None = MISSING
    precision: str = MISSING
    max_steps: int = MISSING
    batch_size: int = MISSING
    eval_batch_size: int = MISSING
    eval_every: int | None = MISSING
    order: str = MISSING
    clip_norm: float | None = MISSING


@dataclasses.dataclass
class Run:
    """Key `run`: where things go. Nothing in it changes a result."""

    dir: str = MISSING
    data_dir: str = MISSING
    report_dir: str = MISSING
    checkpoint_seconds: float = MISSING


@dataclasses.dataclass
class Study:
    """Config group `study`."""

    seeds: list[int] | None = MISSING
    jobs: int | None = MISSING
    retries: int = MISSING
    design: str = MISSING
    budget_hours: float | None = MISSING
    probe_assumptions: bool = MISSING
    controls: bool = MISSING
    sections: list[str] = MISSING


@dataclasses.dataclass
class Llm:
    """Config group `llm`."""

    provider: str = MISSING
    base_url: str | None = MISSING
    model: str | None = MISSING
    budget_usd: float = MISSING
    price: dict[str, float] | None = MISSING
    max_repairs: int = MISSING
    replay: str | None = MISSING
    timeout_s: float = MISSING


@dataclasses.dataclass
class DeterminismGroup:
    """Config group `determinism`; checked further by `Determinism`."""

    level: str = MISSING
    threads: int = MISSING
    deterministic_algorithms: bool = MISSING
    environment: dict[str, str] = MISSING


@dataclasses.dataclass
class ProtocolGroup:
    """Config group `protocol`; checked further by `EvaluationProtocol`."""

    name: str = MISSING
    fit_on: list[str] = MISSING
    valid_fraction: float = MISSING
    select_on: str = MISSING
    metric: str = MISSING
    mode: str = MISSING
    split_seed: int = MISSING


@dataclasses.dataclass
class Env:
    """Key `env`."""

    drift: str = MISSING


@dataclasses.dataclass
class Schema:
    """The whole configuration. Groups that a pack fills freely are mappings."""

    seed: int = MISSING
    paper: dict[str, Any] = MISSING
    model: dict[str, Any] = MISSING
    data: dict[str, Any] = MISSING
    ablation: dict[str, Any] | None = None
    optimizer: dict[str, Any] = MISSING
    scheduler: dict[str, Any] = MISSING
    loss: dict[str, Any] = MISSING
    augment: dict[str, Any] = MISSING
    method: dict[str, Any] = MISSING
    metrics: dict[str, Any] = MISSING
    protocol: ProtocolGroup = MISSING
    trainer: Trainer = MISSING
    determinism: DeterminismGroup = MISSING
    audit: dict[str, Any] = MISSING
    logger: dict[str, Any] = MISSING
    study: Study = MISSING
    llm: Llm = MISSING
    run: Run = MISSING
    env: Env = MISSING
    sandbox: str = MISSING


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


def search_path(slug: str) -> str:
    """The Hydra override that adds a pack's groups."""
    folder = str(PACKS / slug / "conf").replace("\\", "\\\\").replace("'", "\\'")
    return f"hydra.searchpath=['file://{folder}']"


class Composer:
    """Composes configurations of one pack; opening Hydra once and reusing it makes a study's many cells cheap."""

    def __init__(self, slug: str):
        self.slug = slug
        self._stack = contextlib.ExitStack()

    @property
    def folder(self) -> Path:
        """The pack's folder."""
        return PACKS / self.slug

    def __enter__(self) -> "Composer":
        from hydra import initialize_config_dir
        from hydra.core.global_hydra import GlobalHydra

        hydra = GlobalHydra.instance()
        self._stack.callback(setattr, hydra, "hydra", hydra.hydra)  # a multirun's own instance, put back at the end
        hydra.clear()
        self._stack.enter_context(no_environment())
        self._stack.enter_context(initialize_config_dir(str(CONF), version_base="1.3"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def compose(self, overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
        """The checked, resolved configuration for `overrides`, and {group: chosen option}."""
        from hydra import compose
        from hydra.errors import HydraException

        named = [f"paper={self.slug}", *(o for o in overrides if not o.lstrip("+").startswith("paper="))]
        try:
            config = compose("config", [search_path(self.slug), *named], return_hydra_config=True)
            choices = {k: str(v) for k, v in config.hydra.runtime.choices.items() if v is not None}
            with open_dict(config):
                del config["hydra"]
        except (HydraException, OmegaConfBaseException) as error:
            raise explain(error, self.slug) from error
        except (ValueError, AssertionError) as error:  # Hydra's own, for `model=3`, bad defaults lists and the like
            raise no_option(error, named) from error
        except yaml.MarkedYAMLError as error:
            raise UserError(f"{error.problem_mark or 'config'}: not YAML ({error.problem}); mend that line") from None
        return check(config, self.slug), choices


def check(config: DictConfig, slug: str) -> dict[str, Any]:
    """A composed config as a plain dictionary, resolved and checked; raises UserError naming the key."""
    try:
        typed = OmegaConf.merge(OmegaConf.structured(Schema), config)
        for group, hint in (("model", "model=<variant>"), ("data", "data=<dataset>")):
            if config.get(group) is None or not set(config[group]) - _OF_ANY_DATA:
                raise UserError(f"{group}: not chosen; the pack's paper config must set a default, or give {hint}")
        plain: dict[str, Any] = OmegaConf.to_container(typed, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise explain(error, slug) from error
    check_values(plain)
    return plain


def check_values(config: Mapping[str, Any]) -> None:
    """Limits that types do not express; each error names the key."""
    from mlintern.audit.options import AuditOptions

    for name in record.DETERMINING:
        record.canonical(config[name], name)
    check_seed(config["seed"])
    AuditOptions(**config["audit"])
    Determinism(**config["determinism"])
    EvaluationProtocol(**{**config["protocol"], "fit_on": tuple(config["protocol"]["fit_on"])})
    trainer = config["trainer"]
    for name in ("devices", "shards", "max_steps", "batch_size", "eval_batch_size"):
        if trainer[name] < 1:
            raise UserError(f"trainer.{name}={trainer[name]}: must be at least 1")
    accumulate, devices, shards = trainer["accumulate"], trainer["devices"], trainer["shards"]
    if trainer["strategy"] not in ("replicated", "fsdp"):
        raise UserError(f"trainer.strategy={trainer['strategy']}: choose replicated or fsdp")
    if trainer["strategy"] == "fsdp" and not 1 < devices == shards:
        raise UserError(
            f"trainer.strategy=fsdp: each process trains one shard, so that trainer.devices={devices} and "
            f"trainer.shards={shards} must be the same, and at least 2"
        )
    if accumulate is not None and accumulate * devices != shards:
        raise UserError(
            f"trainer.accumulate={accumulate}: {devices} process{'es' * (devices > 1)} with {accumulate} shards each "
            f"make {accumulate * devices}, but trainer.shards={shards}; set trainer.shards={accumulate * devices} (it "
            "is part of what the run computes), or leave accumulate out: it is shards / devices"
        )
    if trainer["eval_every"] is not None and trainer["eval_every"] < 1:
        raise UserError(f"trainer.eval_every={trainer['eval_every']}: must be at least 1, or null for the end only")
    if trainer["order"] not in ("reshuffled", "fixed"):
        raise UserError(f"trainer.order={trainer['order']}: choose reshuffled or fixed")
    if trainer["accelerator"] not in ("cpu", "cuda"):
        raise UserError(f"trainer.accelerator={trainer['accelerator']}: choose cpu or cuda")
    if trainer["clip_norm"] is not None and not trainer["clip_norm"] > 0:
        raise UserError(f"trainer.clip_norm={trainer['clip_norm']}: must be above 0, or null for no clipping")
    workers = config["data"]["num_workers"]
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise UserError(f"data.num_workers={workers}: must be a whole number, 0 or more")
    size = config["data"].get("train_size")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise UserError(f"data.train_size={size}: must be a whole number, 1 or more, or null for all examples")
    if config["data"].get("label_noise") is not None:
        LabelNoise.from_config(config["data"]["label_noise"])
    study = config["study"]
    for seed in study["seeds"] or []:
        check_seed(seed)
    if study["seeds"] == [] or len(set(study["seeds"] or [])) != len(study["seeds"] or []):
        raise UserError(f"study.seeds={study['seeds']}: must name at least one seed, each once")
    if study["jobs"] is not None and study["jobs"] < 1:
        raise UserError(f"study.jobs={study['jobs']}: must be at least 1, or null for one per core")
    if study["retries"] < 0:
        raise UserError(f"study.retries={study['retries']}: must be 0 or more")
    if study["design"] not in DESIGNS:
        raise UserError(f"study.design={study['design']}: choose {', '.join(DESIGNS)}")
    if study["budget_hours"] is not None and not study["budget_hours"] > 0:
        raise UserError(f"study.budget_hours={study['budget_hours']}: must be above 0, or null for no limit")
    if config["env"]["drift"] not in ("warn", "refuse"):
        raise UserError(f"env.drift={config['env']['drift']}: choose warn or refuse")
    if config["sandbox"] not in ("auto", "bwrap", "unshare", "none"):
        raise UserError(f"sandbox={config['sandbox']}: choose auto, bwrap, unshare or none")
    if not config["run"]["checkpoint_seconds"] >= 0:
        raise UserError(f"run.checkpoint_seconds={config['run']['checkpoint_seconds']}: must be 0 or more")


def explain(error: BaseException, slug: str) -> UserError:
    """A Hydra or OmegaConf error as one line that names the key and suggests the nearest known one."""
    text = str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            return cause
        cause = cause.__cause__
    if missing := re.search(r"Could not find '([^']+)'", text) or re.search(
        r"In '[^']+': Could not find '([^']+)'", text
    ):
        group, _, name = missing[1].rpartition("/")
        options = options_of(group, slug)
        if not options:
            return UserError(f"{group}={name}: no such group; see conf/ and papers/{slug}/conf/ for those that exist")
        return UserError(f"{group}={name}: no such option;{_nearest(name, options)} choose {', '.join(options)}")
    if unknown := re.search(r"Could not override '([^']+)'", text):
        if unknown[1] in COORDINATES:
            return UserError(f"{unknown[1]}: the pack has no options for it; see papers/{slug}/conf/ for what it has")
        return UserError(
            f"{unknown[1]}: no such key;{_nearest(unknown[1], known_keys(slug))} see `--cfg job` for all keys"
        )
    if struct := re.search(r"Key '([^']+)' (?:is )?not in '(\w+)'", text):
        full = re.search(r"full_key: (\S+)", text)
        return UserError(f"{full[1] if full else struct[1]}: no such key; see `--cfg job` for all keys")
    if mandatory := re.search(r"Missing mandatory value: (\S+)", text):
        return UserError(f"{mandatory[1]}: no value; give {mandatory[1]}=…")
    if typed := re.search(r"Value '(.*)' of type '\w+' could not be converted to (\w+)", text):
        full = re.search(r"full_key: (\S+)", text)
        kinds = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false", "String": "text"}
        return UserError(f"{full[1] if full else 'value'}={typed[1]}: not {kinds.get(typed[2], typed[2])}")
    if none := re.search(r"Incompatible value 'None' for field of type '(\w+)'", text):
        kinds = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
        full = re.search(r"full_key: (\S+)", text)
        return UserError(f"{full[1] if full else 'value'}=null: needs {kinds.get(none[1], none[1])}")
    first = text.splitlines()[0] if text else type(error).__name__
    full = re.search(r"full_key: (\S+)", text)
    if full:
        return UserError(f"{full[1]}: {first}")
    return UserError(f"{first}; see `--cfg job` for the configuration and `--help` for examples")


def no_option(error: ValueError | AssertionError, overrides: Sequence[str]) -> UserError:
    """Hydra's complaint about a group's option that is no name, with the override that gave it."""
    numbers = [o for o in overrides if re.fullmatch(r"[^=.]*=\s*[\d.+-]+\s*", o)]
    said = next(iter(str(error).splitlines()), "") or "a defaults list that Hydra cannot read"
    return UserError(f"{', '.join(numbers) or ' '.join(overrides)}: {said}")


def options_of(group: str, slug: str) -> list[str]:
    """Names of a group's options, in conf/ and in the pack."""
    return sorted({path.stem for root in (CONF, PACKS / slug / "conf") for path in (root / group).glob("*.yaml")})


def known_keys(slug: str) -> list[str]:
    """Dotted keys of the pack's default configuration, and the groups."""
    from hydra import compose
    from hydra.errors import HydraException

    try:
        plain = OmegaConf.to_container(compose("config", [search_path(slug), f"paper={slug}"]), resolve=False)
    except (HydraException, OmegaConfBaseException, ValueError):
        return []

    def walk(value: Any, prefix: str) -> Iterator[str]:
        for name, item in value.items():
            yield prefix + name
            if isinstance(item, dict):
                yield from walk(item, f"{prefix}{name}.")

    return list(walk(plain, ""))


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" did you mean {close[0]}?" if close else ""
