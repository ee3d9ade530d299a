"""Vetting from the host's side: all files of a pack by the static policy, then its models inside the sandbox."""

import dataclasses
import itertools
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlintern.config.pack_yaml import pack_problems
from mlintern.core import strict_yaml
from mlintern.core.errors import UserError
from mlintern.core.schema import plain
from mlintern.sandbox.limits import GIB, Backend, Limits
from mlintern.sandbox.process import run_sandboxed
from mlintern.vet import text
from mlintern.vet.checks import CheckedModel, LevelChange, ModelCheck, Models
from mlintern.vet.policy import check_source
from mlintern.vet.refusal import Refusal

VETTING_LIMITS = Limits(cpu_s=1200, wall_s=3600, memory_bytes=8 * GIB, processes=256, file_size_bytes=GIB)
_NOT_HYDRA = ("spec.yaml", "provenance.yaml", "composed.yaml")
LARGEST_PACK = 250_000  # bytes of code and configuration; the largest that was authored has an eighth of that
MOST_FILES = 500
DEEPEST_FOLDER = 6
_TEXT = (".md", ".txt")
_CODE = re.compile(r"(modules|modules/[A-Za-z]\w*|modules/__init__)\.py", re.ASCII)
_ENV = {"OMP_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONHASHSEED": "0"}


def check_pack(folder: Path, *, allowed_resolvers: Sequence[str] = ()) -> list[Refusal]:
    """The linter over every file of a pack; an empty list means that its models may be run in the sandbox.

    Refuses what has no place in a pack: compiled files, links, pipes, hidden files, Python outside `modules`. Nothing
    of the pack is run, and nothing in it holds this up: files are opened by type and size, and their number is bounded.
    """
    slug = folder.name
    refusals: list[Refusal] = []
    python, configs = [], []
    total = 0
    for path, problem in _walk(folder):
        relative = path.relative_to(folder)
        shown = f"papers/{slug}/{_printable(relative.as_posix())}"
        problem = problem or _misplaced(relative)
        if problem is not None:
            refusals.append(Refusal(shown, 1, "file", problem))
        elif relative.suffix == ".py":
            python.append((path, shown))
        elif relative.suffix in (".yaml", ".yml"):
            configs.append((path, shown))
        total += 0 if problem or relative.as_posix() in _NOT_HYDRA else path.lstat().st_size
    if total > LARGEST_PACK:
        return [*refusals, Refusal(f"papers/{slug}", 1, "size", f"over {LARGEST_PACK:,} bytes; leave data out")]
    generators = _generators(folder, [path for path, _ in configs])
    for path, shown in python:
        refusals += check_source(path, "model", generators=generators, package=f"papers.{slug}.modules", name=shown)
    for path, shown in configs:
        if path.relative_to(folder).parts[0] != "conf":
            refusals += _record(path, shown)
    found = pack_problems(folder.resolve(), allowed_resolvers, by_name=False)
    named = {(refusal.file, refusal.rule) for refusal in refusals}
    refusals += [Refusal(p.file, p.line, p.rule, p.message) for p in found if (p.file, p.rule) not in named]
    return sorted(refusals, key=lambda refusal: (refusal.file, refusal.line))


def _walk(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """(path, what is wrong with it by its type) of all that a pack's folder holds; links are not followed."""
    if folder.is_symlink():
        yield folder, "is a link; a pack is a folder of plain files"
        return
    waiting, seen = [folder], 0
    while waiting:
        here = waiting.pop()
        try:
            entries = list(itertools.islice(os.scandir(here), MOST_FILES + 1))
        except OSError as error:
            yield here, f"cannot be read ({error.strerror}); a pack holds plain files and folders"
            continue
        seen += len(entries)
        if seen > MOST_FILES:
            yield here, f"a pack holds at most {MOST_FILES} files and folders; leave data out"
            return
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = here / entry.name
            if entry.is_symlink():
                yield path, "is a link; a pack holds plain files"
            elif entry.is_dir(follow_symlinks=False):
                if "." in entry.name:
                    yield path, "is a folder named like a file or hidden; a pack's are conf, its groups, and modules"
                elif len(path.relative_to(folder).parts) > DEEPEST_FOLDER:
                    yield path, f"lies deeper than {DEEPEST_FOLDER} folders; flatten it"
                else:
                    waiting.append(path)
            elif not entry.is_file(follow_symlinks=False):
                yield path, "is a pipe, a socket or a device; a pack holds plain files"
            elif not _bytecode(path.relative_to(folder)):
                yield path, None


def _bytecode(relative: Path) -> bool:
    """Is it a cache of the interpreter's? Those of packs are neither read nor written."""
    return relative.suffix == ".pyc" and relative.parent.name == "__pycache__"


def _misplaced(relative: Path) -> str | None:
    """Why a plain file has no place in a pack by its name, or None."""
    place = relative.as_posix()
    if any(part.startswith(".") for part in relative.parts):
        return "is hidden; a pack is read in one diff"
    if _printable(place) != place:
        return "has a name that cannot be read; rename it"
    if relative.suffix == ".py":
        return None if _CODE.fullmatch(place) else "code stands in modules.py or modules/<name>.py only"
    if relative.suffix in (".yaml", ".yml"):
        known = relative.parts[0] == "conf" or place in _NOT_HYDRA
        return None if known else f"configs lie in conf/; beside it stand only {', '.join(_NOT_HYDRA)}"
    if relative.suffix not in _TEXT:
        return f"files of type {relative.suffix or 'none'} have no place in a pack"
    return None


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)


