"""The audit's speed at scale, against named limits and, for texts, against rensa in an environment of its own.

    python benchmarks/audit_speed.py [--peers folder] [--only exact,images,texts,table,streamed] [--rows 1000000]

Each line says what was measured, the limit, and their ratio (1 or more: the limit holds). Times are wall-clock, imports
left out. Texts are 100,000 of 20 words with 1,000 near copies across the split; rensa builds its MinHash (128
permutations, three-word shingles) of the same texts, and the limit is twice its time. The table is audited in a process
of its own with default options, so that peak memory is its own: once from memory, once `streamed` from parquet files
with `--memory`; what counts then is memory that no file backs (the system takes back pages of a mapped file).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.stats  # noqa: F401  imported before clocks start

from mlintern.audit.checks.exact_duplicate import exact_duplicates
from mlintern.audit.checks.near_duplicate import near_duplicates
from mlintern.audit.inputs.canonical import row_hashes
from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.inputs.read import subject_from_tables
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.run import audit_subject

_RENSA = """
import sys, time
from rensa import RMinHash
texts = open(sys.argv[1], encoding="utf-8").read().splitlines()
started = time.perf_counter()
for text in texts:
    minhash = RMinHash(num_perm=128, seed=42)
    words = text.split()
    minhash.update([" ".join(words[i : i + 3]) for i in range(len(words) - 2)])
    minhash.digest()
