"""Evidence of the extended tests: `make extended`, or `python -m tests.evidence [FILES] [--stale] [--drop-stale]`.

Runs the files of tests that are marked `extended`, one after the other, and writes for each that passed whole one line
into docs/evidence/extended.json: counts, commit, the kind of machine, and a hash over the code that it covers. Nothing
is written of a file that failed, of which a test was left out, or under which the code changed. A line is a file's own,
so that several machines may each run some. `tests/test_evidence.py` fails on a line that is of other code.
"""

import argparse
import hashlib
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlintern.core import files
from mlintern.core.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "evidence"
COVERED = ("mlintern", "hydra_plugins", "conf", "portability")
_MARKED = re.compile(r"pytest\.mark\.extended\b")
_LISTS = {"certified.json", "release_packs.json"}
"""Hashes of code that is covered here, and of packs; written after the tests have run."""
_ENDINGS = {".py", ".yaml", ".json", ".j2", ".css", ".js", ".md"}

README = """\
# Evidence

`make extended` runs the tests that take minutes each, and writes [extended.json](extended.json): a line for each file
of tests, with what passed, what was skipped and why, the commit, the kind of machine, and `code`, a hash over what the
line covers: the code of {covered}, the file of tests, and what helps tests.

A line whose `code` is not that of the tree is no evidence, and `tests/test_evidence.py` fails on it. After a change,
run the files again that need it (`make extended ARGS=--stale`, or `ARGS=tests/…` for one), or say that nobody has:
`.venv/bin/python -m tests.evidence --drop-stale` takes stale lines out, and the table below then says *not run*. Why it
is so stands in [decisions](../decisions.md#evidence-goes-stale-with-the-code).

No line is written of a file in which a test failed or was left out, or none ran. Lines and this page are written file
by file, so that a run that was interrupted goes on with `ARGS=--stale`.

| file | passed | skipped | minutes | at commit | on |
| --- | --- | --- | --- | --- | --- |
{rows}
"""


def extended_files(root: Path = ROOT) -> list[str]:
    """The files of tests of which some are marked."""
    found = (root / "tests").rglob("test_*.py")
    names = {path.relative_to(root).as_posix() for path in found if _MARKED.search(path.read_text(encoding="utf-8"))}
    return sorted(names - {"tests/test_evidence.py"})


def code_of(tests: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """{file of tests: one hash over what its evidence covers}; line endings do not count."""
    code = [path for folder in COVERED for path in _files(root / folder) if path.suffix in _ENDINGS]
    helpers = [path for path in _files(root / "tests") if path.suffix == ".py" and not path.name.startswith("test_")]
    shared = _hash(root, [path for path in (*code, *helpers) if path.name not in _LISTS])
    found = {}
    for test in tests:
        beside = [path for path in _files((root / test).parent) if not path.name.startswith("test_")]
        found[test] = hashlib.sha256(f"{shared}{_hash(root, [root / test, *beside])}".encode()).hexdigest()
    return found


def stale(lines: Mapping[str, Any], root: Path = ROOT) -> list[str]:
    """The files whose line is of other code than the present, or of tests that are gone."""
    now = code_of(set(extended_files(root)).intersection(lines), root)
    return [test for test, line in lines.items() if line["code"] != now.get(test)]


def counted(report: Path) -> dict[str, Any]:
    """What pytest's report says; raises UserError where it is no evidence."""
    cases = list(xml.parse(report).getroot().iter("testcase"))
    skips = [case.find("skipped") for case in cases]
    reasons = [str(skip.get("message", "")).splitlines()[0] for skip in skips if skip is not None]
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    passed = len(cases) - len(reasons) - failed
    if failed or not passed:
        raise UserError(f"{failed} failed, {len(reasons)} skipped, {passed} passed")
    return {"passed": passed, "failed": failed, "skipped": len(reasons), "skips": sorted(set(reasons))}


def run(test: str, jobs: int) -> dict[str, Any]:
    """Run the marked tests of a file, all of them; raises UserError where what came out is no evidence."""
    before, began = code_of([test])[test], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "extended",
            f"--junitxml={report}",
            test,
        ]
        given = {
            name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"
        }  # it may leave tests out
        code = subprocess.run([*argv, *(["-n", str(jobs)] if jobs > 1 else [])], cwd=ROOT, env=given).returncode
        if not report.exists():
            raise UserError(f"pytest ended with {code} and no report")
        counts = counted(report)
    if code:
        raise UserError(f"pytest ended with {code}")
    if code_of([test])[test] != before:
        raise UserError("the code changed while its tests ran")
    seconds = round(time.monotonic() - began)
    return {**counts, "seconds": seconds, "commit": _git("rev-parse", "HEAD"), "code": before, "machine": machine()}


