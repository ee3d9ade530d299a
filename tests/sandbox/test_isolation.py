"""Nothing that code in the sandbox tries reaches the host: each test has a canary that would show it."""

import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from mlintern.core.errors import UserError
from mlintern.sandbox.limits import Limits
from mlintern.sandbox.process import run_sandboxed
from tests.sandbox.conftest import LIMITS, Run

CONNECT = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=3).send(b"leak")
    print("connected")
except OSError as error:
    print("no", error)
"""


class Listener:
    """A TCP listener on loopback that counts who connects."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return
            self.connections += 1

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._thread.join()


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.close()


def test_no_network(run: Run, listener: Listener) -> None:
    done = run(CONNECT.format(port=listener.port))
    assert done.stdout.startswith(b"no") and listener.connections == 0


def test_bare_code_reaches_the_network_so_the_canary_works(scratch: Path, listener: Listener) -> None:
    argv = [sys.executable, "-c", CONNECT.format(port=listener.port)]
    done = run_sandboxed(argv, readonly=[], scratch=scratch, limits=Limits(**LIMITS), env={}, backend="none")
    assert done.stdout == b"connected\n" and listener.connections == 1
    assert "network namespace" not in done.layers and "seccomp" not in done.layers


def test_even_a_unix_socket_of_the_host_is_out_of_reach(run: Run, tmp_path: Path) -> None:
    named, abstract = tmp_path / "daemon.sock", f"\0mlintern-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        one.bind(str(named))
        two.bind(abstract)
        one.listen()
        two.listen()
        done = run(f"""
import socket
for address in ({str(named)!r}, {abstract!r}):
    try:
        socket.socket(socket.AF_UNIX).connect(address)
        print("connected")
    except OSError:
        print("no")
""")
    assert done.stdout == b"no\nno\n"


def test_writing_outside_scratch_fails_and_inside_works(run: Run, scratch: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "source.py").write_text("original")
    done = run(
        f"""
import os
for path in ({str(project)!r} + "/source.py", {str(project)!r} + "/new", "/usr/new", "/etc/new",
             "/new", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/dev/new", os.__file__):
    try:
        with open(path, "a") as file:
            file.write("x")
        print("wrote", path)
    except OSError:
        pass
for change in (os.remove, lambda path: os.chmod(path, 0o777), os.utime, lambda path: os.rename(path, path + "2"),
               lambda path: os.symlink("/", path + "3")):
    try:
        change({str(project)!r} + "/source.py")
        print("changed", change)
    except OSError:
        pass
open({str(tmp_path)!r} + "/new", "w").write("in a /tmp of its own")
open("result", "w").write("inside")
print(open({str(project)!r} + "/source.py").read())
""",
        readonly=(project,),
    )
    assert done.stdout == b"original\n", done
    assert (scratch / "result").read_text() == "inside"
    assert os.listdir(project) == ["source.py"] and sorted(os.listdir(tmp_path)) == ["project", "scratch"]


