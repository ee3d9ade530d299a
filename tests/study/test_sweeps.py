"""Studies of the tiny pack by every launcher, with what goes wrong on the way: the same records, always."""

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.study import slurm, tiny

pytestmark = [pytest.mark.extended, pytest.mark.timeout(1800)]

STUDY = [tiny.PAPER, "study=quick"]


def needs(name):
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed: make launchers")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The bits of the tiny study, run by workers of the command's own: four cells."""
    folder = tiny.project(tmp_path_factory.mktemp("reference"))
    out = tiny.run(folder, *STUDY)
    assert "Training 4 cells" in out
    assert "MiB" in out  # the plan says what a cell takes
    return tiny.bits(folder)


def children(pid: int) -> list[int]:
    """Every process below one, itself not counted."""
    found, parents = [], {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    queue = [pid]
    while queue:
        below = parents.get(queue.pop(), [])
        found += below
        queue += below
    return found


def test_joblib_runs_the_same_cells_to_the_same_bits(reference, tmp_path):
    folder = tiny.project(tmp_path)
    out = tiny.run(folder, *STUDY, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert "Launching 4 jobs" in out
    assert tiny.bits(folder) == reference
    assert (folder / "reports" / tiny.SLUG).exists()
    assert "All 4 cells are finished already" not in out
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/run.json")}
    again = tiny.run(folder, *STUDY, "hydra/launcher=joblib")
    assert "Launching" not in again
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "there")
@needs("submitit")
def test_a_real_slurm_runs_the_same_cells_to_the_same_bits(reference, tmp_path):
    folder = tiny.project(tmp_path / "project")
    with slurm.cluster(tmp_path / "slurm") as environment:
        tiny.run(
            folder, *STUDY, "hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=10", seconds=900, **environment
        )
    assert tiny.bits(folder) == reference


@needs("ray")
def test_ray_on_two_nodes_of_which_one_is_killed(tmp_path):
    """A head and a second node, one core each; the second node goes down with kill -9 while it trains."""
    folder = tiny.project(tmp_path / "project")
    port = slurm._free_ports(1)[0]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus=1", "--disable-usage-stats", "--block"]
    short = Path(tempfile.mkdtemp(prefix="ray-"))  # its sockets' paths must be
    (short / "token").write_text(secrets.token_hex(32))  # of this cluster alone
    (short / "token").chmod(0o600)
    admitted = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(short / "token")}
    environment = {**os.environ, **admitted, "PYTHONPATH": str(folder), "RAY_TMPDIR": str(short)}
    log = (tmp_path / "ray.log").open("wb")
    apart = {"stdout": log, "stderr": log, "env": environment, "start_new_session": True}
    head = subprocess.Popen([*ray, "--head", f"--port={port}", "--include-dashboard=false"], **apart)
    nodes = [head]
    try:
        await_port(port, tmp_path / "ray.log")
        nodes.append(subprocess.Popen([*ray, f"--address=127.0.0.1:{port}"], **apart))
        time.sleep(8)
        process = tiny.start(
            folder,
            *STUDY,
            "trainer.max_steps=3000",
            "hydra/launcher=ray",
            f"hydra.launcher.address='127.0.0.1:{port}'",
            **admitted,
        )
        deadline = time.monotonic() + 600
        while len(list(folder.glob("runs/*/*/work/checkpoint.safetensors"))) < 2:
            assert time.monotonic() < deadline and process.poll() is None, "the two nodes never trained together"
            time.sleep(0.05)
        for pid in [nodes[1].pid, *children(nodes[1].pid)]:
            kill_if_there(pid)
        out, _ = process.communicate(timeout=900)
        assert process.returncode == 0, out
        assert "Launching again" in out
    finally:
        for node in nodes:
            for pid in [*children(node.pid), node.pid]:
                kill_if_there(pid)
            node.wait()
        log.close()
        shutil.rmtree(short, ignore_errors=True)
    undisturbed = tiny.project(tmp_path / "undisturbed")
    tiny.run(undisturbed, *STUDY, "trainer.max_steps=3000")
    assert tiny.bits(folder) == tiny.bits(undisturbed)


