"""A project of its own with one tiny pack, `local_tiny`: two ablation factors, cells that train in about a second.

Variant `net` has the factors; `hungry` runs out of memory above a batch; `broken` raises; `plain` has no factors.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

from mlintern.core.roots import ROOT

SLUG = "local_tiny"
PAPER = f"paper={SLUG}"

MODULES = '''
"""The variants of a paper that nobody wrote."""

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    """A residual block on eight numbers."""

    def __init__(self, residual: bool = True, norm: bool = True, width: int = 16):
        super().__init__()
        self.residual = residual
        self.first = nn.Linear(8, width)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.second = nn.Linear(width, width)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.norm(self.first(x)))  # [batch, width]
        g = self.drop(torch.relu(self.second(h)))
        return self.head(h + g if self.residual else g)  # [batch, 2]


class Hungry(Net):
    """As large as memory allows for `most` examples at a time."""

    def __init__(self, most: int = 8, batch_norm: bool = False):
        super().__init__()
        self.most = most
        self.extra = nn.BatchNorm1d(8) if batch_norm else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > self.most:
            raise torch.OutOfMemoryError(f"tried to allocate memory for {len(x)} examples")
        return super().forward(self.extra(x))


class Broken(Net):
    """A mistake in the code."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise KeyError("no such layer")


class Blobs:
    """Two noisy classes in eight dimensions."""

    def __init__(self, n: int = 300, seed: int = 0):
        self.n, self.seed = n, seed

    def __call__(self) -> dict[str, dict[str, np.ndarray]]:
        draw = np.random.default_rng(self.seed)
        y = draw.integers(0, 2, self.n)
        x = draw.normal(size=(self.n, 8)) + 0.7 * y[:, None]
        ids = np.array([f"blob-{i:03d}" for i in range(self.n)])
        cut = self.n * 2 // 3
        return {
            "train": {"ids": ids[:cut], "features": x[:cut], "labels": y[:cut]},
            "test": {"ids": ids[cut:], "features": x[cut:], "labels": y[cut:]},
        }
'''

PAPER_CONF = """# @package _global_
defaults:
  - override /model: net
  - override /data: blobs
  - override /optimizer: adam
paper:
  slug: local_tiny
  id: local_tiny
  title: A tiny paper
  seeds: [0, 1]
  grid:
GRID
optimizer:
  lr: 0.01
trainer:
  max_steps: 40
  batch_size: 16
  eval_every: 20
  eval_batch_size: 8
"""

BASE_GRID = "    - {model: [net, plain], data: [blobs]}\n    - {model: [net], data: [blobs], factors: [residual, norm]}"

MODELS = {"net": "Net", "plain": "Net\nwidth: 4", "hungry": "Hungry", "broken": "Broken"}
ABLATIONS = {"residual_none": "residual: false", "norm_none": "norm: false"}


def spec(claims: list[dict] | None = None) -> dict:
    """The tiny paper's spec."""
    locator = {"span": [0, 4], "sha256": "0" * 64}

    def factor(name: str) -> dict:
        levels = [{"id": "full", "overrides": {}}, {"id": "none", "overrides": {f"model.{name}": False}}]
        return {"id": name, "description": f"the {name}", "base": "full", "levels": levels}

    return {
        "schema_version": 1,
        "paper": {"id": "local_tiny", "slug": SLUG, "title": "A tiny paper"},
        "datasets": [{"id": "blobs", "description": "two blobs"}],
        "variants": [{"id": name, "name": name, "description": "a net"} for name in MODELS],
        "settings": [],
        "tables": [
            {
                "id": "main",
                "label": "tab:main",
                "description": "accuracy",
                "metric": "accuracy",
                "unit": "percent",
                "better": "higher",
                "rows": ["net"],
                "columns": ["blobs"],
                "locator": locator,
                "cells": [
                    {
                        "row": "net",
                        "column": "blobs",
                        "variant": "net",
                        "data": "blobs",
                        "metric": "accuracy",
                        "printed": {"raw": "80.0", "mean": 80.0},
                        "locator": locator,
                        "testable": True,
                    }
                ],
            }
        ],
        "claims": [{"statement": "so it is said", "locator": locator, "testable": True, **c} for c in claims or []],
        "ablations": [factor("residual"), factor("norm")],
        "scale": {"published": "tiny"},
    }


def project(folder: Path, grid: str = BASE_GRID, claims: list[dict] | None = None, code: str = "") -> Path:
    """A copy of the project in `folder` whose only pack is the tiny one; its conf/ asks for quick audits."""
    for name in ("mlintern", "conf", "hydra_plugins", "locks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    primary = folder / "conf" / "config.yaml"
    text = primary.read_text()
    for ours, quick in (("audit: standard", "audit: quick"), ("checkpoint_seconds: 1.0", "checkpoint_seconds: 0.05")):
        assert ours in text
        text = text.replace(ours, quick)
    primary.write_text(text)
    return write_pack(folder, grid, claims, code)


def write_pack(folder: Path, grid: str = BASE_GRID, claims: list[dict] | None = None, code: str = "") -> Path:
    """papers/local_tiny/ in `folder`."""
    pack = folder / "papers" / SLUG
    conf = pack / "conf"
    files = {
        pack / "modules.py": MODULES + code,
        pack / "spec.yaml": json.dumps(spec(claims)),
        conf / "paper" / f"{SLUG}.yaml": PAPER_CONF.replace("GRID", grid),
        conf / "data" / "blobs.yaml": (
            "name: blobs\nsource:\n  _target_: papers.local_tiny.modules.Blobs\n  n: 300\npreprocess: null\n"
            "view: null\nclasses: 2\n"
        ),
    }
    for name, text in MODELS.items():
        files[conf / "model" / f"{name}.yaml"] = f"_target_: papers.local_tiny.modules.{text}\n"
    for name, text in ABLATIONS.items():
        files[conf / "ablation" / f"{name}.yaml"] = f"# @package _global_\nmodel:\n  {text}\n"
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def start(folder: Path, *argv: str, out: int | IO[str] = subprocess.PIPE, **environment: str) -> subprocess.Popen:
    """Start `python -m mlintern` in a project, in a process group of its own; what it prints goes to `out`."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH",)}
    return subprocess.Popen(
        [sys.executable, "-m", "mlintern", *argv],
        cwd=folder,
        env={**kept, "COLUMNS": "160", "PYTHONPATH": str(folder), **environment},
        stdout=out,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *argv: str, code: int = 0, seconds: float = 900, **environment: str) -> str:
    """Run to the end, which must come within `seconds`; returns what was printed."""
    process = start(folder, *argv, **environment)
    try:
        out, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == code, out
    return out


def records(folder: Path) -> dict[str, dict]:
    """{cell id: record}."""
    found = [json.loads(path.read_text()) for path in (folder / "runs").glob("*/*/run.json")]
    return {record["cell_id"]: record for record in found}


def bits(folder: Path) -> dict[str, tuple]:
    """{cell id: what must be equal wherever the cell is trained}."""
    names = ("loss_chain_sha256", "weights_sha256", "metrics", "evaluations", "selection", "test_readings", "status")
    return {key: tuple(json.dumps(r[n], sort_keys=True) for n in names) for key, r in records(folder).items()}
