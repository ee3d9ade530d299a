"""Limits end the whole sandbox, and what the program started with it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlintern.core.errors import UserError
from mlintern.sandbox.limits import Limits
from mlintern.sandbox.process import popen_sandboxed, run_sandboxed
from tests.sandbox.conftest import LIMITS, Run

BEAT = """
import os, sys, time
def beat(path):
    while True:
        with open(path, "a") as file:
            file.write("x")
        time.sleep(0.02)
"""


def silent(paths: list[Path]) -> bool:
    """None of the files grows any more: whoever wrote to them is dead."""
    before = [path.stat().st_size for path in paths]
    time.sleep(0.3)
    return before == [path.stat().st_size for path in paths]


def count_of(marker: str) -> int:
    """Processes of the host whose command line holds `marker`."""
    found = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found += marker.encode() in Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
    return found


def test_sleeping_past_wall_time_is_ended(run: Run) -> None:
    done = run("import time; time.sleep(60)", wall_s=0.5)
    assert done.ended_by == "wall_s" and done.returncode == -signal.SIGKILL and done.wall_s < 5


def test_ignoring_signals_does_not_help(run: Run) -> None:
    done = run(
        "import contextlib, signal, time\nfor n in range(1, 32):\n"
        "  with contextlib.suppress(OSError): signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)",
        wall_s=0.5,
    )
    assert done.ended_by == "wall_s" and done.wall_s < 5


def test_cpu_time_is_summed_over_processes(run: Run) -> None:
    done = run("import os\nos.fork(); os.fork()\nwhile True: pass", cpu_s=1.0, wall_s=20.0)
    assert done.ended_by == "cpu_s" and done.wall_s < 10


def test_memory_of_one_process_is_held(run: Run) -> None:
    done = run("x = bytearray(2 << 30); print('had it')", memory_bytes=256 << 20)
    assert b"had it" not in done.stdout and b"MemoryError" in done.stderr
    assert done.peak_memory_bytes < 300 << 20


def test_memory_of_many_processes_is_summed(run: Run) -> None:
    code = "import os, time\nfor _ in range(3): os.fork()\nx = bytearray(os.urandom(1 << 20)) * 100\ntime.sleep(20)"
    done = run(code, memory_bytes=256 << 20)
    assert done.ended_by == "memory_bytes" and done.wall_s < 15


@pytest.mark.parametrize(
    "hog",
    [
        "import mmap, time\nm = mmap.mmap(-1, 400 << 20)\nfor i in range(0, len(m), 4096): m[i] = 1\ntime.sleep(9)",
        "for i in range(200): open(f'/tmp/{i}', 'wb').write(b'x' * (3 << 20))\nimport time; time.sleep(20)",
        "for i in range(200): open(f'/dev/shm/{i}', 'wb').write(b'x' * (3 << 20))\nimport time; time.sleep(20)",
    ],
    ids=["shared", "tmp", "shm"],
)
def test_memory_outside_the_heap_is_held(run: Run, hog: str) -> None:
    done = run(hog, memory_bytes=192 << 20, wall_s=15.0)
    assert done.ended_by == "memory_bytes" or b"No space left" in done.stderr


def test_memory_shared_by_forks_is_counted_once(run: Run) -> None:
    code = """
