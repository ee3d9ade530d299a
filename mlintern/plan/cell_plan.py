"""A cell of a study before it runs: its coordinates and its composed configuration, and where its data lie."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mlintern.config import Config
from mlintern.core.errors import UserError
from mlintern.packs.pack import Pack
from mlintern.spec.paper_spec import PaperSpec, load_spec


class Composes(Protocol):
    """What composes configurations of one pack: `mlintern.config.Composer`, or one for a draft."""

    slug: str

    @property
    def folder(self) -> Path:
        """The pack's folder."""
        ...

    def compose(self, overrides: Sequence[str]) -> tuple[Config, dict[str, str]]: ...


LEVELS: tuple[str, ...] = ("data", "protocol", "ablation")
"""Coordinates beside variant and seed."""


@dataclasses.dataclass(frozen=True)
class CellPlan:
    """One cell to run: variant x levels x seed."""

    variant: str
    levels: Mapping[str, str]
    """{"data", "protocol", and the level of every factor that an ablation varies}."""
    seed: int
    config: Config
    overrides: tuple[str, ...]
    """What reproduces the cell on the command line, beside `paper=`."""
    section: str = ""
    """The section of the paper that it belongs to; empty for the main study."""

    @property
    def name(self) -> str:
        """How messages call it: `cnn · mnist1d · clean · seed 0`."""
        return f"{self.place} · seed {self.seed}"

    @property
    def place(self) -> str:
        """What a cell shares with its other seeds: `cnn · mnist1d · clean`, `cnn · mnist1d · clean · norm=none`."""
        return " · ".join([self.variant, *level_names(self.levels)])

    @property
    def acknowledged(self) -> tuple[str, ...]:
        return self.config.audit.acknowledge


def level_names(levels: Mapping[str, str]) -> list[str]:
    """A cell's levels in words: datasets, protocols and options by name, levels of other factors with the factor."""
    names = [*(name for name in LEVELS if name in levels), *sorted(set(levels) - set(LEVELS))]
    return [str(levels[name]) if name in LEVELS else f"{name}={levels[name]}" for name in names]


def dataset_name(data: Mapping[str, Any], code: str) -> str:
    """A prepared dataset is named after what it was built from, so that views of it share one copy: its source, the
    hash of the pack's `code` behind that, and the engine's version."""
    from mlintern.core.records.record import stable_hash
    from mlintern.engine import ENGINE_VERSION

    source = data.get("source")
    if not isinstance(source, Mapping) or "_target_" not in source:
        raise UserError(f"data.source: the dataset {data.get('name')!r} does not say what it is built from")
    key = stable_hash({"source": source, "code": code, "engine": ENGINE_VERSION}, "data.source")
    return f"{str(source['_target_']).rsplit('.', 1)[-1].lower()}-{key[:8]}"


def dataset_folder(data_dir: Path, pack: Pack, data: Mapping[str, Any], overrides: Sequence[str]) -> Path:
    """Where a cell's prepared data are: data/<slug>/ is what the pack's own study uses and what DVC tracks; data built
    from an overridden source go beside it, so that trying something leaves the tracked folder as it was.
    """
    own = not any(override.lstrip("+~").startswith("data.source") for override in overrides)
    name = dataset_name(data, pack.code_for(data.get("source")))
    return data_dir.absolute() / (pack.slug if own else f"{pack.slug}.overridden") / name


@functools.cache
def read_spec(pack: Path) -> PaperSpec:
    """The pack's spec, read once."""
    return load_spec(pack / "spec.yaml")
