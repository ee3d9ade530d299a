"""The locks agree with pyproject.toml and with each other, and the installer reads and chooses them rightly."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = Path(__file__).resolve().parent.parent / "locks"
PYPROJECT = tomllib.loads((LOCKS.parent / "pyproject.toml").read_text())


def load(name):
    """A script of locks/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"locks_{name}", LOCKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


install, make_locks = load("install"), load("make_locks")


def blocks(name):
    """{package: (version, [hashes])} of a lock."""
    text = (LOCKS / name).read_text()
    found = re.findall(
        r"^([\w.-]+)==([\w.+]+)[^\n]*\\\n((?:\s+--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
    )
    assert len(found) == len(re.findall(r"^[\w.-]+==", text, re.MULTILINE)), "an entry without hashes"
    return {package: (version, re.findall(r"sha256:(\w+)", hashes)) for package, version, hashes in found}


CPU, CUDA, DEV, BUILD = (blocks(f"{name}.txt") for name in ("cpu", "cuda", "dev", "build"))


@pytest.mark.parametrize("requirement", PYPROJECT["project"]["dependencies"])
def test_every_dependency_is_locked_at_an_allowed_version(requirement):
    wanted = Requirement(requirement)
    for lock in (CPU, CUDA):
        version, hashes = lock[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), f"{wanted}: locked at {version}; run make lock"
        assert hashes


@pytest.mark.parametrize("requirement", PYPROJECT["project"]["optional-dependencies"]["dev"])
def test_every_tool_is_locked(requirement):
    wanted = Requirement(requirement)
    version, _ = (CPU | DEV)[canonicalize_name(wanted.name)]
    assert wanted.specifier.contains(version), f"{wanted}: locked at {version}; run make lock"


LAUNCHERS = blocks("launchers.txt")


@pytest.mark.parametrize("extra", make_locks.LAUNCHERS)
def test_every_launcher_is_locked_and_needs_no_other_version_of_anything(extra):
    for wanted in map(Requirement, PYPROJECT["project"]["optional-dependencies"][extra]):
        version, _ = (CPU | LAUNCHERS)[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), f"{wanted}: locked at {version}; run make lock"
    assert not LAUNCHERS.keys() & CPU.keys()
    assert not {name for name in LAUNCHERS.keys() & DEV.keys() if LAUNCHERS[name] != DEV[name]}
    assert not [name for name in LAUNCHERS if name.startswith("hydra")]  # whose plugins pull in release candidates


def test_what_builds_this_package_is_locked():
    for requirement in map(Requirement, PYPROJECT["build-system"]["requires"]):
        assert requirement.specifier.contains(BUILD[requirement.name][0])
        assert BUILD[requirement.name] == CPU[requirement.name] == CUDA[requirement.name]


def test_the_locks_differ_in_torch_and_cuda_alone():
    assert not CPU.keys() - CUDA.keys()
    assert all(re.match(r"nvidia-|cuda-|triton$", package) for package in CUDA.keys() - CPU.keys())
    assert {package for package in CPU if CPU[package] != CUDA[package]} == {"torch"}
    assert not DEV.keys() & CUDA.keys()


def test_torch_hashes_of_the_cpu_lock_are_no_linux_cuda_build():
    """Where pip finds no CPU build it must fail on the hash, not install a CUDA build without CUDA libraries."""
    builds = re.findall(r"^# cpu-build: \S+linux\S+ sha256:(\w+)", (LOCKS / "cpu.txt").read_text(), re.MULTILINE)
    assert builds
    ours = set(CPU["torch"][1])
    assert set(builds) <= ours
    assert not set(builds) & set(CUDA["torch"][1])
    assert ours - set(builds) < set(CUDA["torch"][1])  # macOS and Windows wheels


def test_no_lock_names_a_registry_or_a_folder():
    for path in LOCKS.glob("*.txt"):
        assert not re.search(r"https?:|file:|^\s*-[-a-z]*(index|find)", path.read_text(), re.MULTILINE), path.name


def test_refused_releases_are_not_allowed_by_pyproject():
    [lightning] = [r for r in map(Requirement, PYPROJECT["project"]["dependencies"]) if r.name == "lightning"]
    allowed = [v for v in ("2.6.0", "2.6.1", "2.6.2", "2.6.3", "2.6.6") if lightning.specifier.contains(v)]
    assert allowed == ["2.6.1", "2.6.6"]


