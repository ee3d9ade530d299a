"""The configuration of runs: one typed schema, one Composer, limits, and what a mistake is told."""

from mlintern.config.composer import Composer, check, no_environment, search_path
from mlintern.config.schema import DESIGNS, Config

__all__ = ["DESIGNS", "Composer", "Config", "check", "no_environment", "search_path"]