print(time.perf_counter() - started)
"""


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call; the best of two."""
    times = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def table(rows: int) -> Subject:
    """`rows` x 64 float32 normal columns, a fifth of them test, 100 of those exact copies; labels of two columns."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 64)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] + rng.normal(size=rows) > 0).astype(np.int64)
    border = int(0.8 * rows)
    x[border : border + 100] = x[:100]
    return subject_from_arrays({"train": (x[:border], y[:border]), "test": (x[border:], y[border:])})


def told(what: str, value: float, limit: float, unit: str, *, more_is_better: bool = True) -> None:
    ratio = value / limit if more_is_better else limit / value
    print(f"{what:48s} {value:14,.1f} {unit:10s} limit {limit:12,.1f}  ratio {ratio:.2f}", flush=True)


def exact(rows: int) -> None:
    made = table(rows)
    told("exact duplicates, 64 float32 columns", rows / seconds(lambda: exact_duplicates(made)), 1e6, "rows/s")


def images() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (100_000, 32 * 32), dtype=np.uint8)
    took = seconds(lambda: row_hashes(pixels, np.dtype(np.uint8)))
    told("100,000 images of 32x32 hashed", len(pixels) / took, 30_000, "images/s")


def texts(environments: Path) -> None:
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(30_000)], dtype=object)
    rows = words[rng.zipf(1.3, (100_000, 20)) % len(words)]
    rows[80_000:81_000] = rows[:1000]
    rows[80_000:81_000, 7] = "edited"
    lines = np.array([" ".join(row) for row in rows], dtype=object)
    labels = rng.integers(0, 2, len(lines))
    parts = {"train": (lines[:80_000, None], labels[:80_000]), "test": (lines[80_000:, None], labels[80_000:])}
    found = {}

    def check() -> None:
        made = subject_from_arrays(parts, AuditOptions(), modality="text")  # a new subject: nothing is cached
        found["outcome"] = near_duplicates(made)

    ours, theirs = seconds(check), _rensa_seconds(environments, lines)
    told("100,000 short texts, near duplicates", ours, 2 * theirs, "s", more_is_better=False)
    outcome = found["outcome"]
    named = outcome.findings[0].evidence["rows"]["test"] if outcome.findings else []
    print(f"    rensa's MinHash alone: {theirs:.1f} s; 1,000 copies planted, {np.isin(range(1000), named).sum()} named")
    print(f"    {outcome.reason}")


def _rensa_seconds(environments: Path, lines: np.ndarray) -> float:
    home = environments / "rensa"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "-q", "rensa==0.5.0"], check=True)
        (home / "ready").touch()
    file = home / "texts.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run(
        [home / "bin" / "python", "-c", _RENSA, file], check=True, capture_output=True, text=True, env={}
    )
    return float(done.stdout)


def whole(rows: int, given: str, *options: str) -> None:
    """Default audit of the table in another process."""
    command = [sys.executable, __file__, "--child", "--rows", str(rows), *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    told(f"{rows:,} x 64 rows {given}: peak memory", result["peak"] / 2**30, 8, "GiB", more_is_better=False)
    if result["anonymous"]:
        told(f"{rows:,} x 64 rows {given}: without files", result["anonymous"] / 2**30, 8, "GiB", more_is_better=False)
    told(f"{rows:,} x 64 rows {given}: time", result["seconds"] / 60, 10, "minutes", more_is_better=False)
    print(f"    {result['summary']}")
    for reason in result["reasons"]:
        print(f"    {reason}")
    slowest = ", ".join(f"{name} {took:.0f} s" for name, took in result["slowest"])
    print(f"    slowest checks: {slowest}")


def streamed(rows: int, memory: str) -> None:
    """The table as two parquet files, audited with that much memory."""
    import pyarrow
    import pyarrow.parquet

    made = table(rows)
    with tempfile.TemporaryDirectory() as folder:
        for part, block in made.parts().items():
            columns = {f"c{i}": block.features[:, i] for i in range(block.features.shape[1])}
            file = Path(folder) / f"{part}.parquet"
            pyarrow.parquet.write_table(pyarrow.table({**columns, "y": block.labels}), file, row_group_size=100_000)
        del made, columns, block
        whole(rows, f"streamed in {memory}", "--folder", folder, "--memory", memory)


def watched_anonymous() -> list[int]:
    """A list whose only entry is the most memory without a file behind it so far, in bytes (0 where not Linux)."""
    most, status = [0], Path("/proc/self/status")

    def watch() -> None:
        while True:
            line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
            most[0] = max(most[0], 1024 * int(line.split()[1]))
            time.sleep(0.02)

    if status.exists():
        threading.Thread(target=watch, daemon=True).start()
    return most


def child(rows: int, folder: Path | None, memory: str) -> None:
    anonymous = watched_anonymous()
    if folder is None:
        made = table(rows)
    else:
        paths = {part: folder / f"{part}.parquet" for part in ("train", "test")}
        made = subject_from_tables(paths, {"label": "y"}, AuditOptions(memory=memory))
        assert isinstance(made.train.features, np.memmap)
    started = time.perf_counter()
    report = audit_subject(
        made, lambda name, done, total: print(f"\r{done}/{total} {name:30s}", end="", file=sys.stderr)
    )
    took = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    slowest = sorted(((c.name, c.seconds) for c in report.checks), key=lambda c: -c[1])[:4]
    reasons = [f"{c.name}: {c.reason}" for c in report.checks if c.name in ("near_duplicate", "latent_group")]
    result = {"peak": peak, "anonymous": anonymous[0], "seconds": took, "summary": report.summary()}
    print(json.dumps({**result, "slowest": slowest, "reasons": reasons}))


def main() -> None:
    """Measure what was asked for and print it beside its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", type=Path, default=Path("peers"), help="folder for rensa's environment")
    parser.add_argument("--only", default="exact,images,texts,table,streamed")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--memory", default="1GiB", help="audit.memory of the streamed table (default: 1GiB)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.rows, arguments.folder, arguments.memory)
        return
    wanted = arguments.only.split(",")
    if "exact" in wanted:
        exact(arguments.rows)
    if "images" in wanted:
        images()
    if "texts" in wanted:
        texts(arguments.peers)
    if "table" in wanted:
        whole(arguments.rows, "in memory")
    if "streamed" in wanted:
        streamed(arguments.rows, arguments.memory)


if __name__ == "__main__":
    main()
