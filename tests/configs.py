"""A configuration made without Hydra: the defaults of conf/, a model and data of no pack, and what a test changes."""

from collections.abc import Mapping
from typing import Any

import yaml

from mlintern.config import Config
from mlintern.core.roots import CONF

CHOSEN = {
    "trainer": "cpu", "determinism": "strict", "protocol": "clean", "optimizer": "adam", "scheduler": "constant",
    "loss": "cross_entropy", "augment": "none", "method": "supervised", "audit": "standard", "logger": "none",
    "study": "paper", "llm": "anthropic", "sandbox": "auto",
}  # fmt: skip


def _read(name: str) -> dict[str, Any]:
    found = yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8")) or {}
    return {key: value for key, value in found.items() if key != "defaults"}


def plain(**changes: Any) -> dict[str, Any]:
    """The plain form; a mapping changes keys of its group, anything else stands in the group's place."""
    made = {name: value for name, value in _read("config").items() if name != "hydra"}
    made |= {group: _read(f"{group}/{option}") for group, option in CHOSEN.items()}
    made |= {"model": {"_target_": "torch.nn.Identity"}, "paper": {"slug": "local_tiny"}, "ablation": None}
    made["metrics"] = {"accuracy": {"_target_": "mlintern.engine.metrics.Accuracy"}}
    made["protocol"]["mode"] = "max"
    for group, said in changes.items():
        made[group] = {**(made[group] or {}), **said} if isinstance(said, Mapping) else said
    return made


def config(**changes: Any) -> Config:
    """The same, typed."""
    return Config.from_plain(plain(**changes))
