"""Cells of the pack `numbers` (tests/engine/papers/numbers), composed, trained and read in this process."""

import copy
import functools
import sys
from pathlib import Path
from typing import Any

import hydra
import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

from mlintern.config import Composer, Config, check, search_path
from mlintern.core.errors import UserError
from mlintern.core.roots import CONF
from mlintern.data.prepare import as_examples, make_splits
from mlintern.data.splits import Splits
from mlintern.engine import rows
from mlintern.engine.cell import run_cell
from mlintern.engine.config import CellConfig
from mlintern.engine.instantiate import build
from mlintern.engine.training import BuiltCell

PACKS = Path(__file__).parent / "papers"
if str(PACKS.parent) not in sys.path:
    sys.path.append(str(PACKS.parent))

BCE = ("loss._target_=torch.nn.BCEWithLogitsLoss", "~loss.label_smoothing")
MSE = ("loss=mse", "metrics=squared_error", "protocol.metric=squared_error")


def own(group: str, name: str, *arguments: str) -> list[str]:
    """Overrides that give a group a class of the pack's own and nothing else."""
    cleared = {"loss": ["~loss.label_smoothing"], "method": [], "metrics": ["~metrics.accuracy"]}[group]
    key = f"+metrics.{name.lower()}._target_" if group == "metrics" else f"{group}._target_"
    return [*cleared, f"{key}=papers.numbers.modules.{name}", *arguments]


@functools.cache
def _base() -> DictConfig:
    """The pack's default, not yet checked."""
    with Composer("numbers", PACKS):
        composed = hydra.compose("config", [search_path(PACKS / "numbers"), "paper=numbers"])
    OmegaConf.set_struct(composed, False)
    return composed


def compose(*overrides: str) -> Config:
    """The configuration of one cell; Hydra, which takes half a second, composes the default alone."""
    composed = copy.deepcopy(_base())
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        option = CONF / key / f"{value}.yaml"
        if override.startswith("~"):
            group, _, name = key.rpartition(".")
            del OmegaConf.select(composed, group)[name]
        elif option.is_file():
            composed[key] = OmegaConf.load(option)
        else:
            OmegaConf.update(composed, key, yaml.safe_load(value))
    return check(composed, "numbers", PACKS)


def splits_of(config: CellConfig) -> Splits:
    """Its data, split as its protocol says."""
    data = config.data
    parts = {part: as_examples(part, given) for part, given in build(data.source, "data.source")().items()}
    return make_splits(
        data.name,
        parts,
        config.protocol,
        preprocessor=build(data.preprocess, "data.preprocess") if data.preprocess else None,
        view=build(data.view, "data.view") if data.view else None,
        classes=data.classes,
    )


def built(*overrides: str) -> BuiltCell:
    """The cell, tried and ready to train."""
    config = compose(*overrides)
    return BuiltCell(config, rows.seen(config, splits_of(config))[0])


def trained(folder: Path, *overrides: str) -> dict[str, Any]:
    """The record of the cell, trained in a folder."""
    config = compose(*overrides)
    record = run_cell(config, splits_of(config), folder, {"cell_id": "x", "audit": {"acknowledged": []}})
    assert record is not None and record["status"] == "finished"
    return dict(record)


def refusal(*overrides: str) -> str:
    """What is said where the cell is refused before its first step; one line."""
    with pytest.raises(UserError) as refused:
        built(*overrides)
    assert "\n" not in str(refused.value)
    return str(refused.value)