def kill_if_there(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def await_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + 240
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, f"Ray's head does not come up: {log.read_text()[-2000:]}"
        time.sleep(0.5)


GRID = "    - {model: [broken, hungry, plain], data: [blobs]}"


def test_what_fails_is_reported_what_is_too_large_shrinks_and_the_rest_goes_on(tmp_path):
    folder = tiny.project(tmp_path, GRID)
    argv = [*STUDY, "study.design=none"]
    out = tiny.run(folder, *argv, code=1)
    assert "KeyError: 'no such layer'; trying again" in out
    assert "failed: KeyError: 'no such layer'" in out
    assert "the batch of 16 goes on in 2 pieces of at most 8" in out
    found = {run["variant"]: run for run in tiny.records(folder).values()}
    assert set(found) == {"hungry", "plain"}
    story = found["hungry"]["out_of_memory"]
    assert story["before"] == {"shards": 1, "eval_batch_size": 8}
    assert story["now"] == {"shards": 2, "eval_batch_size": 4}
    (report,) = [json.loads(path.read_text()) for path in folder.glob("reports/*/*/report.json")]
    assert [row["cell_id"] for row in report["plan"]["smaller"]] == [found["hungry"]["cell_id"]]
    assert "no such layer" in {row["variant"]: row["message"] for row in report["runs"]}["broken"]
    (page,) = [path.read_text() for path in folder.glob("reports/*/*/report.html")]
    assert "ran out of memory" in page

    status = tiny.run(folder, "status", tiny.SLUG, code=1)
    assert "3 cells planned: 2 finished, 1 failed" in status
    assert "broken · blobs · clean · seed 0: failed: KeyError: 'no such layer'" in status

    # the smaller cell is the one that anybody gets who asks for that many pieces
    other = tiny.project(tmp_path / "other", GRID)
    tiny.run(other, tiny.PAPER, "model=hungry", "seed=0", "trainer.shards=2", "trainer.eval_batch_size=4")
    (asked,) = tiny.bits(other).items()
    assert dict([asked]).items() <= tiny.bits(folder).items()

    # and the same command tries what failed again, and nothing else
    again = tiny.run(folder, *argv, code=1)
    assert "Training 1 cell (2 of 3 are finished already)" in again


def test_one_example_at_a_time_does_not_fit_either(tmp_path):
    folder = tiny.project(tmp_path)
    out = tiny.run(folder, tiny.PAPER, "model=hungry", "+model.most=0", "seed=0", code=2)
    assert "OutOfMemoryError" in out


def test_batch_statistics_in_pieces_are_a_cell_of_its_own(tmp_path):
    folder = tiny.project(tmp_path)
    out = tiny.run(folder, tiny.PAPER, "model=hungry", "+model.batch_norm=true", "seed=0")
    assert "in 2 pieces of at most 8 (trainer.shards=2, a cell of its own)" in " ".join(out.split())
    (record,) = tiny.records(folder).values()  # nothing silently other than what was asked
    assert record["config"]["trainer"]["shards"] == 2


def test_a_budget_trims_by_its_rule_and_the_report_says_so(tmp_path):
    folder = tiny.project(tmp_path)
    argv = [tiny.PAPER, "study.seeds=[0,1]"]
    refused = tiny.run(folder, *argv, "study.budget_hours=1e-9", code=2)
    assert "one seed of every variant alone takes about" in refused
    assert tiny.records(folder) == {}
    tiny.run(folder, *argv, "study.budget_hours=1000")
    assert len(tiny.records(folder)) == 8
    # for the budget of a study of which two cells are to be trained, all that is finished stays
    (cell,) = [path.parent for path in folder.glob("runs/*/*/run.json") if is_cell(path, "net", {"norm": "none"}, 1)]
    (cell / "run.json").unlink()
    out = tiny.run(folder, *argv, "study.budget_hours=1e-9")
    assert "1 cells are left out (interactions first" in out
    trimmed = [json.loads(path.read_text())["plan"]["trimmed"] for path in folder.glob("reports/*/*/report.json")]
    (rows,) = [rows for rows in trimmed if rows]
    assert [(row["cell_id"], row["reason"]) for row in rows] == [(cell.name, "an ablation level")]
    assert "left out" in next(path.read_text() for path in folder.glob("reports/*/*/report.html") if rows_in(path))
    again = tiny.run(folder, *argv, "study.budget_hours=1e-9")  # the kept plan holds
    assert "All 7 cells are finished already" in again


def is_cell(path: Path, variant: str, levels: dict, seed: int) -> bool:
    run = json.loads(path.read_text())
    return (run["variant"], run["seed"]) == (variant, seed) and levels.items() <= run["levels"].items()


def rows_in(page: Path) -> bool:
    return bool(json.loads((page.parent / "report.json").read_text())["plan"]["trimmed"])


@needs("optuna")
def test_a_search_finds_a_rate_that_learns_by_the_validation_part(tmp_path):
    folder = tiny.project(tmp_path)
    argv = ["-m", tiny.PAPER, "model=plain", "optimizer.lr=tag(log,interval(1e-6,1e-1))", "hydra/sweeper=optuna"]
    out = tiny.run(folder, *argv, "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2")
    assert "4 trials" in out
    (path,) = folder.glob("runs/*/search-*.json")
    found = json.loads(path.read_text())
    assert len(found["trials"]) == 4
    assert found["best"]["value"] == max(trial["value"] for trial in found["trials"])
    records = tiny.records(folder)
    chosen = records[found["best"]["cell_id"]]
    assert chosen["selection"]["value"] == found["best"]["value"]
    assert all(1e-6 <= records[trial["cell_id"]]["config"]["optimizer"]["lr"] <= 1e-1 for trial in found["trials"])
    tiny.run(folder, *argv, "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2")
    assert tiny.records(folder) == records  # the same command asks for the same values