def test_the_environment_is_empty_of_what_was_not_given(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary-0123")
    monkeypatch.setenv("HARMLESS", "canary")
    done = run("import os; print(sorted(os.environ))", env={"OMP_NUM_THREADS": "1"})
    assert b"OMP_NUM_THREADS" in done.stdout
    assert b"ANTHROPIC" not in done.stdout and b"HARMLESS" not in done.stdout


def test_no_process_of_the_host_is_visible_nor_its_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_OF_THE_PARENT", "canary-4711")
    done = run("""
import glob, os
seen = []
for name in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline") + ["/proc/1/mem", "/proc/1/maps"]:
    try:
        seen.append((name, open(name, "rb").read(100000)))
    except OSError:
        pass
print(len(glob.glob("/proc/[0-9]*")), os.getppid())
print(seen)
""")
    assert done.stdout.startswith(b"2 1\n")
    assert b"4711" not in done.stdout and b"-m\\x00pytest" not in done.stdout
    assert b"('/proc/1/environ'" not in done.stdout and b"('/proc/1/maps'" not in done.stdout


@pytest.mark.parametrize("expose", [False, True])
def test_secrets_of_the_home_folder_cannot_be_read(
    run: Run, expose: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when the caller makes the folder above home readable."""
    home = tmp_path / "people" / "ada"
    for name in (".netrc", ".ssh/id_rsa", ".aws/credentials", ".config/gh/hosts.yml", ".dotfile"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("canary-secret")
    (home / "data.csv").write_text("1,2")
    monkeypatch.setenv("HOME", str(home))
    done = run(
        f"""
import os
for folder, _, files in os.walk({str(home)!r}):
    for name in files:
        try:
            print(name, open(os.path.join(folder, name)).read())
        except OSError:
            print(name, "unreadable")
for name in (".netrc", ".ssh/id_rsa", ".aws/credentials", ".config/gh/hosts.yml"):
    try:
        print(open(os.path.join({str(home)!r}, name)).read())
    except OSError:
        pass
print("walked")
""",
        readonly=(tmp_path / "people",) if expose else (),
    )
    assert b"canary" not in done.stdout and done.stdout.endswith(b"walked\n")
    assert (b"data.csv 1,2" in done.stdout) is expose


def test_secret_files_of_a_readable_project_are_covered(run: Run, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in (".env", ".env.local", ".git/config", ".dvc/config.local", "server.pem", ".git/HEAD", "train.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("content of " + name)
    done = run(
        f"""
import os
os.chdir({str(project)!r})
for name in (".env", ".env.local", ".git/config", ".dvc/config.local", "server.pem", ".git/HEAD", "train.py"):
    try:
        print(open(name).read())
    except OSError:
        pass
""",
        readonly=(project,),
    )
    assert done.stdout.split(b"\n") == [b"content of .git/HEAD", b"content of train.py", b""]


def test_an_interpreter_below_a_hidden_folder_of_home_still_runs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with ~/.pyenv or ~/.local/share/uv: the hidden folder is covered, the installation in it is not."""
    home = tmp_path / "ada"
    package = home / ".tools" / "lib"
    package.mkdir(parents=True)
    (package / "found.py").write_text("VALUE = 7")
    (home / ".tools" / "token").write_text("canary")
    monkeypatch.setenv("HOME", str(home))
    code = f"import os, sys; sys.path.append({str(package)!r}); import found; print(found.VALUE); "
    code += f"print(os.listdir({str(home / '.tools')!r}))"
    done = run(code, readonly=(home, package))
    assert done.stdout == b"7\n['lib']\n", done


def test_escapes_by_system_call_are_denied(run: Run) -> None:
    done = run("""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def allowed(name, result):
    if result >= 0:
        print("allowed", name)
allowed("unshare user", libc.unshare(0x10000000))
allowed("mount", libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
allowed("ptrace", libc.ptrace(16, 1, 0, 0))
allowed("chroot", libc.chroot(b"/tmp"))
for number, name in ((250, "keyctl"), (425, "io_uring_setup"), (321, "bpf"), (319, "memfd_create"), (29, "shmget")):
    if os.uname().machine == "x86_64":
        allowed(name, libc.syscall(number, 0, 0, 0, 0, 0))
allowed("raw socket", libc.socket(2, 3, 1))
allowed("netlink socket", libc.socket(16, 3, 0))
print("tried", os.getuid())
""")
    assert done.stdout == b"tried 1000\n", done


def test_the_supervisor_cannot_be_slowed_or_limited_from_inside(run: Run) -> None:
    """Its user is the program's: with the watchdog behind all others, a fork bomb would outrun it."""
    done = run("""
import os, resource
os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for act in (
    lambda: os.setpriority(os.PRIO_PROCESS, 1, 19),
    lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19),
    lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)),
    lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (1, 1)),
):
    try:
        act()
        print("allowed")
    except PermissionError:
        pass
print("tried", os.sched_getscheduler(0) == os.SCHED_OTHER)
""")
    assert done.stdout == b"tried True\n", done


def test_the_supervisor_cannot_be_stopped_or_killed_from_inside(run: Run) -> None:
    done = run(
        """
import os, signal, time
for number in range(1, 32):
    try:
        os.kill(1, number)
    except OSError:
        pass
time.sleep(30)
""",
        wall_s=1.0,
    )
    assert done.ended_by == "wall_s" and done.wall_s < 8


def test_privileges_are_gone_and_none_can_be_gained(run: Run) -> None:
    done = run("""
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp:")):
        print(line.split()[1])
""")
    assert done.stdout.split() == [b"0" * 16, b"0" * 16, b"0" * 16, b"1", b"2"]


def test_proc_sys_is_read_only_by_its_mount_too(run: Run) -> None:
    done = run("print([line for line in open('/proc/mounts') if ' /proc/sys ' in line])")
    assert b" ro," in done.stdout


def test_layers_are_reported(run: Run) -> None:
    layers = run("pass").layers
    for layer in ("user namespace", "PID namespace", "network namespace", "mount namespace", "seccomp", "rlimits"):
        assert layer in layers


def test_no_sandbox_on_the_host_means_refusal(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlintern.sandbox import process

    monkeypatch.setattr(process, "_try_out", lambda name: ((), f"{name} is missing"))
    with pytest.raises(UserError, match="bwrap is missing; unshare is missing.*sandbox=none"):
        run_sandboxed(["true"], readonly=[], scratch=scratch, limits=Limits(**LIMITS), env={})


def test_a_supervisor_that_is_not_isolated_refuses(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the command that should isolate it does not, the supervisor sees the host's namespaces and stops."""
    from mlintern.sandbox import bubblewrap, process

    monkeypatch.setattr(process, "_try_out", lambda name: (("pretended",), ""))
    monkeypatch.setattr(bubblewrap, "command", lambda program, view, limits, argv, network: argv)
    with pytest.raises(UserError, match="namespace is the host's own"):
        run_sandboxed(["touch", "ran"], readonly=[], scratch=scratch, limits=Limits(**LIMITS), env={}, backend="bwrap")
    assert not (scratch / "ran").exists()


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "HF_TOKEN", "WANDB_API_KEY", "db_password", "AWS_SECRET"])
def test_secrets_may_not_be_handed_in(name: str, scratch: Path) -> None:
    with pytest.raises(UserError, match=f"{name} looks like a secret"):
        run_sandboxed(["true"], readonly=[], scratch=scratch, limits=Limits(**LIMITS), env={name: "x"}, backend="none")


def test_paths_that_would_defeat_it_are_refused(scratch: Path, tmp_path: Path) -> None:
    def attempt(readonly: list[Path], writable: Path) -> None:
        run_sandboxed(["true"], readonly=readonly, scratch=writable, limits=Limits(**LIMITS), env={}, backend="none")

    with pytest.raises(UserError, match="whole file system"):
        attempt([Path("/")], scratch)
    with pytest.raises(UserError, match="choose a folder of its own"):
        attempt([], Path(sys.prefix).parent)
    with pytest.raises(UserError, match="does not exist"):
        attempt([tmp_path / "missing"], scratch)
    with pytest.raises(UserError, match="does not exist"):
        attempt([], tmp_path / "missing")
