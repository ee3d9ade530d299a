"""Other CPUs, by qemu-user: what each computes under determinism=portable, against what this one does.

qemu translates instructions and reports the named model's features and vendor, so libraries choose their code as they
would on that CPU; its floating point is IEEE 754. What it cannot show are a CPU's own approximations (rcpps, rsqrtps).
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence

import yaml

from mlintern.core.errors import UserError
from mlintern.core.roots import ROOT
from mlintern.engine.determinism import Determinism
from portability.results import compare

CPUS = ("Haswell-noTSX", "EPYC", "Skylake-Client")
"""Intel's first with AVX2, an AMD, and a later Intel; others with AVX2 can be named."""
NOT_PORTABLE = frozenset[str]()
QEMU = "qemu-x86_64"

_START = "import sys; sys.path[:0] = {path!r}; sys.argv[1:] = {arguments!r}; from portability.bits import main; main()"


def compare_cpus(cpus: Sequence[str], say: Callable[[str], None], arguments: Sequence[str] = ()) -> bool:
    """Run `portability.bits` here and on every emulated CPU and hold the hashes against each other."""
    if shutil.which(QEMU) is None:
        say(f"other CPUs: not tried, {QEMU} is not installed (Debian: apt-get install qemu-user)")
        return True
    say("training and operations under determinism=portable, on this CPU")
    expected = measure(None, arguments)
    say(f"  {len(expected)} hashes")
    ok = True
    for cpu in cpus:
        found = measure(cpu, arguments)
        comparison = compare(f"  on {cpu}", promised(expected), promised(found))
        say(comparison.line())
        others = {name for name in NOT_PORTABLE if expected.get(name) != found.get(name)}
        if others:
            say(f"    known not to be portable, and not counted: {', '.join(sorted(others))}")
        ok &= not comparison.different
    return ok


def promised(hashes: dict[str, str]) -> dict[str, str]:
    """Without the operations that are known not to be portable."""
    return {name: value for name, value in hashes.items() if name not in NOT_PORTABLE}


def measure(cpu: str | None, arguments: Sequence[str] = ()) -> dict[str, str]:
    """{what: hash} from a process of its own, on this CPU or on an emulated one."""
    pins = Determinism(**yaml.safe_load((ROOT / "conf/determinism/portable.yaml").read_text(encoding="utf-8"))).pins()
    path = [str(ROOT), sysconfig.get_path("purelib")]
    # Not the environment's own python: a link there, which qemu would resolve, and with it the way to the packages
    argv = [os.path.realpath(sys.executable), "-c", _START.format(path=path, arguments=list(arguments))]
    if cpu is not None:
        argv = [QEMU, "-cpu", cpu, *argv]
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **pins}, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode and not lines:
        raise UserError(f"{' '.join(argv[:3])}: ended with code {done.returncode}: {done.stderr.strip()[-300:]}")
    found = {line["name"]: line["sha256"] for line in lines}
    if done.returncode:
        found["ended"] = f"code {done.returncode} after {lines[-1]['name']}"
    return found
