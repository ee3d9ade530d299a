"""Ctrl-C and SIGTERM through the real command: everything ends within seconds, whatever a pack's code does."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.study import tiny

SECONDS = 12  # on a busy machine; five of them are the grace for a checkpoint
LOOPS_AT_IMPORT = "\n\nwhile True:\n    pass\n"
DEAF = """

import os
import signal

for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, signal.SIG_IGN)
"""
LOOPS_IN_FORWARD = """

class Looping(Net):
    def forward(self, x):
        open("/dev/stderr", "w").write("in forward\\n")
        while True:
            pass


Net = Looping
"""
LEAVES_A_DAEMON = (
    DEAF
    + """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            pass
    os._exit(0)
while True:
    pass
"""
)
SLOW = """

import time


class Slow(Net):
    def forward(self, x):
        time.sleep(0.05)
        return super().forward(x)


Net = Slow
"""
FLOODS = """

import sys


class Flooding(Net):
    def forward(self, x):
        while True:
            sys.stdout.write("x" * 100_000)
            sys.stderr.write("y" * 100_000)


Net = Flooding
"""


def processes(folder: Path) -> set[int]:
    """Everything that works for a project: its folder is on the PYTHONPATH of all of them, of the sandbox's too."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (path / "environ").read_bytes():
                found.add(int(path.name))
        except OSError:
            continue
    return found


def started(folder: Path, code: str, *argv: str, **environment: str):
    """The command over the tiny pack with more code, once a worker has it."""
    tiny.project(folder, code=code)
    process = tiny.start(folder, tiny.PAPER, "model=net", "seed=0", *argv, **environment)
    before, deadline = processes(folder), time.monotonic() + 120
    while len(processes(folder) - before) < 2 and process.poll() is None:  # the worker and its job
        assert time.monotonic() < deadline, "no worker came up"
        time.sleep(0.1)
    time.sleep(1)
    assert process.poll() is None, process.communicate()[0]
    return process


def ended(folder: Path, process, number: int, seconds: float = SECONDS) -> str:
    """Signal the command; what it printed, once nothing is left of it."""
    began = time.monotonic()
    process.send_signal(number)
    out, _ = process.communicate(timeout=seconds)
    took = time.monotonic() - began
    assert process.returncode == 128 + number, out
    assert not processes(folder), f"left after {took:.1f} s"
    assert out.count("interrupted; the same command continues where it stopped") == 1, out
    assert "Traceback" not in out
    return out


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_code_that_loops_at_import_ends(tmp_path, number):
    ended(tmp_path, started(tmp_path, LOOPS_AT_IMPORT), number)


@pytest.mark.slow
@pytest.mark.parametrize("code", [LOOPS_IN_FORWARD, LEAVES_A_DAEMON, DEAF + LOOPS_IN_FORWARD, FLOODS])
@pytest.mark.parametrize("argv", [(), ("sandbox=none",)])
def test_code_that_does_not_want_to_end_ends(tmp_path, code, argv):
    if argv and code == LEAVES_A_DAEMON:
        pytest.skip("bare, code is not held, and a daemon of its own is what it may start")
    ended(tmp_path, started(tmp_path, code, *argv), signal.SIGINT)


@pytest.mark.slow
def test_a_training_that_can_writes_a_checkpoint_and_goes_on_from_it(tmp_path):
    process = started(tmp_path, SLOW, "run.checkpoint_seconds=1000")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/*/.lock")) and not list(tmp_path.glob("runs/*/*/work")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2)
    ended(tmp_path, process, signal.SIGTERM)
    assert list(tmp_path.glob("runs/*/*/**/checkpoint*"))
    assert "test accuracy" in tiny.run(tmp_path, tiny.PAPER, "model=net", "seed=0")


@pytest.mark.slow
def test_a_second_ctrl_c_is_at_once(tmp_path):
    process = started(tmp_path, LOOPS_IN_FORWARD)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SECONDS)
    assert time.monotonic() - began < 4
    assert process.returncode in (130, -signal.SIGINT)
    assert not processes(tmp_path)


@pytest.mark.slow
def test_a_flood_does_not_grow_the_command(tmp_path):
    process = started(tmp_path, FLOODS)
    time.sleep(5)
    sizes = []
    for _ in range(2):
        status = Path(f"/proc/{process.pid}/status").read_text()
        sizes.append(int(status.split("VmRSS:")[1].split()[0]))
        time.sleep(3)
    ended(tmp_path, process, signal.SIGINT)
    assert sizes[1] - sizes[0] < 20_000, sizes  # KiB
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 50 << 20


@pytest.mark.slow
def test_the_jobs_of_a_launcher_end_too(tmp_path):
    if not os.path.isdir("/proc/self"):
        pytest.skip("needs /proc")
    tiny.project(tmp_path, code=LOOPS_IN_FORWARD)
    process = tiny.start(tmp_path, "-m", tiny.PAPER, "model=net", "seed=0,1")
    time.sleep(25)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, _ = process.communicate(timeout=SECONDS + 5)
    assert process.returncode == 130, out
    assert not processes(tmp_path)
