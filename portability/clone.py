"""A clone of the committed repository in a folder of its own, its bundled study shortened in the clone alone.

The shortened study goes the whole way (data, audits, cells in parallel, report, DVC) in about a minute; the pack's code
stays as it was approved, and the shorter configuration is committed inside the clone, as a user would change a pack.
"""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.core.roots import ROOT

SLUG = "arxiv_2011_14439"
STEPS = 20

_COMPOSE = """
import sys
from mlintern.config import Composer
from mlintern.study.run.job import write_composed
from mlintern.packs.pack import Pack
from mlintern.plan.grid import study_cells
with Composer(sys.argv[1]) as composer:
    write_composed(Pack(sys.argv[1]), study_cells(composer, []))
"""
"""Run inside the clone: its own code writes its own composed.yaml."""


def clone(into: Path, backwards: bool = False) -> Path:
    """Clone HEAD of this repository into the new folder `into`; `backwards` makes its files in the opposite order.

    The order in which a folder's files were made is the order in which some file systems list them.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    first = into.with_name(into.name + ".first") if backwards else into
    _call(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(first)], into.parent)
    if backwards:
        tracked = _call(["git", "ls-files", "-z"], first).split("\0")
        for name in sorted(filter(None, tracked), reverse=True):
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (first / name).rename(into / name)
        (first / ".git").rename(into / ".git")
        for folder, _, _ in os.walk(first, topdown=False):
            Path(folder).rmdir()
    return into


def shorten(folder: Path, models: tuple[str, ...] = ("mlp", "cnn"), determinism: str = "strict") -> None:
    """Cut the bundled study of a clone down to one seed of a few steps under the quick audit, and commit that there."""
    if folder.resolve() == ROOT:
        raise UserError(f"{folder}: is the checkout itself; only a clone of it is shortened")
    path = folder / "papers" / SLUG / "conf" / "paper" / f"{SLUG}.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["defaults"] = [d for d in config["defaults"] if "override /determinism" not in d]
    config["defaults"].append({"override /determinism": determinism})
    config["paper"]["seeds"] = [0]
    for block in config["paper"]["grid"]:
        block["model"] = [model for model in block["model"] if model in models]
    config["trainer"].update(max_steps=STEPS, eval_every=STEPS // 2)
    files.write_text(path, "# @package _global_\n" + yaml.safe_dump(config, sort_keys=False))
    primary = folder / "conf" / "config.yaml"
    files.write_text(primary, primary.read_text(encoding="utf-8").replace("- audit: standard", "- audit: quick"))
    _call([sys.executable, "-c", _COMPOSE, SLUG], folder)
    commit(folder, "Shorter study")


def commit(folder: Path, message: str) -> None:
    """Commit what is tracked, under a name of its own: a fresh machine may have none configured."""
    who = ["-c", "user.name=portability", "-c", "user.email=portability@localhost", "-c", "commit.gpgsign=false"]
    _call(["git", *who, "commit", "--quiet", "--all", "--no-verify", "--message", message], folder)


def _call(argv: list[str], cwd: Path) -> str:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{' '.join(argv[:3])}: {(done.stderr or done.stdout).strip() or 'failed'} (in {cwd})")
    return done.stdout
