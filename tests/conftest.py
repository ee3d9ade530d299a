"""No test may ask a live model, and none may depend on whoever runs it: not on keys, nor on a number of threads."""

import os
import subprocess
from collections import Counter

os.environ["MLINTERN_NO_LIVE_REQUESTS"] = "1"
for name in ("ANTHROPIC_API_KEY", "WANDB_API_KEY", "HF_TOKEN"):
    os.environ.pop(name, None)
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before torch is imported

import pytest  # noqa: E402 - after the environment that imports may read

from mlintern.sandbox import policy  # noqa: E402


@pytest.fixture(autouse=True)
def nothing_said_of_the_sandbox():
    """A command that a test ran in this process may have said which sandbox; the next test has said nothing."""
    policy.say(None)


@pytest.fixture
def small_disk(tmp_path):
    """Makes a file system of so many MiB of its own, and returns where it is; skips where none may be mounted."""
    made = []

    def make(mib):
        place = tmp_path / f"disk{len(made)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("no file system can be mounted here")
        made.append(place)
        return place

    yield make
    for place in made:
        subprocess.run(["umount", "-l", str(place)], check=True)


def pytest_terminal_summary(terminalreporter):
    """What tests have counted, from their reports, whoever ran them: lines of `said at the end`, and how many attacks
    the tests that passed held and what any found."""
    passed, failed = terminalreporter.getreports("passed"), terminalreporter.getreports("failed")
    for report in (*passed, *failed):
        for name, value in report.user_properties:
            if name == "said at the end":
                terminalreporter.line(value)
    held = told(passed, "adversarial: held")
    if not held:
        return
    found = told([*passed, *failed], "adversarial: found")
    kinds = ", ".join(f"{count} {kind}" for kind, count in held.items())
    terminalreporter.line(f"adversarial: {held.total()} hostile packs and files ({kinds})")
    terminalreporter.line(
        f"adversarial: effects outside the scratch folder: {found['effects']}; test targets found: {found['targets']}; "
        f"keys found: {found['keys']}; hangs: {found['hangs']}"
    )


def told(reports, name):
    """The sum of the counts that tests recorded by a name."""
    counts = Counter()
    for report in reports:
        for key, value in report.user_properties:
            counts.update(value if key == name else {})
    return counts
