"""How fast each road reads, and what it costs in memory, against the raw text extraction of the libraries it uses.

    python benchmarks/read_speed.py PAPER...       (a folder or .tex, a page.html, a paper.pdf; any number of each)

LaTeX is compared with pylatexenc's LatexNodes2Text, HTML with lxml's text_content and (where it is installed)
BeautifulSoup's get_text, PDF with pdfplumber's extract_text and pypdfium2's text pages. Those give the text alone; a
Document holds tables as cells, numbers, sections, formulas, and offsets into the source. Each reader runs in a process
of its own, so that peak memory is its own, imports included; the time is processor time (which a busy machine changes
little), the best of three runs, without the imports. Our PDF road starts a process for every paper, and that is part of
its time.
"""

import importlib.util
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

REPEATS = 3
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
ROADS = {"latex": ("pylatexenc",), "html": ("lxml", "bs4"), "pdf": ("pdfplumber", "pypdfium2")}


def road_of(path: Path) -> str:
    """By the name: this is no reader."""
    return {".html": "html", ".htm": "html", ".pdf": "pdf"}.get(path.suffix.lower(), "latex")


def sources(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.tex"))


def pages(path: Path) -> int:
    import pypdfium2

    with pypdfium2.PdfDocument(path) as pdf:
        return len(pdf)


def reader(name: str, path: Path) -> Callable[[], object]:
    """One reading of the paper by one reader, its imports done."""
    if name == "latex":
        from mlintern.paper.latex.read import read_latex

        return lambda: read_latex(path)
    if name == "html":
        from mlintern.paper.html.read import read_html

        return lambda: read_html(path)
    if name == "pdf":
        from mlintern.paper.pdf.read import read_pdf

        return lambda: read_pdf(path)
    if name == "pylatexenc":
        from pylatexenc.latex2text import LatexNodes2Text

        texts = [file.read_text(encoding="utf-8", errors="replace") for file in sources(path)]
        return lambda: [LatexNodes2Text().latex_to_text(text) for text in texts]
    if name == "lxml":
        from lxml import html

        return lambda: html.fromstring(path.read_bytes()).text_content()
    if name == "bs4":
        from bs4 import BeautifulSoup

        return lambda: BeautifulSoup(path.read_bytes(), "lxml").get_text()
    return {"pdfplumber": _pdfplumber, "pypdfium2": _pypdfium2}[name](path)


def _pdfplumber(path: Path) -> Callable[[], object]:
    import pdfplumber

    def read() -> list[str]:
        with pdfplumber.open(path) as pdf:
            return [page.extract_text() for page in pdf.pages]

    return read


def _pypdfium2(path: Path) -> Callable[[], object]:
    import pypdfium2

    def read() -> list[str]:
        with pypdfium2.PdfDocument(path) as pdf:
            return [page.get_textpage().get_text_range() for page in pdf]

    return read


def processor_seconds() -> float:
    """Of this process and its children."""
    used = [resource.getrusage(who) for who in _WHO]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(name: str, path: Path) -> None:
    """Prints the seconds of the best run, and the peak memory of this process or of its largest child in MB."""
    run = reader(name, path)
    best = float("inf")
    for _ in range(REPEATS):
        begun = processor_seconds()
        run()
        best = min(best, processor_seconds() - begun)
    peak = max(resource.getrusage(who).ru_maxrss for who in _WHO)
    print(json.dumps({"seconds": best, "peak_mb": peak / 1024}))


def ask(name: str, path: Path) -> dict[str, float]:
    """What `measure` prints in a process of its own; empty, with a line for the user, where it failed."""
    done = subprocess.run([sys.executable, __file__, "--one", name, str(path)], capture_output=True, text=True)
    if done.returncode:
        print(f"{path}: {name} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {}
    return json.loads(done.stdout)


def main(argv: list[str]) -> int:
    """Prints a line for each paper and reader: KB/s, pages/s, peak MB, and how many times its time ours takes."""
    if not argv:
        print(__doc__)
        return 2
    if argv[0] == "--one":
        measure(argv[1], Path(argv[2]))
        return 0
    print(
        f"{'paper':<28}{'KB':>7}{'pages':>7}  {'reader':<12}{'KB/s':>8}{'pages/s':>9}{'peak MB':>9}{'ours takes':>12}"
    )
    for path in map(Path, argv):
        road = road_of(path)
        size = sum(file.stat().st_size for file in sources(path)) / 1024
        count = pages(path) if road == "pdf" else 0
        ours: dict[str, float] = {}
        for name in (road, *(other for other in ROADS[road] if importlib.util.find_spec(other))):
            found = ask(name, path)
            if not found:
                continue
            ours = ours or found
            rate = f"{count / found['seconds']:>9.1f}" if count else f"{'':>9}"
            ratio = "" if name == road else f"{ours['seconds'] / found['seconds']:.2f} x"
            label = f"mlintern {road}" if name == road else name
            print(
                f"{path.name[-27:]:<28}{size:>7.0f}{count or '':>7}  {label:<14}{size / found['seconds']:>6.0f}{rate}"
                f"{found['peak_mb']:>9.0f}{ratio:>12}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
