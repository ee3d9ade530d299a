"""Vetting from the host's side: all files of a pack by the static policy, then its models inside the sandbox."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlintern import strict_yaml
from mlintern.errors import UserError
from mlintern.sandbox import GIB, Backend, Limits, run_sandboxed
from mlintern.vet.checks import Check, Factor, Variant, job
from mlintern.vet.configs import FORBIDDEN_ROOTS, check_config
from mlintern.vet.policy import check_source
from mlintern.vet.refusal import Refusal
from mlintern.vet.targets import ENGINE_PREFIXES

VETTING_LIMITS = Limits(cpu_s=1200, wall_s=3600, memory_bytes=8 * GIB, processes=256, file_size_bytes=GIB)
_NOT_HYDRA = ("spec.yaml", "provenance.yaml", "composed.yaml")
_IGNORED = ("pack.lock",)
_TEXT = (".md", ".txt")
_CODE = re.compile(r"(modules|modules/[A-Za-z]\w*|modules/__init__)\.py", re.ASCII)
_ENV = {"OMP_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONHASHSEED": "0"}


def check_pack(
    folder: Path, *, allowed_resolvers: Sequence[str] = (), roots: Sequence[Path] | None = None
) -> list[Refusal]:
    """The static policy over every file of a pack; an empty list means that its models may be run in the sandbox.

    Refuses what has no place in a pack: compiled files, links, hidden files, Python outside `modules`.
    """
    slug = folder.name
    generators = _generators(folder)
    refusals: list[Refusal] = []
    for path in sorted(folder.rglob("*")):
        shown = f"papers/{slug}/{path.relative_to(folder).as_posix()}"
        relative = path.relative_to(folder)
        if "__pycache__" in relative.parts:
            continue  # the sandbox runs with its own; imports outside it are of approved files
        if path.is_symlink():
            refusals.append(Refusal(shown, 1, "file", "is a link; a pack holds plain files"))
        elif path.is_dir() or relative.as_posix() in _IGNORED:
            continue
        elif any(part.startswith(".") for part in relative.parts):
            refusals.append(Refusal(shown, 1, "file", "is hidden; a pack is read in one diff"))
        elif path.suffix == ".py":
            if not _CODE.fullmatch(relative.as_posix()):
                refusals.append(Refusal(shown, 1, "file", "code stands in modules.py or modules/<name>.py only"))
            refusals += check_source(path, "model", generators=generators, package=f"papers.{slug}.modules", name=shown)
        elif path.suffix in (".yaml", ".yml"):
            if relative.parts[0] == "conf" and (len(relative.parts) < 3 or relative.parts[1] in FORBIDDEN_ROOTS):
                refusals.append(
                    Refusal(shown, 1, "file", "would stand in for a config of the user's; a pack brings groups")
                )
            refusals += check_config(
                path,
                composed=relative.as_posix() not in _NOT_HYDRA,
                allowed_prefixes=[*ENGINE_PREFIXES, f"papers.{slug}."],
                allowed_resolvers=allowed_resolvers,
                roots=roots
                if roots is not None
                else [folder.resolve().parents[1], Path(__file__).resolve().parents[2]],
                name=shown,
            )
        elif path.suffix not in _TEXT:
            refusals.append(Refusal(shown, 1, "file", f"files of type {path.suffix or 'none'} have no place in a pack"))
    return refusals


def _generators(folder: Path) -> set[str]:
    """Classes and functions that the pack's data configs name as their source: the ones that build a dataset."""
    found: set[str] = set()
    for path in sorted((folder / "conf" / "data").glob("**/*.y*ml")):
        try:
            value = strict_yaml.load(path).value
        except UserError:
            continue  # refused on its own
        source: Any = value.get("source") if isinstance(value, dict) else None
        target = source.get("_target_") if isinstance(source, dict) else None
        if isinstance(target, str) and target.startswith(f"papers.{folder.name}."):
            found.add(target.rsplit(".", 1)[-1])
    return found


def check_models(
    variants: list[Variant],
    factors: list[Factor],
    *,
    project: Path,
    pack: Path,
    backend: Backend = "auto",
    limits: Limits = VETTING_LIMITS,
) -> list[Check]:
    """Runs the dynamic checks in a sandbox that sees `pack` (papers/<slug> below `project`) and mlintern.

    A sandbox that ends early is a FAIL of the check `sandbox`, not an error. Raises UserError when there is no sandbox,
    and when the checks themselves fail.
    """
    return _sandboxed("mlintern.vet.dynamic", job(variants, factors, [str(project)]), pack, backend, limits)


def rehearse(
    cells: Sequence[Mapping[str, Any]],
    *,
    project: Path,
    pack: Path,
    backend: Backend = "auto",
    limits: Limits = VETTING_LIMITS,
) -> list[Check]:
    """A few steps of each of `cells` ({name, config, overfit}) in the sandbox, data and audit included.

    With `alone: true` in a cell, what is wrong with its data is said of the cell.

    Raises UserError when there is no sandbox.
    """
    from mlintern.engine.determinism import Determinism

    work = {"cells": list(cells), "paths": [str(project)]}
    pins = Determinism(**cells[0]["config"]["determinism"]).pins() if cells else {}
    return _sandboxed("mlintern.vet.rehearse", work, pack, backend, limits, pins)


def _sandboxed(
    module: str,
    work: dict[str, Any],
    pack: Path,
    backend: Backend,
    limits: Limits,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> list[Check]:
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
        return [Check("pack", "sandbox", "FAIL", reason)]
    try:
        return [Check(**check) for check in json.loads(done.stdout)["checks"]]
    except (ValueError, KeyError, TypeError):
        return [Check("pack", "sandbox", "FAIL", "the answer is not what the checks write")]
