"""A worker in a sandbox: one fork per job, held to what the job names, and nothing left after it.

And a cell that another process trains: it is waited for, and never trained when it is finished by then.
"""

import contextlib
import fcntl
import importlib.metadata
import importlib.util
import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from mlintern.core.errors import Interrupted, UserError
from mlintern.core.roots import ROOT
from mlintern.packs.pack import Pack
from mlintern.sandbox.policy import Policy
from mlintern.study.folders import locks
from mlintern.study.workers.launch import launcher
from mlintern.study.workers.pool import Pool, Task
from mlintern.study.workers.worker import Worker, absent, imported_by
from tests.sandbox.layers import capabilities
from tests.study import tiny


class Fake:
    """A launcher whose jobs are the tests' own."""

    def __init__(self, real):
        self.real = real
        self.setup = {**real.setup, "jobs": "tests.study.fake_jobs"}
        self.setup["readable"] = [*real.setup["readable"], str(ROOT / "tests")]
        self.record = real.record

    def start(self, argv, environment, errors, control):
        return self.real.start(argv, environment, errors, control)


@pytest.fixture(params=["bwrap", "unshare"])
def sandboxed(request, tmp_path, monkeypatch):
    """(pool of one sandboxed worker, folder of runs, folder of data)."""
    if not capabilities(request.param):
        pytest.skip(f"{request.param} does not work on this host")
    runs, data = tmp_path / "runs", tmp_path / "data"
    for folder in (runs / "cell", data / "set"):
        folder.mkdir(parents=True)
        (folder / "file").write_text("content")
    pack = tiny.write_pack(tmp_path) / "papers" / tiny.SLUG
    monkeypatch.setattr(
        "mlintern.study.workers.launch.Sandboxed._readonly", lambda self: [ROOT / "tests", tmp_path / "papers"]
    )
    real = launcher(Pack(tiny.SLUG, pack.parent), Policy(request.param), [runs, data], 2, Console(quiet=True))
    with Pool(1, {}, 0, Fake(real)) as pool:
        yield pool, runs, data


def test_a_job_reads_and_writes_what_it_names_and_nothing_else(sandboxed):
    pool, runs, data = sandboxed
    places = [str(runs / "cell" / "file"), str(data / "set" / "file")]
    new = [str(runs / "cell" / "new"), str(data / "set" / "new"), "/tmp/elsewhere"]
    look = {"do": "look", "read": places, "write": new}
    nothing, some = pool.map(
        [Task("nothing", look), Task("some", {**look, "reads": [str(data / "set")], "writes": [str(runs / "cell")]})]
    ).values()
    assert list(nothing["readable"].values()) == [None, None] and not any(nothing["written"].values())
    assert list(some["readable"].values()) == ["content", "content"]
    assert list(some["written"].values()) == [True, False, False]
    assert (runs / "cell" / "new").exists() and not (data / "set" / "new").exists()


def test_a_child_has_its_own_descriptors_alone_and_nothing_of_the_pack(sandboxed):
    (seen,) = sandboxed[0].map([Task("a", {"do": "look"})]).values()
    assert set(seen["descriptors"]) <= {0, 1, 2, 3, 4, 5}  # job, events, and the listing itself
    assert not [name for name in seen["modules"] if name.startswith("papers")]
    assert len(seen["processes"]) == 3  # the supervisor, the parent, itself


def test_nothing_is_left_of_a_job(sandboxed):
    pool = sandboxed[0]
    pool.map([Task("a", {"do": "leave"})])
    (seen,) = pool.map([Task("b", {"do": "look"})]).values()
    assert seen["left"] == [] and len(seen["processes"]) == 3


def test_the_memory_of_the_parent_is_out_of_reach(sandboxed):
    (seen,) = sandboxed[0].map([Task("a", {"do": "look", "read": ["/proc/2/environ", "/proc/2/maps"]})]).values()
    assert list(seen["readable"].values()) == [None, None]


def test_libraries_are_found_by_the_text_of_import_statements(tmp_path):
    (tmp_path / "modules.py").write_text(
        "import os, scipy.signal as s, socket\nfrom torchvision.models import resnet18\n"
        "    from sklearn . import x\nimport timm.__main__\nfrom transformers._secret import y\n"
    )
    (tmp_path / "link.py").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.py")
    assert imported_by([str(tmp_path)]) == ["scipy.signal", "torchvision.models"]


