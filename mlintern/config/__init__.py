"""The configuration of runs: one typed schema, one Composer, limits, and what a mistake is told."""

from mlintern.config.composer import Composer, check, no_environment, search_path
from mlintern.config.schema import ProtocolGroup, Trainer
from mlintern.config.values import DESIGNS

__all__ = [
    "DESIGNS",
    "Composer",
    "ProtocolGroup",
    "Trainer",
    "check",
    "no_environment",
    "search_path",
]
