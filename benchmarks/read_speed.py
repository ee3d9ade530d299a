"""How fast the LaTeX road reads, and what it costs in memory, against pylatexenc's raw text extraction.

    python benchmarks/read_speed.py FOLDER_OR_TEX...

Each reader runs in a process of its own, so that peak memory is its own; the imports are not timed. The Document holds
tables as cells, offsets and numbers; pylatexenc's LatexNodes2Text gives the text alone.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

REPEATS = 3


def _sources(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.tex"))


def _measure(reader: str, path: Path) -> None:
    """Runs one reader; prints seconds of the best of three runs and the process's peak memory in MB."""
    if reader == "mlintern":
        from mlintern.paper.latex.read import read_latex

        def run() -> object:
            return read_latex(path)
    else:
        from pylatexenc.latex2text import LatexNodes2Text

        def run() -> object:
            return [LatexNodes2Text().latex_to_text(p.read_text(errors="replace")) for p in _sources(path)]

    best = float("inf")
    for _ in range(REPEATS):
        begun = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": best, "peak_mb": peak}))


def _ask(reader: str, path: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--one", reader, str(path)], capture_output=True, text=True)
    if done.returncode:
        print(f"{path}: {reader} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {}
    return json.loads(done.stdout)


def main(argv: list[str]) -> int:
    """Prints one line per paper: KB/s and peak MB of both, and the ratio of the times (below 1: ours is faster)."""
    if not argv:
        print(__doc__)
        return 2
    if argv[0] == "--one":
        _measure(argv[1], Path(argv[2]))
        return 0
    print(f"{'paper':<28}{'KB':>6}{'ours KB/s':>11}{'MB':>6}{'pylatexenc KB/s':>17}{'MB':>6}{'time ratio':>12}")
    for name in argv:
        path = Path(name)
        size = sum(p.stat().st_size for p in _sources(path)) / 1024
        ours, theirs = _ask("mlintern", path), _ask("pylatexenc", path)
        if ours and theirs:
            print(
                f"{path.name[-27:]:<28}{size:>6.0f}{size / ours['seconds']:>11.0f}{ours['peak_mb']:>6.0f}"
                f"{size / theirs['seconds']:>17.0f}{theirs['peak_mb']:>6.0f}"
                f"{ours['seconds'] / theirs['seconds']:>12.2f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
