"""`make portability`: does this project come to the same bits somewhere else?

    python -m portability                 # the committed study against the committed dvc.lock, then other CPUs
    python -m portability --short         # the same way with a study of seconds, run here and there
    python -m portability --only cpus     # training and operations on emulated CPUs alone

Exit code 0: all bits are equal; 1: some are not; 2: it could not be tried.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from mlintern.core.errors import UserError
from mlintern.core.roots import ROOT
from portability import emulation
from portability.circumstances import Elsewhere
from portability.clone import SLUG, clone, shorten
from portability.repro import here, there
from portability.results import compare, numbers, outputs

INDEX = f"runs/{SLUG}/study.json"


def study(short: bool, base: Path) -> bool:
    """`dvc repro` in a fresh clone elsewhere, against dvc.lock; a shortened study is also run here, to have one."""
    elsewhere = Elsewhere(base / "elsewhere")
    elsewhere.make()
    try:
        folder = clone(elsewhere.base / "another name" / "clone", backwards=True)
        expected = ROOT
        if short:
            shorten(folder)
            expected = clone(base / "clone")
            shorten(expected)
        say(f"dvc repro elsewhere: {elsewhere.described()}, files made in the opposite order, an empty DVC cache")
        for reason in elsewhere.same():
            say(f"  not different: {reason}")
        elsewhere.give(folder.parent)
        began = time.monotonic()
        there(elsewhere, folder)
        say(f"  done in {time.monotonic() - began:.0f} s")
        if short:
            say("dvc repro here, in a clone of its own")
            here(expected)
        found = [compare("outputs by dvc.lock", outputs(expected / "dvc.lock"), outputs(folder / "dvc.lock"))]
        cells = numbers(folder / INDEX)
        if (expected / INDEX).is_file() and is_current(expected):
            found.append(compare("hashes and metrics of the cells", numbers(expected / INDEX), cells))
        else:
            say(f"  ({len(cells)} hashes and metrics of the cells are in {INDEX}, which dvc.lock holds by its md5)")
        for comparison in found:
            say("  " + comparison.line())
        return all(not comparison.different for comparison in found)
    finally:
        elsewhere.remove()


def is_current(folder: Path) -> bool:
    """Is a folder's study.json the one that its dvc.lock names?"""
    import hashlib

    digest = hashlib.md5((folder / INDEX).read_bytes(), usedforsecurity=False).hexdigest()
    return outputs(folder / "dvc.lock").get(INDEX) == digest


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m portability", description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a shortened study, run both here and elsewhere")
    parser.add_argument("--only", choices=["study", "cpus"], help="one half of it")
    parser.add_argument("--cpu", action="append", help=f"CPU models of qemu (default: {', '.join(emulation.CPUS)})")
    parser.add_argument("--into", type=Path, help="a new folder that others may enter (default: a temporary one)")
    args = parser.parse_args()
    base = args.into or Path(tempfile.mkdtemp(prefix="portability-", dir="/var/tmp"))
    ok = True
    try:
        base.mkdir(parents=True, exist_ok=True)
        base.chmod(0o755)
        if args.only != "cpus":
            ok &= study(args.short, base)
        if args.only != "study":
            ok &= emulation.compare_cpus(args.cpu or emulation.CPUS, say)
    except UserError as error:
        print(f"portability: {error}", file=sys.stderr)
        return error.exit_code
    finally:
        if args.into is None:
            shutil.rmtree(base, ignore_errors=True)
    say("same bits" if ok else "DIFFERENT bits: see above")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