def _record(path: Path, shown: str) -> list[Refusal]:
    """What is wrong with a YAML file that Hydra never sees: a spec, a provenance."""
    content, refusals = text.read(path, shown, text.LARGEST_RECORD)
    try:
        if not refusals:
            strict_yaml.parse(content, shown)
    except UserError as error:
        said = str(error).removeprefix(f"{shown}:")
        line, _, rest = said.partition(":")
        return [Refusal(shown, int(line) if line.isdigit() else 1, "yaml", rest.strip() if line.isdigit() else said)]
    return refusals


def _generators(folder: Path, configs: Sequence[Path]) -> set[str]:
    """Classes and functions that the pack's data configs name as their source: the ones that build a dataset."""
    found: set[str] = set()
    for path in configs:
        if path.relative_to(folder).parts[:2] != ("conf", "data"):
            continue
        content, refusals = text.read(path, path.name)
        try:
            value = None if refusals else strict_yaml.parse(content, path.name).value
        except (UserError, RecursionError):
            continue  # refused on its own
        source: Any = value.get("source") if isinstance(value, dict) else None
        target = source.get("_target_") if isinstance(source, dict) else None
        if isinstance(target, str) and target.startswith(f"papers.{folder.name}."):
            found.add(target.rsplit(".", 1)[-1])
    return found


def check_models(
    variants: list[CheckedModel],
    factors: list[LevelChange],
    *,
    project: Path,
    pack: Path,
    backend: Backend = "auto",
    limits: Limits = VETTING_LIMITS,
) -> list[ModelCheck]:
    """Runs the dynamic checks in a sandbox that sees `pack` (papers/<slug> below `project`) and mlintern.

    A sandbox that ends early is a FAIL of the check `sandbox`, not an error. Raises UserError when there is no sandbox,
    and when the checks themselves fail.
    """
    work = dataclasses.asdict(Models(variants, factors, [str(project)]))
    return _sandboxed("mlintern.vet.dynamic", work, pack, backend, limits)


def rehearse(
    cells: Sequence[Mapping[str, Any]],
    *,
    project: Path,
    pack: Path,
    backend: Backend = "auto",
    limits: Limits = VETTING_LIMITS,
) -> list[ModelCheck]:
    """A few steps of each of `cells` ({name, config, overfit}) in the sandbox, data and audit included.

    With `alone: true` in a cell, what is wrong with its data is said of the cell.

    Raises UserError when there is no sandbox.
    """
    work = {"cells": plain(list(cells)), "paths": [str(project)]}
    pins = cells[0]["config"].determinism.pins() if cells else {}
    return _sandboxed("mlintern.vet.rehearse", work, pack, backend, limits, pins)


def _sandboxed(
    module: str,
    work: dict[str, Any],
    pack: Path,
    backend: Backend,
    limits: Limits,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> list[ModelCheck]:
    with tempfile.TemporaryDirectory(prefix="mlintern-vet-") as scratch:
        done = run_sandboxed(
            [sys.executable, "-m", module],
            readonly=[pack],
            scratch=Path(scratch),
            limits=limits,
            env={**_ENV, **environment},
            backend=backend,
            input=json.dumps(work).encode(),
        )
    if done.returncode != 0 or done.ended_by is not None:
        said = done.stderr.decode(errors="replace")
        last = said.strip().splitlines()[-1:] or ["no message"]
        in_pack = f"{pack.parent.name}/{pack.name}/" in said or re.search(r"MemoryError|allocate|memory", last[0])
        if done.ended_by is None and done.returncode > 0 and not in_pack:
            raise UserError(
                f"{module}: ended with code {done.returncode} ({last[0][:300]}) outside the pack's code: a fault of "
                "this tool, which no change of the pack mends; please report it with what --debug prints"
            )
        reason = (
            f"passed the limit {done.ended_by}" if done.ended_by else f"exit code {done.returncode}: {last[0][:300]}"
        )
        return [ModelCheck("pack", "sandbox", "FAIL", reason)]
    try:
        return [ModelCheck(**check) for check in json.loads(done.stdout)["checks"]]
    except (ValueError, KeyError, TypeError):
        return [ModelCheck("pack", "sandbox", "FAIL", "the answer is not what the checks write")]
