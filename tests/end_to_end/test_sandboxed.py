"""Code of packs trains inside the sandbox, whoever read it, to the bits that it has without; and gets nothing there."""

import os
import shutil
import subprocess
import sys

import pytest

from mlintern.core.roots import ROOT
from tests.end_to_end.runs import PAPER, SLUG, bits, records
from tests.sandbox.layers import capabilities
from tests.study import tiny

CELL = ["model=logistic", "seed=0", "trainer.max_steps=40"]


@pytest.fixture
def copy(tmp_path):
    """A copy of the project, without its history and environment."""
    for name in ("mlintern", "conf", "papers", "pyproject.toml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def run(folder, *argv):
    return subprocess.run(
        [sys.executable, "-m", "mlintern", PAPER, *CELL, *argv],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "COLUMNS": "200", "SECRET_OF_MINE": "do not tell"},
    )


@pytest.mark.skipif(not capabilities(), reason="this host offers no sandbox")
def test_the_sandbox_changes_no_bit(copy):
    bare = run(copy, "sandbox=none")
    assert bare.returncode == 0, bare.stderr
    assert "nothing holds it" in bare.stdout
    (reference,) = records(copy)
    assert reference["sandbox"] == {"backend": "none", "layers": [], "network": "host"}
    shutil.rmtree(copy / "runs")
    sandboxed = run(copy)
    assert sandboxed.returncode == 0, sandboxed.stderr + sandboxed.stdout
    (record,) = records(copy)
    assert bits(record) == bits(reference)
    assert record["sandbox"]["backend"] in ("bwrap", "unshare") and "seccomp" in record["sandbox"]["layers"]


def test_a_module_that_reaches_for_the_host_gets_nothing(copy):
    modules = copy / "papers" / SLUG / "modules.py"
    target = copy / "stolen"
    payload = (
        f"import os\ntry:\n    open({str(target)!r}, 'w').write(str(dict(os.environ)))\nexcept OSError:\n    pass\n"
        "assert 'SECRET_OF_MINE' not in os.environ and not os.path.exists('/etc/passwd')\n"
    )
    modules.write_text(modules.read_text() + "\n" + payload)
    done = run(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not target.exists()


@pytest.mark.slow
@pytest.mark.skipif(not capabilities(), reason="this host offers no sandbox")
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_processes_of_a_cell_talk_over_a_loopback_of_their_own_to_the_same_bits(tmp_path, trainer):
    tiny.project(tmp_path)
    argv = (tiny.PAPER, "model=net", "seed=0", f"trainer={trainer}")
    tiny.run(tmp_path, *argv, "sandbox=none")
    bare = tiny.bits(tmp_path)
    shutil.rmtree(tmp_path / "runs")
    tiny.run(tmp_path, *argv)
    assert tiny.bits(tmp_path) == bare
    (run,) = tiny.records(tmp_path).values()
    assert run["sandbox"]["network"] == "loopback"


@pytest.mark.slow
@pytest.mark.skipif(not capabilities(), reason="this host offers no sandbox")
def test_peers_from_the_command_line_is_in_the_record_and_in_the_report(tmp_path):
    tiny.project(tmp_path, grid="    - {model: [plain], data: [blobs]}")
    said = tiny.run(tmp_path, tiny.PAPER, "study.seeds=[0]", "sandbox.network=peers")
    assert "the pack's code can reach the network" in said
    assert {run["sandbox"]["network"] for run in tiny.records(tmp_path).values()} == {"peers"}
    (page,) = tmp_path.glob("reports/**/report.html")
    assert "host&#39;s network (peers)" in page.read_text()