@pytest.mark.parametrize(
    ("wheel", "yes"),
    [
        ("a-1-py3-none-any.whl", True),
        ("a-1-py2.py3-none-any.whl", True),
        ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", True),
        ("a-1-cp313-cp313-macosx_14_0_arm64.whl", True),
        ("a-1-cp39-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", True),
        ("a-1-py3-none-manylinux_2_18_x86_64.whl", True),
        ("a-1-cp310-cp310-manylinux_2_28_x86_64.whl", False),
        ("a-1-cp314-abi3-manylinux_2_28_x86_64.whl", False),
        ("a-1-cp313-cp313t-manylinux_2_28_x86_64.whl", False),
        ("a-1-cp311-cp311-musllinux_1_2_x86_64.whl", False),
        ("a-1-pp311-pypy311_pp73-manylinux_2_28_x86_64.whl", False),
    ],
)
def test_which_wheels_are_locked(wheel, yes):
    assert make_locks.installable(wheel) is yes


def chosen(monkeypatch, capsys, *, system="Linux", machine="x86_64", tag="cp311", driver=False, offered=()):
    """(lock, what was said) where pip offers these versions of torch."""

    def run(command, **_):
        out = f"{tag}\n" if "-c" in command else "Available versions: " + ", ".join(offered)
        return subprocess.CompletedProcess(command, 0, stdout=out, stderr="")

    monkeypatch.setattr(install.platform, "system", lambda: system)
    monkeypatch.setattr(install.platform, "machine", lambda: machine)
    monkeypatch.setattr(install.shutil, "which", lambda name: name if driver else None)
    monkeypatch.setattr(install.subprocess, "run", run)
    return install.choose_lock(Path("python")), capsys.readouterr().out


CPU_BUILD = CPU["torch"][0] + "+cpu"


def test_linux_with_a_cpu_build_in_reach_takes_the_cpu_lock_and_says_nothing(monkeypatch, capsys):
    assert chosen(monkeypatch, capsys, offered=["9.0", CPU_BUILD, "2.0"]) == ("cpu", "")


def test_linux_without_one_takes_the_cuda_lock_and_says_why(monkeypatch, capsys):
    lock, said = chosen(monkeypatch, capsys, offered=["9.0", CPU["torch"][0]])
    assert lock == "cuda"
    assert f"pip finds no torch {CPU_BUILD}" in said and "CPU package index" in said


@pytest.mark.parametrize("other", [{"tag": "cp39"}, {"machine": "riscv64"}])
def test_no_locked_cpu_build_for_this_python_or_machine(other, monkeypatch, capsys):
    lock, said = chosen(monkeypatch, capsys, offered=[CPU_BUILD], **other)
    assert lock == "cuda"
    assert "No CPU build" in said


def test_a_gpu_takes_the_cuda_lock_and_macos_the_cpu_lock(monkeypatch, capsys):
    assert chosen(monkeypatch, capsys, driver=True, offered=[CPU_BUILD]) == ("cuda", "")
    assert chosen(monkeypatch, capsys, system="Darwin", machine="arm64") == ("cpu", "")


def test_the_stamp_follows_every_file_that_determines_the_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "LOCKS", tmp_path)
    names = ("pyproject.toml", "build.txt", "cpu.txt", "cuda.txt", "dev.txt")
    for name in names:
        (tmp_path / name).write_text(name)
    before = install.wanted_stamp("cpu", dev=True)
    assert install.wanted_stamp("cuda", dev=True) != before != install.wanted_stamp("cpu", dev=False)
    for name in set(names) - {"cuda.txt"}:
        (tmp_path / name).write_text("changed")
        assert install.wanted_stamp("cpu", dev=True) != before
        (tmp_path / name).write_text(name)
    assert install.wanted_stamp("cpu", dev=True) == before


def test_what_sandboxed_workers_import_is_imported_once_outside_so_that_there_is_bytecode(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(install, "pip", lambda python, *arguments: ran.append("pip"))
    monkeypatch.setattr(install.subprocess, "run", lambda command, **_: ran.append(command[1:]))
    install.install(Path("python"), tmp_path, "cpu", dev=False)
    assert ran == ["pip", "pip", "pip", ["-c", install.WHAT_WORKERS_IMPORT]]
    exec(install.WHAT_WORKERS_IMPORT.partition(";")[0], {})  # the names are there


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path, capsys):
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(SystemExit) as stopped:
        install.make_venv(tmp_path)
    assert stopped.value.code == 2
    assert (tmp_path / "precious").read_text() == "mine"
    assert "no virtual environment" in capsys.readouterr().err


def test_an_old_python_without_a_successor_is_one_clear_line(monkeypatch, capsys):
    monkeypatch.setattr(install.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(install.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit) as stopped:
        install.use_supported_python()
    assert stopped.value.code == 2
    assert "needs Python 3.11, 3.12 or 3.13" in capsys.readouterr().err
