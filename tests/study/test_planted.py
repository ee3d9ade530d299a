"""Planted causes, end to end: two runs with one thing changed between them; verify and diff name it.

Everything happens in a copy of the project, so that any of its files may be changed: the pack, the engine, the data, an
installed package.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from mlintern.core.records.record import seal
from mlintern.core.roots import ROOT
from tests.end_to_end.runs import PAPER, SLUG

pytestmark = pytest.mark.extended

SHORT = ["trainer.max_steps=12", "trainer.eval_every=12", "trainer.order=reshuffled", "audit=quick", "sandbox=none"]
MODULES = f"papers/{SLUG}/modules.py"
BATCH_NORM = [
    (
        "        self.out = nn.Linear(hidden, CLASSES)",
        "        self.out = nn.Linear(hidden, CLASSES)\n        self.norm = nn.BatchNorm1d(hidden)",
    ),
    ("h = functional.relu(self.first(x))", "h = self.norm(functional.relu(self.first(x)))"),
]


class Project:
    """A copy of the project, and its command line."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("mlintern", "papers", "conf", "locks"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        for old, new in BATCH_NORM:
            self.edit(MODULES, old, new)

    def call(self, *argv: str, code: int | tuple[int, ...] = 0) -> str:
        environment = {**os.environ, "COLUMNS": "300", "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(
            [sys.executable, "-m", "mlintern", *argv],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
        )
        out = done.stdout + done.stderr
        assert done.returncode in ((code,) if isinstance(code, int) else code), out
        return " ".join(out.split())

    def train(self, *overrides: str) -> Path:
        """Train one cell; returns its folder."""
        before = set((self.folder / "runs").glob(f"{SLUG}/*/run.json"))
        self.call(PAPER, "model=mlp", *SHORT, *overrides)
        (made,) = set((self.folder / "runs").glob(f"{SLUG}/*/run.json")) - before
        return made.parent

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A project with one record."""
    project = Project(tmp_path_factory.mktemp("planted") / "project")
    return project, project.train("seed=0")


@pytest.fixture
def planted(trained, tmp_path):
    """A fresh copy of it, to plant something in: (project, folder of the record)."""
    project, run = trained
    copy = Project.__new__(Project)
    copy.folder = tmp_path / "project"
    shutil.copytree(project.folder, copy.folder)
    return copy, copy.folder / run.relative_to(project.folder)


def test_nothing_changed(planted):
    project, run = planted
    out = project.call("verify", str(run))
    assert "IDENTICAL: 12 losses, and the chosen weights, bit for bit" in out
    assert "Not as recorded" not in out
    assert "now (" not in out


@pytest.mark.parametrize(
    ("name", "old", "new", "where", "cause"),
    [
        pytest.param(
            MODULES,
            "h = h + functional.relu(layer(h))",
            "h = h + functional.leaky_relu(layer(h), 1e-6)",
            "Inside step 0, first to differ: the input of out (Linear), which is computed outside of it:",
            "code: the pack's Python code",
            id="module",
        ),
        pytest.param(
            MODULES,
            "nn.BatchNorm1d(hidden)",
            "nn.BatchNorm1d(hidden, momentum=0.11)",
            "Inside step 0, first to differ: norm.running_mean after the step:",
            "code: the pack's Python code",
            id="batch norm momentum",
        ),
        pytest.param(
            "mlintern/core/streams/seeding.py",
            'return generator(seed, "order", epoch).permutation(n)',
            'return generator(seed, "order", epoch).permutation(n)[::-1].copy()',
            "Inside step 0, first to differ: which examples are in the batch:",
            "code: mlintern/core/streams/seeding.py",
            id="batch order",
        ),
        pytest.param(
            "mlintern/engine/loop.py",
            "self.optimizer.step()",
            "self.parameters[0].grad.mul_(1.0 + 2e-7); self.optimizer.step()",
            "first to differ: the gradient of first.weight as the optimizer gets it",
            "code: mlintern/engine/loop.py",
            id="update",
        ),
    ],
)
def test_edited_code(planted, name, old, new, where, cause):
    project, run = planted
    project.edit(name, old, new)
    out = project.call("verify", str(run), code=1)
    assert where in out
    assert " ulp" in out or "batch" in where
    assert f"Likeliest cause: {cause}" in out
    other = project.train("seed=0") if name == MODULES else None
    if other is not None:
        out = project.call("diff", str(run), str(other), code=1)
        assert where in out
        assert f"Likeliest cause: {cause}" in out


def flip(path: Path, fingerprint: bool) -> None:
    """Flip the lowest bit of one training feature; with `fingerprint`, as if the data had been prepared so."""
    from mlintern.data.splits import Examples

    with np.load(path) as archive:
        columns = {name: archive[name].copy() for name in archive.files}
    flat = columns["features"].reshape(-1)
    flat.view(np.uint8)[: flat.itemsize * 40] ^= np.uint8(0x08)  # the first example's
    np.savez(path, **columns)
    if fingerprint:
        dataset = json.loads((path.parent / "dataset.json").read_text())
        dataset["parts"]["train"] = Examples(**columns).fingerprint()
        del dataset["sha256"]  # as an earlier version wrote it
        (path.parent / "dataset.json").write_text(json.dumps(dataset))


def test_flipped_bit_in_a_data_file(planted):
    project, run = planted
    (path,) = (project.folder / "data" / SLUG).glob("*/train.npz")
    flip(path, fingerprint=False)
    out = project.call("verify", str(run), code=2)
    assert "train.npz: content does not match its fingerprint" in out
    flip(path, fingerprint=False)
    flip(path, fingerprint=True)
    out = project.call("verify", str(run), code=1)
    assert "(the same examples with other values)" in out
    assert "Likeliest cause: data: train part" in out
    other = project.train("seed=0")
    out = project.call("diff", str(run), str(other), code=1)
    assert "Likeliest cause: data: train part" in out
    assert "(the same examples with other values)" in out


def test_another_seed(planted):
    project, run = planted
    other = project.train("seed=1")
    out = project.call("diff", str(run), str(other), code=1)
    assert "Likeliest cause: seed: seed: 0 | 1" in out
    assert "Inside step 0, first to differ: which examples are in the batch" in out
    record = json.loads((run / "run.json").read_text())
    record["config"]["seed"] = 1
    (run / "run.json").write_text(json.dumps(record))
    assert "run.json: was changed after it was written" in project.call("verify", str(run), code=2)
    (run / "run.json").write_text(json.dumps(seal(record, run)))  # by somebody who takes care
    out = project.call("verify", str(run), code=1)
    assert "record: seed 0 beside config.seed 1; it was edited" in out


@pytest.mark.parametrize(
    ("overrides", "cause", "where"),
    [
        (
            ["optimizer.lr=0.011"],
            "config: optimizer.lr: 0.01 | 0.011",
            "the optimizer's setting lr (Adam): 0.01 | 0.011",
        ),
        (["augment=gaussian_noise"], "config: augment", "the batch's"),
        (["determinism=strict"], "config: determinism", ""),
        (["trainer.order=fixed"], "config: trainer.order: reshuffled | fixed", "which examples are in the batch"),
        (["data.preprocess.per_feature=true"], "config: data.preprocess", "the same examples"),
    ],
    ids=["optimizer", "augmentation", "level", "order", "preprocessing"],
)
def test_another_configuration(planted, overrides, cause, where):
    project, run = planted
    other = project.train("seed=0", *overrides)
    out = project.call("diff", str(run), str(other), code=(0, 1))
    if "DIFFERENT" in out:
        assert f"Likeliest cause: {cause}" in out
        assert where in out
    else:
        assert cause.removeprefix("config: ") in out


def test_another_thread_count(planted):
    """The record was made with two threads although it says one: putting two back gives its bits."""
    project, one = planted
    loose = ["determinism=fast", "determinism.deterministic_algorithms=true", "model=cnn", "trainer.batch_size=1000"]
    one = project.train("seed=0", *loose)
    two = project.train("seed=0", *loose, "determinism.threads=2")
    out = project.call("diff", str(one), str(two), code=(0, 1))
    assert "determinism.threads" in out
    assert ("Likeliest cause: config: determinism.threads: 1 | 2" in out) == ("DIFFERENT" in out)
    if "DIFFERENT" not in out:
        pytest.skip("two threads give the bits of one on this machine")
    record = json.loads((two / "run.json").read_text())
    record["config"]["determinism"]["threads"] = 1
    (two / "run.json").write_text(json.dumps(seal(record, two)))
    out = project.call("verify", str(two), code=1)
    assert "Cause: environment: threads: 2 then, 1 now. Put back as recorded, it gives the record's bits." in out
    assert "Inside step" in out


def test_another_package_version_and_an_edited_package(planted):
    project, run = planted
    other = project.folder / "numpy-9.9.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9.9.9\n")
    out = project.call("verify", str(run))
    version = metadata.version("numpy")
    assert f"environment: package numpy: {version} then, 9.9.9 now (no effect on these bits)" in out
    shutil.rmtree(other)
    package = metadata.distribution("mnist1d")
    for file in package.files or ():
        if file.suffix == ".py" or file.name in ("RECORD", "METADATA"):
            path = project.folder / str(file)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(package.locate_file(file)), path)
    out = project.call("verify", str(run))
    assert "mnist1d" not in out
    path = project.folder / "mnist1d" / "data.py"
    path.write_text(path.read_text() + "\n")
    out = project.call("verify", str(run))
    assert "environment: file mnist1d/data.py: as installed then" in out
