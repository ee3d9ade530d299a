"""Where the project is, looked up when it is needed, so that it has one home; and what its cells are told apart by."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project: conf/, papers/ and mlintern/ stand side by side in it."""

CONF = ROOT / "conf"
PACKS = ROOT / "papers"

COORDINATES = ("model", "data", "ablation", "protocol", "seed")
"""What tells one cell of a study from another. Naming one on the command line asks for that cell alone."""
