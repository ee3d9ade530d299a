"""The configuration of runs: one typed schema, one Composer, limits, and what a mistake is told.

The places stand here and are looked up when they are needed, so that they have one home.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project: conf/, papers/ and mlintern/ stand side by side in it."""

CONF = ROOT / "conf"
PACKS = ROOT / "papers"

COORDINATES = ("model", "data", "ablation", "protocol", "seed")
"""What tells one cell of a study from another. Naming one on the command line asks for that cell alone."""

from mlintern.config.composer import Composer, check, no_environment, search_path  # noqa: E402
from mlintern.config.schema import ProtocolGroup, Trainer  # noqa: E402
from mlintern.config.values import DESIGNS  # noqa: E402

__all__ = [
    "CONF",
    "COORDINATES",
    "DESIGNS",
    "PACKS",
    "ROOT",
    "Composer",
    "ProtocolGroup",
    "Trainer",
    "check",
    "no_environment",
    "search_path",
]
