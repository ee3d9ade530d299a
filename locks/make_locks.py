"""Write the locks: exact versions and sha256 hashes of everything, for pip's hash-checking mode (`make lock`).

    cpu.txt    what a run needs, with torch's CPU build: Linux (the wheel tagged +cpu), macOS, Windows
    cuda.txt   the same versions, with the Linux build of torch from the package index and the CUDA libraries it needs
    launchers.txt  what the extras joblib, optuna, ray and slurm need beside either
    dev.txt    what only tests, linters and type checkers need; the same for both
    build.txt  what builds the packages that exist as source only; installed first, so that building them is locked too

uv resolves once for every platform and Python that pyproject.toml allows, reading the index's metadata only: no CUDA
library is downloaded. Versions already locked are kept as long as pyproject.toml allows them; `--upgrade` moves them
all. The index does not carry the CPU build of torch for Linux: its hash comes from the wheel that pip finds on this
machine (a wheel folder or PyTorch's own index, as pip is configured), or stays as it is when pip finds none.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

LOCKS = Path(__file__).resolve().parent
PYPROJECT = LOCKS.parent / "pyproject.toml"
PYTHONS = ("3.11", "3.12", "3.13")
LAUNCHERS = ("joblib", "optuna", "ray", "slurm")  # pyproject's extras for Hydra's launchers and sweepers
CPU_BUILD = "# cpu-build: "  # then a wheel's file name and its hash; locks/install.py reads these lines
CUDA_ONLY = re.compile(r"(cuda|nvidia)-|triton$")  # what torch's Linux build brings and its CPU build does not

HEADER = """\
# {what}
# Written by locks/make_locks.py (`make lock`); edit pyproject.toml instead.
"""


@dataclass(frozen=True)
class Package:
    """One locked package: the files of its version that an allowed Python on an allowed platform can install."""

    name: str
    version: str
    marker: str
    hashes: dict[str, str]  # file name: sha256

    def requirement(self, extra_hashes: Iterable[str] = ()) -> str:
        marker = f" ; {self.marker}" if self.marker else ""
        hashes = sorted({*self.hashes.values(), *extra_hashes})
        return " \\\n".join([f"{self.name}=={self.version}{marker}", *(f"    --hash=sha256:{h}" for h in hashes)])


def installable(wheel: str) -> bool:
    """Whether CPython 3.11 to 3.13 on glibc Linux, macOS or 64-bit Windows can install this wheel."""
    for tag in parse_wheel_filename(wheel)[3]:
        machine = re.fullmatch(r"any|manylinux.*_(x86_64|aarch64)|macosx_.*|win_amd64", tag.platform)
        pure = tag.interpreter in ("py3", "py311", "py312", "py313")
        minor = int(tag.interpreter[3:]) if re.fullmatch(r"cp3\d+", tag.interpreter) else None
        exact = minor in (11, 12, 13) and tag.abi in (tag.interpreter, "none")
        stable = minor is not None and minor <= 13 and tag.abi == "abi3"
        if machine and (pure or exact or stable):
            return True
    return False


def read_pylock(path: Path) -> dict[str, Package]:
    """The packages of a PEP 751 lock; a source archive counts only where no wheel can be installed."""
    packages: dict[str, Package] = {}
    for entry in tomllib.loads(path.read_text())["packages"]:
        name = canonicalize_name(entry["name"])
        if name in packages:
            raise SystemExit(f"make_locks: {name} resolves to two versions; one environment for all needs one of each")
        files = {Path(w["url"]).name.replace("%2B", "+"): w["hashes"]["sha256"] for w in entry.get("wheels", [])}
        files = {file: sha for file, sha in files.items() if installable(file)}
        if not files:
            files = {Path(entry["sdist"]["url"]).name: entry["sdist"]["hashes"]["sha256"]}
        packages[name] = Package(name, entry["version"], entry.get("marker", ""), files)
    return packages


def compile_lock(*options: str, folder: Path, output: str) -> Path:
    """One run of `uv pip compile` over pyproject.toml for all platforms; returns the file it wrote in `folder`."""
    path = folder / output
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-annotate", "--no-header"]
    command += ["--universal", "--python-version", PYTHONS[0], "--fork-strategy", "fewest", *options]
    command += [str(PYPROJECT), "--output-file", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def resolve(upgrade: bool) -> tuple[dict[str, Package], dict[str, Package], dict[str, Package]]:
    """(what a run needs, that and the development tools, that and the launchers), resolved together so they agree."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pins = folder / "pins.txt"
        kept = [LOCKS / name for name in ("cuda.txt", "dev.txt", "launchers.txt") if (LOCKS / name).is_file()]
        if not upgrade:
            pins.write_text("".join(path.read_text() for path in kept))
        launchers = [word for extra in LAUNCHERS for word in ("--extra", extra)]
        compile_lock("--extra", "dev", *launchers, folder=folder, output=pins.name)
        agree = ("--constraints", str(pins), "--format", "pylock.toml")
        tools = read_pylock(compile_lock(*agree, "--extra", "dev", folder=folder, output="pylock.dev.toml"))
        launched = read_pylock(compile_lock(*agree, *launchers, folder=folder, output="pylock.launchers.toml"))
        needed = read_pylock(compile_lock(*agree, folder=folder, output="pylock.main.toml"))
    return needed, tools, launched


