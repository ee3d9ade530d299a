"""Other checkers on the same cases: each in an environment of its own, made here, and asked through a small adapter.

An adapter (checkers/) reads cases as npz files and prints what its checker reports, in our words. Cases that are no
numbers (texts, graphs) are not given to checkers of tables; they count as missed.
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlintern.audit.inputs.subject import Subject

PEERS = {
    "deepchecks": ["deepchecks==0.19.1", "pandas<2.2", "scikit-learn<1.4", "numpy<2", "setuptools<81"],
    "cleanlab": ["cleanlab[datalab]==2.9.0"],
    "guard": ["dataleak-guard==0.1.0"],
}


def export(subject: Subject, path: Path) -> bool:
    """One case as npz: x, y (and times) per part, flat; False where its features are no numbers."""
    if not subject.numeric:
        return False
    arrays: dict[str, np.ndarray] = {"classes": np.array(subject.splits.classes or 0)}
    for name in ("train", "test"):
        part = subject.parts()[name]
        arrays[f"x_{name}"], arrays[f"y_{name}"] = subject.flat(name), part.labels
        if part.times is not None:
            arrays[f"times_{name}"] = part.times
    with open(path, "wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]
    return True


def answers(peer: str, cases: Path, environments: Path) -> dict[str, dict]:
    """{case: {"kinds", "blocks"}} of one checker; its environment is made where there is none."""
    home = environments / peer
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS[peer]], check=True)
        (home / "ready").touch()
    adapter = Path(__file__).parent / "checkers" / f"{peer}_adapter.py"
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run([python, adapter, cases], check=True, capture_output=True, text=True, env=clean)
    return json.loads(done.stdout.splitlines()[-1])


def compare(kinds: Mapping[str, str | None], cases: Path, environments: Path) -> None:
    """Print each checker's recall and wrong blocks over the exported cases {name: planted kind, or None}."""
    leaks = sum(kind is not None for kind in kinds.values())
    for peer in PEERS:
        try:
            found = answers(peer, cases, environments)
        except subprocess.CalledProcessError as error:
            print(f"{peer}: it could not be run ({(error.stderr or '').strip().splitlines()[-1:]})", file=sys.stderr)
            continue
        named = [n for n, kind in kinds.items() if kind is not None and kind in found.get(n, {"kinds": []})["kinds"]]
        blocked = [n for n, kind in kinds.items() if kind is None and found.get(n, {"blocks": False})["blocks"]]
        by_kind: dict[str, int] = {}
        for name in named:
            by_kind[str(kinds[name])] = by_kind.get(str(kinds[name]), 0) + 1
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(by_kind.items())) or "none"
        print(f"{peer:12s} names {len(named)} of {leaks} ({told}); blocks {len(blocked)} of {len(kinds) - leaks} clean")
