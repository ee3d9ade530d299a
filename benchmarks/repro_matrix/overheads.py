"""What the guarantees cost: steps per second beside a hand-written loop, and portable beside strict."""

import subprocess
import sys

from mlintern.core.roots import ROOT


def main() -> None:
    """Run both benchmarks in processes of their own; each prints paired ratios of one run."""
    for name in ("steps_per_second", "portable_cost"):
        print(flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=True)
