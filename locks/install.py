"""Make or update the virtual environment from the locks; does nothing when it is up to date.

    python3 locks/install.py [--venv .venv] [--lock cpu|cuda] [--no-dev]

Plain Python and pip, so that it runs before anything is installed. Every file is checked against a hash in the lock,
what builds source packages included; no dependency is resolved. Which lock: cuda.txt on Linux with an NVIDIA driver;
otherwise cpu.txt where pip can find a locked CPU build of torch; otherwise cuda.txt, whose torch runs on a CPU just as
well and only takes more room. `<venv>/installed-from-lock` says what was installed; it is written last.
"""

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
LAUNCHERS_STAMP = "launchers-from-lock"
STAMP = "installed-from-lock"  # one line: the lock's name and the hash of everything that determines the environment
WHAT_WORKERS_IMPORT = "from mlintern.study.workers.worker import Setup, preload; preload(Setup())"
PYTHONS = ((3, 11), (3, 12), (3, 13))  # in order of preference: the CPU build of torch is locked for the first


def fail(message: str) -> NoReturn:
    """End with one line and the exit code for what the user can mend."""
    print(f"mlintern install: {message}", file=sys.stderr)
    raise SystemExit(2)


def use_supported_python() -> None:
    """Go on under a Python that pyproject.toml allows, when this one is not but another is on PATH."""
    if sys.version_info[:2] in PYTHONS:
        return
    for major, minor in PYTHONS:
        other = shutil.which(f"python{major}.{minor}")
        if other and subprocess.run([other, "-c", "import ensurepip"], capture_output=True).returncode == 0:
            os.execv(other, [other, *sys.argv])
    fail(
        f"needs Python 3.11, 3.12 or 3.13, but {sys.executable} is {platform.python_version()} and no other "
        "is on PATH; install one of them"
    )


def make_venv(venv: Path) -> Path:
    """The environment's interpreter; the environment is created when it is missing or its Python is gone."""
    python = venv / "bin" / "python"
    if python.exists():
        return python
    is_old_venv = (venv / "pyvenv.cfg").is_file()
    if venv.exists() and not is_old_venv:
        fail(f"{venv}: exists and is no virtual environment; name another folder with --venv")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True)
    if made.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        reason = (made.stdout + made.stderr).strip().splitlines() or ["no reason given"]
        fail(
            f"{venv}: cannot create the virtual environment ({reason[-1].strip()}); Debian needs python3-venv for it, "
            "and the folder must be writable"
        )
    return python


def choose_lock(python: Path) -> str:
    """`cpu` or `cuda`, with a line that says why where the reason may surprise."""
    if platform.system() != "Linux":
        return "cpu"
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        return "cuda"
    show_tag = "import sys; print('cp%d%d' % sys.version_info[:2])"
    tag = subprocess.run([str(python), "-c", show_tag], capture_output=True, text=True, check=True).stdout.strip()
    locked = re.findall(r"^# cpu-build: (\S+)", (LOCKS / "cpu.txt").read_text(), flags=re.MULTILINE)
    fitting = [wheel for wheel in locked if f"-{tag}-" in wheel and wheel.endswith(f"_{platform.machine()}.whl")]
    if not fitting:
        print(f"No CPU build of torch is locked for {tag} on {platform.machine()}: using locks/cuda.txt, some 3 GB.")
        return "cuda"
    version = fitting[0].split("-")[1]
    ask = [str(python), "-m", "pip", "--disable-pip-version-check", "index", "versions", "torch"]
    if version in re.split(r"[\s,]+", subprocess.run(ask, capture_output=True, text=True).stdout):
        return "cpu"
    print(
        f"pip finds no torch {version}: using locks/cuda.txt, whose torch runs on a CPU too but takes some 3 GB. For\n"
        "the small build, add PyTorch's own CPU package index to pip's configuration and run this again."
    )
    return "cuda"


def pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    code = subprocess.run(command, stdin=subprocess.DEVNULL, env=environment, cwd=str(ROOT)).returncode
    if code:
        fail(f"pip ended with code {code}, its reason is above; nothing is marked as installed, mend it and run again")


def lock_files(lock: str, dev: bool) -> list[Path]:
    """The lock files in the order in which they are installed."""
    return [LOCKS / name for name in ("build.txt", f"{lock}.txt", *(["dev.txt"] if dev else []))]


def wanted_stamp(lock: str, dev: bool) -> str:
    """What STAMP says once everything is installed; the project itself is installed as a link to ROOT."""
    state = hashlib.sha256(str(ROOT).encode())
    for path in (ROOT / "pyproject.toml", *lock_files(lock, dev)):
        state.update(path.read_bytes())
    return f"{lock} {state.hexdigest()}\n"


def install(python: Path, venv: Path, lock: str, dev: bool) -> None:
    stamp = venv / STAMP
    installed = stamp.read_text() if stamp.exists() else ""
    print(f"Installing from locks/{lock}.txt into {venv} (a few minutes the first time) ...", flush=True)
    stamp.unlink(missing_ok=True)
    if installed and not installed.startswith(f"{lock} "):
        pip(
            python, "uninstall", "--quiet", "--yes", "torch"
        )  # both builds satisfy torch==X: pip would keep the old one
    build, *rest = (str(path) for path in lock_files(lock, dev))
    # Compiling all of torch and its friends ahead takes a third of the time; Python compiles what it imports anyway,
    # but for what only a sandboxed worker imports, which may write nothing: that is imported here, once.
    locked = ["install", "--quiet", "--quiet", "--no-compile", "--no-deps", "--require-hashes"]
    pip(python, *locked, "-r", build)
    requirements = [part for path in rest for part in ("-r", path)]
    pip(python, *locked, "--no-build-isolation", "--use-pep517", *requirements)
    pip(python, "install", "--quiet", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    subprocess.run([str(python), "-c", WHAT_WORKERS_IMPORT], cwd=str(ROOT), capture_output=True)  # doctor says why not
    stamp.write_text(wanted_stamp(lock, dev))


def install_launchers(python: Path, venv: Path) -> None:
    """Add what the extras for launchers need; quick when it is there."""
    lock, stamp = LOCKS / "launchers.txt", venv / LAUNCHERS_STAMP
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest() + "\n"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Installing from locks/launchers.txt into {venv} ...", flush=True)
    pip(python, "install", "--quiet", "--quiet", "--no-compile", "--no-deps", "--require-hashes", "-r", str(lock))
    stamp.write_text(wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make or update the virtual environment from the locks.")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="the environment's folder (default: .venv)")
    parser.add_argument("--lock", choices=("cpu", "cuda"), help="default: the one that fits this machine")
    parser.add_argument("--no-dev", action="store_true", help="without the tools for tests, linters and type checks")
    parser.add_argument("--launchers", action="store_true", help="and the extras joblib, optuna, ray and slurm")
    arguments = parser.parse_args()
    use_supported_python()
    venv, dev = arguments.venv.absolute(), not arguments.no_dev
    python = make_venv(venv)
    installed = (venv / STAMP).read_text() if (venv / STAMP).exists() else ""
    if installed not in [wanted_stamp(lock, dev) for lock in ([arguments.lock] if arguments.lock else ["cpu", "cuda"])]:
        install(python, venv, arguments.lock or choose_lock(python), dev)
    if arguments.launchers:
        install_launchers(python, venv)


if __name__ == "__main__":
    main()