import os, time
x = bytearray(os.urandom(1 << 20)) * 100
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        time.sleep(1)
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
print("fine")
"""
    assert run(code, memory_bytes=256 << 20).stdout == b"fine\n"


def test_fork_bomb_is_ended(run: Run) -> None:
    """Doubling and spinning, so that the watchdog has to compete; bounded, so that a failure spares the host."""
    end = "end = time.monotonic() + 6"
    bomb = f"import os, time\n{end}\nfor _ in range(10): os.fork()\nwhile time.monotonic() < end: pass"
    done = run(bomb, cpu_s=30.0, wall_s=20.0, processes=24)
    assert done.ended_by == "processes" or b"BlockingIOError" in done.stderr, done
    assert done.wall_s < 5
    assert count_of(end) == 0


def test_thread_bomb_is_ended(run: Run) -> None:
    code = "import threading, time\nfor _ in range(500): threading.Thread(target=time.sleep, args=(30,)).start()"
    done = run(code, processes=24)
    assert done.ended_by == "processes" or b"can't start new thread" in done.stderr
    assert done.wall_s < 10


def test_giant_file_is_cut(run: Run, scratch: Path) -> None:
    done = run("f = open('big', 'wb')\nwhile True: f.write(b'x' * 65536)", file_size_bytes=1 << 20)
    assert done.returncode != 0 and (scratch / "big").stat().st_size <= 1 << 20


@pytest.mark.parametrize(
    "code",
    [
        "import itertools, time\nfor i in range(60): open(str(i), 'wb').write(b'x' * (1 << 20))\ntime.sleep(20)",
        pytest.param(
            "import os, time\nfor i in range(101000): os.close(os.open(str(i), os.O_CREAT))\ntime.sleep(20)",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["bytes", "files"],
)
def test_scratch_as_a_whole_is_held(run: Run, code: str) -> None:
    done = run(code, scratch_bytes=16 << 20, wall_s=30.0, cpu_s=30.0)
    assert done.ended_by == "scratch_bytes"


def test_endless_output_is_cut(run: Run) -> None:
    done = run("while True: print('x' * 1000)", output_bytes=1 << 20)
    assert done.ended_by == "output_bytes" and len(done.stdout) < 2 << 20


@pytest.mark.parametrize(
    "escape",
    [
        "if os.fork() == 0: beat('a')",
        "if os.fork() == 0:\n    if os.fork() == 0: beat('a')\n    os._exit(0)",
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: beat('a')\n    os._exit(0)",
        "import subprocess as s\ns.Popen([sys.executable, '-c', open(0).read() + 'beat(\"a\")'], start_new_session=1)",
    ],
    ids=["child", "grandchild", "setsid", "new session"],
)
@pytest.mark.parametrize("ending", ["exit", pytest.param("wall", marks=pytest.mark.slow)])
def test_nothing_outlives_the_program(run: Run, scratch: Path, escape: str, ending: str) -> None:
    last = "time.sleep(60)" if ending == "wall" else "time.sleep(0.3)"
    done = run(BEAT + escape + "\n" + last, wall_s=1.0 if ending == "wall" else 20.0, input=BEAT.encode())
    assert done.ended_by == ("wall_s" if ending == "wall" else None), done
    assert (scratch / "a").stat().st_size > 0, "the escape never ran, so the test shows nothing"
    assert silent([scratch / "a"])


@pytest.mark.parametrize("name", ["wall", "exit"])
def test_without_isolation_descendants_end_too(scratch: Path, name: str) -> None:
    code = BEAT + "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: beat('a')\n    os._exit(0)\n"
    code += "time.sleep(60)" if name == "wall" else "time.sleep(0.5)"
    limits = Limits(**{**LIMITS, "wall_s": 1.0})
    argv = [sys.executable, "-S", "-c", code]
    run_sandboxed(argv, readonly=[], scratch=scratch, limits=limits, env={}, backend="none")
    assert (scratch / "a").stat().st_size > 0 and silent([scratch / "a"])


def test_death_of_the_parent_ends_the_sandbox(backend: str, scratch: Path, tmp_path: Path) -> None:
    """kill -9 of whoever started it: no handler runs, and still nothing stays behind."""
    script = tmp_path / "parent.py"
    script.write_text(f"""
import sys, time
from pathlib import Path
from mlintern.sandbox.limits import Limits
from mlintern.sandbox.process import popen_sandboxed
code = {BEAT + "beat('a')"!r}
process = popen_sandboxed([sys.executable, "-S", "-c", code], readonly=[], scratch=Path({str(scratch)!r}),
                          limits=Limits(**{LIMITS!r}), env={{}}, backend={backend!r})
print("ready", flush=True)
time.sleep(60)
""")
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root})
    assert parent.stdout is not None and parent.stdout.readline() == b"ready\n"
    while not (scratch / "a").exists():
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    time.sleep(0.5)
    assert silent([scratch / "a"])


def test_a_worker_talks_over_its_pipes(backend: str, scratch: Path) -> None:
    code = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
    with popen_sandboxed(
        [sys.executable, "-S", "-c", code],
        readonly=[],
        scratch=scratch,
        limits=Limits(**LIMITS),
        env={},
        backend=backend,
    ) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        for word in (b"one\n", b"two\n"):
            worker.stdin.write(word)
            worker.stdin.flush()
            assert worker.stdout.readline() == word.upper()
        assert worker.poll() is None
        worker.stdin.close()
        assert worker.wait(10) == 0 and worker.ended_by is None
    assert worker.peak_memory_bytes >= 0 and "seccomp" in worker.layers


def test_killing_a_worker_from_another_thread_than_its_own(backend: str, scratch: Path) -> None:
    """A thread that starts a worker and ends must not take the worker with it (the trap of PR_SET_PDEATHSIG)."""
    started = []

    def start() -> None:
        argv = [sys.executable, "-S", "-c", BEAT + "beat('a')"]
        started.append(
            popen_sandboxed(argv, readonly=[], scratch=scratch, limits=Limits(**LIMITS), env={}, backend=backend)
        )

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    time.sleep(0.5)
    assert started[0].poll() is None and not silent([scratch / "a"])
    started[0].kill()
    assert started[0].ended_by == "killed" and started[0].returncode == -signal.SIGKILL
    assert silent([scratch / "a"])
    started[0].close()


def test_return_codes_and_output_come_through(run: Run) -> None:
    done = run(
        "import sys; data = sys.stdin.read(); print(len(data)); print('no', file=sys.stderr); sys.exit(7)",
        input=b"x" * 300_000,
    )
    assert (done.returncode, done.stdout, done.stderr, done.ended_by) == (7, b"300000\n", b"no\n", None)
    assert run("import os, signal; os.kill(os.getpid(), signal.SIGTERM)").returncode == -signal.SIGTERM


def test_a_program_that_does_not_exist_is_named(backend: str, scratch: Path) -> None:
    with pytest.raises(UserError, match="could not start.*No such file"):
        run_sandboxed(
            ["no-such-program"], readonly=[], scratch=scratch, limits=Limits(**LIMITS), env={}, backend=backend
        )


def test_senseless_limits_are_refused() -> None:
    with pytest.raises(UserError, match="memory_bytes=0 must be above zero"):
        Limits(**{**LIMITS, "memory_bytes": 0})