def cpu_builds(version: str) -> dict[str, str]:
    """{wheel: sha256} of torch's CPU builds for Linux: those pip can find now, else those locked before."""
    builds = {}
    lock = LOCKS / "cpu.txt"
    for line in lock.read_text().splitlines() if lock.is_file() else ():
        if line.startswith(CPU_BUILD):
            wheel, sha = line.removeprefix(CPU_BUILD).split(" sha256:")
            if wheel.startswith(f"torch-{version}+cpu-"):
                builds[wheel] = sha
    for python in PYTHONS:
        for machine in ("x86_64", "aarch64"):
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
                command += ["--python-version", python, "--platform", f"manylinux_2_28_{machine}", "--dest", folder]
                found = subprocess.run([*command, f"torch=={version}+cpu"], capture_output=True, text=True)
                for wheel in Path(folder).glob("*.whl"):
                    builds[wheel.name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
            print(
                f"torch {version}+cpu, Python {python}, {machine}: {'found' if not found.returncode else 'not found'}"
            )
    if not builds:
        raise SystemExit(
            f"make_locks: pip finds no CPU build of torch {version} and locks/cpu.txt has none yet; "
            "configure pip with a folder that holds the wheel, or with PyTorch's own CPU index, and run again"
        )
    return builds


def write(name: str, what: str, requirements: Iterable[str]) -> None:
    blocks = list(requirements)
    (LOCKS / name).write_text(HEADER.format(what=what) + "".join(block + "\n" for block in blocks))
    print(f"locks/{name}: {len(blocks)} packages")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="move every version to the newest that pyproject allows")
    needed, everything, launched = resolve(parser.parse_args().upgrade)
    build = tomllib.loads(PYPROJECT.read_text())["build-system"]["requires"]
    build_names = {canonicalize_name(re.split(r"[^\w.-]", requirement)[0]) for requirement in build}

    torch = needed["torch"]
    builds = cpu_builds(torch.version)
    elsewhere = {wheel: sha for wheel, sha in torch.hashes.items() if "manylinux" not in wheel}
    cpu_torch = Package("torch", torch.version, torch.marker, elsewhere).requirement(builds.values())
    notes = "".join(f"{CPU_BUILD}{wheel} sha256:{sha}\n" for wheel, sha in sorted(builds.items()))

    in_order = [needed[name] for name in sorted(needed)]
    write(
        "cpu.txt",
        "What a run needs, with torch's CPU build.",
        (notes + cpu_torch if p is torch else p.requirement() for p in in_order if not CUDA_ONLY.match(p.name)),
    )
    write(
        "cuda.txt",
        "What a run needs, with torch's CUDA build for Linux and the libraries it needs.",
        (p.requirement() for p in in_order),
    )
    tools = [everything[name] for name in sorted(everything.keys() - needed.keys())]
    write("dev.txt", "What only tests and linters need, beside cpu.txt or cuda.txt.", (p.requirement() for p in tools))
    more = [launched[name] for name in sorted(launched.keys() - needed.keys())]
    write(
        "launchers.txt",
        "What the extras joblib, optuna, ray and slurm need, beside cpu.txt or cuda.txt.",
        (p.requirement() for p in more),
    )
    write(
        "build.txt",
        "What builds the packages that exist as source only; install it first.",
        (everything[name].requirement() for name in sorted(build_names)),
    )


if __name__ == "__main__":
    main()
