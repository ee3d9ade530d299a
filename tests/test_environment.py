"""The environment record, drift from the lock, and the releases that are refused by name."""

import hashlib
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from mlintern.core import environment
from mlintern.core.errors import UserError

DESIGNED = {"lock_sha256", "drift", "python", "host", "cpu", "gpu", "threads", "determinism"}
"""Keys of DESIGN.md's run record."""


@pytest.fixture
def locks(tmp_path, monkeypatch):
    """An empty folder in the place of locks/."""
    folder = tmp_path / "locks"
    folder.mkdir()
    monkeypatch.setattr(environment, "LOCKS", folder)
    return folder


def lock(folder: Path, *entries: str) -> Path:
    """Write both locks with these `name==version[ ; marker]` entries, as `make lock` formats them."""
    text = "# a comment\n" + "".join(f"{entry} \\\n    --hash=sha256:{'0' * 64}\n" for entry in entries)
    (folder / "cuda.txt").write_text(text)
    (folder / "cpu.txt").write_text(text)
    return folder / "cpu.txt"


def distribution(folder: Path, name: str, version: str) -> None:
    """What an installed distribution leaves for importlib.metadata, and a package that must not be imported."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    package = folder / name.replace("-", "_")
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("raise SystemExit('imported a known-bad release')\n")


def python(*code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not environment.PINS.fullmatch(name)}
    command = [sys.executable, "-c", "\n".join(code)]
    return subprocess.run(command, env=clean | variables, capture_output=True, text=True, check=False)


def test_record_has_the_designed_keys_and_is_json(monkeypatch):
    record = environment.environment_record()
    assert record.keys() >= DESIGNED
    assert json.loads(json.dumps(record)) == record


def test_record_imports_nothing_heavy():
    done = python(
        "import sys",
        "from mlintern.core.environment import check_drift, environment_record",
        "record = environment_record(); check_drift('warn')",
        "print(record['torch'], [m for m in ('torch', 'numpy', 'lightning', 'pandas') if m in sys.modules])",
    )
    assert done.stdout.split("\n")[0] == "None []", done.stderr


def test_record_of_a_process_with_torch_tells_its_switches():
    done = python(
        "import json, torch",
        "torch.use_deterministic_algorithms(True); torch.set_num_threads(1)",
        "from mlintern.core.environment import environment_record",
        "print(json.dumps(environment_record()))",
        MKL_CBWR="COMPATIBLE",
    )
    record = json.loads(done.stdout)
    assert record["threads"] == 1
    assert record["determinism"]["deterministic_algorithms"] is True
    assert record["determinism"]["MKL_CBWR"] == "COMPATIBLE"
    assert record["torch"]["version"] == metadata.version("torch")


def test_lock_sha256_is_that_of_the_file(locks):
    path = lock(locks, "pytest==1.0")
    assert environment.environment_record()["lock_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_without_locks_the_record_says_null_and_refuse_refuses(locks):
    record = environment.environment_record()
    assert (record["lock"], record["lock_sha256"], record["drift"]) == (None, None, [])
    assert environment.check_drift("warn") == []
    with pytest.raises(UserError, match=r"env\.drift=refuse: no lock"):
        environment.check_drift("refuse")


def test_drift_names_what_differs_and_what_is_missing(locks, tmp_path, monkeypatch):
    installed = tmp_path / "site"
    distribution(installed, "Some.Package", "1.5")
    distribution(installed, "as-locked", "2.0")
    monkeypatch.syspath_prepend(str(installed))
    lock(locks, "as-locked==2.0", "not-there==3.0", "some-package==1.4", "other-system==1.0 ; sys_platform == 'beos'")
    expected = [
        {"package": "not-there", "locked": "3.0", "installed": None},
        {"package": "some-package", "locked": "1.4", "installed": "1.5"},
    ]
    assert environment.drift() == expected
    assert environment.check_drift("warn") == expected
    with pytest.raises(UserError, match=r"not-there missing \(locked: 3\.0\), some-package 1\.5 \(locked: 1\.4\)"):
        environment.check_drift("refuse")


def test_no_drift_passes_both_policies(locks):
    lock(locks, f"pytest=={metadata.version('pytest')}")
    assert environment.check_drift("refuse") == environment.check_drift("warn") == []


@pytest.mark.parametrize(
    ("installed", "lock_name", "drifts"),
    [
        ("2.13.0+cpu", "cpu.txt", False),
        ("2.13.0", "cuda.txt", False),
        ("2.13.0+cu126", "cuda.txt", True),  # another build than the locked one: other kernels, other bits
        ("2.12.0+cpu", "cpu.txt", True),
    ],
)
def test_the_build_of_torch_chooses_the_lock(installed, lock_name, drifts, locks, tmp_path, monkeypatch):
    distribution(tmp_path / "site", "torch", installed)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(environment.platform, "system", lambda: "Linux")
    lock(locks, "torch==2.13.0")
    found = environment.lock_file()
    assert found is not None and found.name == lock_name
    assert bool(environment.drift()) is drifts


def test_an_unpinned_lock_is_one_clear_line(locks):
    lock(locks, "pytest>=1.0")
    with pytest.raises(UserError, match="not pinned"):
        environment.drift()


@pytest.mark.parametrize("package", ["lightning", "pytorch-lightning"])
@pytest.mark.parametrize(("version", "bad"), [("2.6.1", False), ("2.6.2", True), ("2.6.3", True), ("2.6.6", False)])
def test_known_bad_releases_are_refused_by_name(package, version, bad, tmp_path, monkeypatch):
    distribution(tmp_path, package, version)
    monkeypatch.syspath_prepend(str(tmp_path))
    if bad:
        with pytest.raises(UserError, match=f"{package}=={version}.*GHSA-w37p-236h-pfx3"):
            environment.check_drift("warn")
    else:
        environment.refuse_known_bad()


def test_a_known_bad_release_is_refused_before_any_of_its_code_runs(tmp_path):
    distribution(tmp_path, "lightning", "2.6.2")
    done = python(
        "import sys",
        "from mlintern.commands.doctor import main",
        "sys.exit(main([]))",
        PYTHONPATH=f"{tmp_path}{os.pathsep}{Path(environment.__file__).parent.parent}",
    )
    assert done.returncode == 2, done.stderr
    assert "lightning==2.6.2" in done.stdout
    assert "imported a known-bad release" not in done.stdout + done.stderr


def test_unknown_policy_names_the_key():
    with pytest.raises(UserError, match=r"env\.drift=maybe: choose refuse or warn"):
        environment.check_drift("maybe")


def test_host_is_stable_and_does_not_tell_the_machines_name():
    assert environment.host() == environment.host()
    assert environment.platform.node() not in environment.host()


def test_hosts_differ_between_machines(monkeypatch):
    here = environment.host()
    monkeypatch.setattr(environment.platform, "node", lambda: "another-machine")
    assert environment.host() != here


@pytest.mark.parametrize(("asked", "threads"), [("1", 1), ("3", 3), ("4,2", 4)])
def test_threads_before_torch_are_those_that_openmp_will_use(asked, threads):
    done = python("from mlintern.core.environment import threads; print(threads())", OMP_NUM_THREADS=asked)
    assert done.stdout.strip() == str(threads)


def test_describe_counts_what_it_leaves_out():
    found = [environment.Drift(package=f"p{i}", locked="1", installed="2") for i in range(6)]
    line = environment.describe(found, most=2)
    assert "p0 2 (locked: 1), p1 2 (locked: 1) and 4 more" in line
    assert "\n" not in line