def test_a_release_pack_runs_bare_where_there_is_no_sandbox_and_no_other_does(tmp_path, monkeypatch):
    def none(backend):
        raise UserError("sandbox: this host offers none (no Landlock). Install bubblewrap, or run it bare")

    monkeypatch.setattr("mlintern.study.workers.launch.offered", none)
    said = io.StringIO()
    bare = launcher(Pack("arxiv_2011_14439"), Policy(), [], 1, Console(file=said, width=300))
    assert bare.record["backend"] == "none"
    assert said.getvalue().count("\n") == 1 and "came with this release" in said.getvalue()
    other = Pack(tiny.SLUG, tiny.write_pack(tmp_path) / "papers")
    with pytest.raises(UserError, match="no Landlock"):
        launcher(other, Policy(), [], 1, Console(quiet=True))
    with pytest.raises(UserError, match="no Landlock"):  # asked for by name, it is that or nothing
        launcher(Pack("arxiv_2011_14439"), Policy("bwrap"), [], 1, Console(quiet=True))


@pytest.fixture
def held(tmp_path):
    """A cell's folder, locked; and the function that frees it."""
    cell = tmp_path / "cell"
    cell.mkdir()
    lock = open(cell / locks.LOCK_FILE, "w")  # noqa: SIM115 - closed by the test or below
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield cell, lock.close
    lock.close()


@pytest.fixture
def worker():
    """A worker's side of a conversation, and a function that gives the events it told."""
    (asks, _), (reads, events) = os.pipe(), os.pipe()
    heard = []

    def told():
        os.set_blocking(reads, False)
        with contextlib.suppress(BlockingIOError):
            heard.extend(json.loads(line) for line in os.read(reads, 1 << 16).splitlines())
        return heard

    return Worker(asks, events), told


def test_waiting_ends_when_the_sweep_does(held, worker):
    (cell, _), (side, _) = held, worker
    side.stopping = True
    with pytest.raises(Interrupted), locks.holding(cell, lambda: side.stopping, lambda line: None):
        pytest.fail("the lock is held")


WARMED_UP = """
import os, random, numpy, torch
def called(*_, **__): raise SystemExit("a GPU was asked for, which no fork could then use")
for name in ("is_available", "device_count", "init", "_lazy_init"): setattr(torch.cuda, name, called)
state = lambda: (random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
before = state()
from mlintern.study.workers import worker
worker.preload(worker.Setup(targets=("torch.optim.RMSprop", "mlintern.engine.metrics.Accuracy", "os.getcwd")))
import sys
assert "torch._dynamo" in sys.modules, "imported at the first step of every cell"
assert "torchmetrics" in sys.modules and "matplotlib" not in sys.modules, "it reads every font of the system"
assert state() == before, "a generator has moved"
from mlintern.core.targets import definitions
import pyarrow
known, read = set(sys.modules), definitions._parsed.cache_info().misses
assert "mlintern.engine.metrics" in known
definitions.find("torch.optim.RMSprop", ())
from mlintern.core import schema
from mlintern.config import Config
adapters = schema._adapter.cache_info().misses
schema._adapter(Config)
assert schema._adapter.cache_info().misses == adapters, "every child works it out anew"
pyarrow.table({"loss": numpy.zeros(2)})
assert (set(sys.modules), definitions._parsed.cache_info().misses) == (known, read), "every child does it anew"
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.slow
def test_the_parent_has_one_thread_no_gpu_and_generators_as_they_were():
    """Else its children could not be forked from it, or would depend on what ran before."""
    assert printed(WARMED_UP) == "1\n"


def printed(code):
    environment = Pool(1, {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}).environment
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_absent_library_looks_as_if_it_were_not_installed_and_is_there_again():
    with absent("yaml"):
        assert importlib.util.find_spec("yaml") is None
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version("yaml")
        assert importlib.metadata.version("numpy")
    assert importlib.util.find_spec("yaml") and importlib.import_module("yaml").safe_load("1") == 1
