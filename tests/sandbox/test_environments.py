"""Whatever environment Python lives in, it works in the sandbox: linked ones, installations below the home folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlintern.core.roots import ROOT
from tests.sandbox.layers import capabilities
from tests.study import tiny

INSIDE = "import sys, numpy, mlintern; print(sys.prefix, numpy.__version__, mlintern.__file__)"
PROBE = """
import sys, tempfile
from pathlib import Path
from mlintern.sandbox.limits import Limits
from mlintern.sandbox.process import run_sandboxed
limits = Limits(cpu_s=60, wall_s=60, memory_bytes=4 << 30, processes=64, file_size_bytes=1 << 20)
with tempfile.TemporaryDirectory() as folder:
    done = run_sandboxed([sys.executable, "-c", sys.argv[2]], readonly=[Path(p) for p in sys.argv[3:]],
                         scratch=Path(folder), limits=limits, env={}, backend=sys.argv[1])
sys.stdout.write(done.stdout.decode())
sys.stderr.write(done.stderr.decode())
sys.exit(done.returncode)
"""
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(params=["bwrap", "unshare"])
def backend(request):
    if not capabilities(request.param):
        pytest.skip(f"{request.param} does not work on this host")
    return request.param


def inside(
    python: Path, backend: str, *readable: Path, code: str = INSIDE, path: Path = ROOT, **environment: str
) -> str:
    """What `code` prints in a sandbox that is started by this interpreter."""
    done = subprocess.run(
        [python, "-c", PROBE, backend, code, *readable],
        env={**os.environ, "PYTHONPATH": str(path), **environment},
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_environment_that_is_a_link(backend, tmp_path):
    (tmp_path / "env").symlink_to(sys.prefix)
    assert inside(tmp_path / "env/bin/python", backend).startswith(f"{tmp_path}/env ")


def test_a_link_to_a_link_in_a_project_that_can_be_read(backend, tmp_path):
    """As with a project's .venv that leads to one shared by several, in a folder that the sandbox is shown."""
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "shared").symlink_to(sys.prefix)
    (project / ".venv").symlink_to("../shared")
    assert inside(project / ".venv/bin/python", backend, project).startswith(f"{project}/.venv ")


def made(folder: Path, home: Path) -> Path:
    """An environment over the base installation `home`, with what is installed here; its interpreter."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(home / "bin" / VERSION)
    (folder / "bin" / "python3").symlink_to("python")
    (folder / "pyvenv.cfg").write_text(f"home = {home}/bin\ninclude-system-site-packages = false\n")
    (folder / "lib").mkdir()
    (folder / "lib" / VERSION).symlink_to(Path(sys.prefix) / "lib" / VERSION)
    return folder / "bin" / "python"


@pytest.mark.parametrize("place", [".local/share/uv/python/cpython-3-linux-x86_64-gnu", ".pyenv/versions/3"])
def test_a_base_installation_below_the_home_folder_by_a_link(backend, tmp_path, place):
    """uv names a minor version by a link; and the home folder's hidden entries are covered where it is shown."""
    home = tmp_path / "ada"
    base = home / place
    base.parent.mkdir(parents=True)
    base.symlink_to(sys.base_prefix)
    (home / ".netrc").write_text("machine x password canary")
    python = made(home / "env", base)
    code = f"{INSIDE}; print(open({str(home / '.netrc')!r}).read())"
    assert inside(python, backend, HOME=str(home)).startswith(f"{home}/env ")
    with pytest.raises(AssertionError, match="No such file|Permission denied"):
        inside(python, backend, code=code, HOME=str(home))
    shown = inside(python, backend, home, HOME=str(home))
    assert shown.startswith(f"{home}/env ")


def test_an_installation_that_is_its_own_environment(backend, tmp_path):
    """As conda's: no base beside it, and run by a path that is a link."""
    (tmp_path / "conda").symlink_to(sys.base_prefix)
    code = "import sys; print(sys.prefix, sys.prefix == sys.base_prefix)"
    packages = str(Path(sys.prefix) / "lib" / VERSION / "site-packages")
    said = inside(tmp_path / "conda/bin" / VERSION, backend, code=code, path=Path(f"{ROOT}{os.pathsep}{packages}"))
    assert said == f"{tmp_path}/conda True\n"


def test_packages_that_an_installer_linked_into_place(backend, tmp_path):
    """As `uv pip install --link-mode symlink` does."""
    cache = tmp_path / "cache" / "archive"
    (cache / "linked").mkdir(parents=True)
    (cache / "linked" / "__init__.py").write_text("VALUE = 7\n")
    python = made(tmp_path / "env", Path(sys.base_prefix))
    library = tmp_path / "env" / "lib" / VERSION
    library.unlink()
    shutil.copytree(Path(sys.prefix) / "lib" / VERSION / "site-packages" / "yaml", library / "site-packages" / "yaml")
    for name in ("linked",):
        (library / "site-packages" / name).mkdir()
        (library / "site-packages" / name / "__init__.py").symlink_to(cache / name / "__init__.py")
    packages = Path(sys.prefix) / "lib" / VERSION / "site-packages"
    path = Path(f"{ROOT}{os.pathsep}{packages}")
    assert inside(python, backend, code="import linked; print(linked.VALUE)", path=path) == "7\n"


def test_packages_of_another_environment_that_a_pth_names(backend, tmp_path):
    python = made(tmp_path / "env", Path(sys.base_prefix))
    library = tmp_path / "env" / "lib" / VERSION
    library.unlink()
    (library / "site-packages").mkdir(parents=True)
    packages = Path(sys.prefix) / "lib" / VERSION / "site-packages"
    (library / "site-packages" / "elsewhere.pth").write_text(f"{packages}\n")
    assert inside(python, backend).startswith(f"{tmp_path}/env ")


def test_an_editable_installation_elsewhere(backend, tmp_path):
    shutil.copytree(ROOT / "mlintern", tmp_path / "src" / "mlintern", ignore=shutil.ignore_patterns("__pycache__"))
    said = inside(Path(sys.executable), backend, path=tmp_path / "src")
    assert said.split()[-1] == f"{tmp_path}/src/mlintern/__init__.py"


@pytest.mark.slow
def test_the_command_runs_in_a_linked_environment(tmp_path):
    tiny.project(tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    done = subprocess.run(
        [".venv/bin/python", "-m", "mlintern", tiny.PAPER, "model=net", "seed=0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "weights" in done.stdout, done.stdout + done.stderr