def machine() -> str:
    """The kind of machine, which names nobody's."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = ".".join(map(str, sys.version_info[:2]))
    return f"{platform.system()} {platform.machine()}, {cores} cores, Python {python}, torch {version('torch')}"


def read(folder: Path = FOLDER) -> dict[str, Any]:
    """{file of tests: its line}."""
    path = folder / "extended.json"
    return dict(files.read_json(path)) if path.exists() else {}


def page(lines: Mapping[str, Any], tests: list[str]) -> str:
    """The page that shows the lines, and which files have none."""
    rows = []
    for test in tests:
        line = lines.get(test)
        if line is None:
            rows.append(f"| `{test}` | not run | | | | |")
            continue
        skipped = f"{line['skipped']}: {'; '.join(line['skips'])}".replace("|", "\\|") if line["skipped"] else "0"
        told = (line["passed"], skipped, f"{line['seconds'] / 60:.0f}", line["commit"][:12], line["machine"])
        rows.append(f"| `{test}` | {' | '.join(map(str, told))} |")
    covered = ", ".join(f"`{name}/`" for name in COVERED)
    return README.format(covered=covered, rows="\n".join(rows))


def write(lines: Mapping[str, Any]) -> None:
    """Write lines and page."""
    files.write_json(FOLDER / "extended.json", dict(sorted(lines.items())))
    files.write_text(FOLDER / "README.md", page(lines, extended_files()))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.evidence", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tests", nargs="*", metavar="FILE", help="files of extended tests; all of them by default")
    parser.add_argument("--jobs", type=int, default=1, help="tests at a time")
    parser.add_argument("--stale", action="store_true", help="only files without a line of the present code")
    parser.add_argument(
        "--drop-stale", action="store_true", help="run nothing; lines of other code go, and the page says so"
    )
    given = parser.parse_args(argv)
    lines = read()
    for test in stale(lines) if given.drop_stale else []:
        print(f"{test}: its line is of other code, and goes")
        del lines[test]
    if given.drop_stale:
        write(lines)
        return 0
    known = extended_files()
    if unknown := [test for test in given.tests if test not in known]:
        print(f"{unknown[0]}: no file of extended tests; choose of {', '.join(known)}", file=sys.stderr)
        return 2
    if changed := _git("status", "--porcelain", "--", *COVERED, "tests"):
        print(f"{changed.split()[1]}: not committed, and evidence names a commit; commit first", file=sys.stderr)
        return 2
    old, failed = stale(lines), 0
    for test in given.tests or known:
        if given.stale and test in lines and test not in old:
            continue
        try:
            line = run(test, given.jobs)
        except UserError as error:
            print(f"{test}: no evidence: {error}", file=sys.stderr)
            failed += 1
            continue
        write({**read(), test: line})
        told = f"{line['passed']} passed, {line['skipped']} skipped in {line['seconds']} s"
        print(f"{test}: {told}; commit docs/evidence/ with it", flush=True)
    return 1 if failed else 0


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _hash(root: Path, paths: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in sorted(set(paths)):
        content = hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        found.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return found.hexdigest()


def _git(*argv: str) -> str:
    return subprocess.run(["git", *argv], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
