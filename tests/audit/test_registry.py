"""A check is one file: the one that docs/add-a-check.md shows is put into a copy of the package and run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mlintern
from mlintern.audit.inputs.subject import Outcome
from mlintern.audit.registry import IncompleteCheck, check, detector, detectors
from mlintern.audit.report.audit_report import Status
from mlintern.audit.report.kinds import Kind, kinds_of, names
from mlintern.core.errors import UserError

PACKAGE = Path(mlintern.__file__).parent
PAGE = Path(__file__).resolve().parents[2] / "docs" / "add-a-check.md"
NEIGHBOURS = ["augmented_before_split", "mirrored_row", "resampled_before_split"]
RUN = """
import json, sys
import numpy as np
import pandas as pd
from mlintern.audit import AuditOptions, audit, run
from mlintern.audit.report.audit_report import AuditReport

names = [check.kind for check in run.CHECKS]
if sys.argv[1:]:
    run.CHECKS = [check for check in run.CHECKS if check.kind in sys.argv]
rng = np.random.default_rng(0)
rows = pd.DataFrame(rng.normal(size=(240, 5))).assign(y=0.5, g=np.arange(240) // 40)
options = AuditOptions(price="none", permutations=5)
clean = audit(train=rows[:160], test=rows[160:], label="y", group="g", options=options)
rows.iloc[160:170, :5] = rows.iloc[:10, 4::-1].to_numpy()
options = AuditOptions(price="none", permutations=5, canaries=False, acknowledge=("mirrored_row",))
report = audit(train=rows[:160], test=rows[160:], label="y", group="g", options=options)
report.write("audit.json")
print(json.dumps({
    "names": names,
    "checks": [check.name for check in report.checks],
    "pass": next(check.reason for check in clean.checks if check.name == "mirrored_row"),
    "blocking": [finding.kind for finding in report.blocking()],
    "acknowledged": [finding.kind for finding in report.blocking(acknowledge=options.acknowledge)],
    "read": AuditReport.read("audit.json").summary(),
}))
"""


def with_file(tmp_path, name, text):
    """A copy of the package with one file more among its checks."""
    shutil.copytree(PACKAGE, tmp_path / "mlintern")
    (tmp_path / "mlintern" / "audit" / "checks" / name).write_text(text)


def run(tmp_path, code, *arguments):
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, env=env, capture_output=True, text=True
    )


@pytest.mark.parametrize("only", [("mirrored_row",), pytest.param((), marks=pytest.mark.slow)])
def test_the_file_of_the_guide_is_a_whole_check(tmp_path, only):
    page = PAGE.read_text()
    name = re.search(r"`mlintern/audit/checks/(\w+\.py)`", page)[1]
    with_file(tmp_path, name, re.search(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1])
    done = run(tmp_path, RUN, *only)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["names"][3:6] == NEIGHBOURS
    assert said["checks"] == (list(only) or said["names"])
    assert said["pass"].endswith("; of 20 mirrored rows planted in these data it names 20")
    assert (said["blocking"], said["acknowledged"]) == (["mirrored_row"], [])
    assert said["read"].startswith("1 finding: mirrored_row (high)")
    written = json.loads((tmp_path / "audit.json").read_text())
    assert [finding["count"] for finding in written["findings"] if finding["kind"] == "mirrored_row"] == [10]


def test_every_file_is_a_check_with_a_canary_or_says_why_not():
    assert sorted(one.kind for one in detectors()) == list(names())
    assert len({one.place for one in detectors()}) == len(names())
    assert {str(one.kind): one.no_canary for one in detectors() if one.planter is None} == {
        "test_reuse": "it counts the ledger's readings, and there is nothing to miss"
    }


def look(subject):
    return Outcome(Status.PASS, "fine")


def test_a_check_without_canary_or_reason_is_refused_at_import():
    with pytest.raises(IncompleteCheck, match="test_registry.py: nothing plants test_registry.*planter=.*no_canary="):
        check(place=1)(look)


def test_a_second_check_in_one_file_is_refused():
    found = detector(Kind("shift"))
    with pytest.raises(IncompleteCheck, match=r"checks/shift\.py: two functions have @check"):
        check(place=1, planter=found.planter)(found.look)


def test_a_file_without_a_check_is_named(tmp_path):
    with_file(tmp_path, "helpers.py", "ROWS = 3\n")
    done = run(tmp_path, "import mlintern.audit.run")
    assert "IncompleteCheck: mlintern/audit/checks/helpers.py: no function has @check" in done.stderr


def test_a_kind_is_the_name_of_a_file():
    assert kinds_of(["shift", "target_leak"]) == {"shift", "target_leak"}
    with pytest.raises(UserError, match="audit.acknowledge=leak: not a kind of finding; choose from augmented_bef.*"):
        kinds_of(["leak"])
    with pytest.raises(ValueError, match="'__init__' is not a kind of leak"):
        Kind("__init__")


def test_kinds_are_known_without_what_checks_import():
    code = (
        "import sys; from mlintern.audit.report.options import AuditOptions; AuditOptions(acknowledge=['shift'])\n"
        "print([name for name in ('scipy', 'sklearn', 'mlintern.audit.run') if name in sys.modules])"
    )
    assert run(PACKAGE.parent, code).stdout == "[]\n"


def test_only_a_shift_never_blocks():
    assert [name for name in names() if Kind(name).only_warns] == ["shift"]
