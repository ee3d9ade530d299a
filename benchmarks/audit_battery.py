"""Planted leaks and clean splits for the audit: recall by kind, the share of planted rows named, and wrong blocks.

    python benchmarks/audit_battery.py [--seeds 20] [--first 0] [--only word] [--fresh] [--peers folder]

Data ship with scikit-learn or come from generators (audit_cases.py, audit_cases_media.py). A leak counts as named when
a finding of its kind is there with at least 95 % of the planted rows; a clean split as blocked when any finding reaches
`high`. `--fresh` runs the cases of audit_cases_fresh.py instead, on which nothing was tuned. `--peers` asks other
checkers about the same cases, each in an environment made in that folder; of them a kind is enough, without its rows.
"""

import argparse
import shutil
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np

from mlintern.audit.run import audit_subject

sys.path.insert(0, str(Path(__file__).parent))  # `python -m benchmarks.audit_battery` finds the cases too

from audit_cases import CASES
from audit_cases_media import MEDIA
from audit_peers import compare, export


def main() -> None:
    """Run the battery and print what was named, what was missed and what was blocked wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--fresh", action="store_true", help="the cases that nothing was tuned on")
    parser.add_argument("--peers", type=Path, help="folder for other checkers' environments")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = {**CASES, **MEDIA}
    if arguments.fresh:
        from audit_cases_fresh import FRESH

        cases = FRESH
    named: dict[str, list[bool]] = defaultdict(list)
    shares: dict[str, list[float]] = defaultdict(list)
    missed, blocked, clean = [], [], 0
    exported: dict[str, str | None] = {}
    folder = Path(tempfile.mkdtemp(prefix="battery-"))
    for name, make in cases.items():
        if arguments.only not in name:
            continue
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            made, kind, rows = make(seed)
            if arguments.peers:
                exported[f"case{len(exported):04d}"] = kind
                export(made, folder / f"case{len(exported) - 1:04d}.npz")
            started = time.perf_counter()
            report = audit_subject(made)
            seconds = time.perf_counter() - started
            kinds = sorted({f"{f.kind}:{f.severity}" for f in report.findings})
            if kind is None:
                clean += 1
                outcome = "BLOCKED" if report.blocking() else "open"
                if report.blocking():
                    blocked.append(f"{name} seed {seed}")
            else:
                found = [f for f in report.findings if f.kind == kind]
                share = 1.0 if found else 0.0
                if found and rows is not None:
                    share = float(np.isin(rows, found[0].evidence["rows"]["test"]).mean())
                    shares[kind].append(share)
                named[kind].append(share >= 0.95)
                outcome = f"named, {100 * share:.0f} % of rows" if found else "MISSED"
                if share < 0.95:
                    missed.append(f"{name} seed {seed}")
            print(f"{name:46s} seed {seed:2d}  {outcome:24s} {', '.join(kinds)}  {seconds:.1f} s", flush=True)
    print("\nrecall by kind (the right kind, at least 95 % of its rows)")
    for kind, hits in sorted(named.items()):
        rows_named = f", {100 * np.mean(shares[kind]):.1f} % of planted rows" if shares[kind] else ""
        print(f"  {kind:24s} {sum(hits)} of {len(hits)}{rows_named}")
    print(f"missed: {len(missed)} {'; '.join(missed)}")
    print(f"clean splits blocked: {len(blocked)} of {clean} {'; '.join(blocked)}")
    if arguments.peers:
        print("\nother checkers on the same cases")
        compare(exported, folder, arguments.peers)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
