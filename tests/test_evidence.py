"""The committed evidence of the extended tests is of the present code, and a run that is no evidence leaves none."""

import subprocess

import pytest

from mlintern.core.errors import UserError
from tests import evidence

CASE = '<testcase name="a">{}</testcase>'
PASSED, SKIPPED = CASE.format(""), CASE.format('<skipped message="no ray"/>')
FAILED, BROKEN = CASE.format('<failure message="x"/>'), CASE.format('<error message="fixture"/>')


def test_the_committed_evidence_is_of_the_present_code():
    old = evidence.stale(evidence.read())
    assert not old, (
        f"docs/evidence/extended.json: {old[0]} was run with other code; run it again (`make extended ARGS={old[0]}`), "
        "or say that nobody has (`python -m tests.evidence --drop-stale`)"
    )


def test_the_page_shows_every_file_of_extended_tests():
    assert (evidence.FOLDER / "README.md").read_text() == evidence.page(evidence.read(), evidence.extended_files())


@pytest.fixture
def tree(tmp_path):
    texts = {
        "mlintern/a.py": "A = 1\n",
        "conf/config.yaml": "a: 1\n",
        "tests/conftest.py": "",
        "tests/study/tiny.py": "",
        "tests/study/test_kills.py": "@pytest.mark.extended\n",
        "tests/study/test_quick.py": "",
        "tests/audit/test_backend.py": "pytestmark = pytest.mark.extended\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


KILLS, BACKEND = "tests/study/test_kills.py", "tests/audit/test_backend.py"


@pytest.mark.parametrize(
    ("changed", "old"),
    [
        ("mlintern/a.py", [BACKEND, KILLS]),
        ("mlintern/new.py", [BACKEND, KILLS]),
        ("conf/config.yaml", [BACKEND, KILLS]),
        (KILLS, [KILLS]),
        ("tests/study/tiny.py", [BACKEND, KILLS]),
        ("tests/study/payload.txt", [KILLS]),
        ("mlintern/engine/certified.json", []),
        ("tests/study/test_quick.py", []),
        ("README.md", []),
    ],
)
def test_a_line_is_old_when_what_it_covers_changes(tree, changed, old):
    assert evidence.extended_files(tree) == [BACKEND, KILLS]
    lines = {test: {"code": code} for test, code in evidence.code_of([BACKEND, KILLS], tree).items()}
    assert evidence.stale(lines, tree) == []
    (tree / changed).parent.mkdir(exist_ok=True)
    with (tree / changed).open("a") as file:
        file.write("# changed\n")
    assert evidence.stale(lines, tree) == old


def test_a_line_of_a_file_that_is_gone_is_old(tree):
    lines = {KILLS: {"code": evidence.code_of([KILLS], tree)[KILLS]}}
    (tree / KILLS).unlink()
    assert evidence.stale(lines, tree) == [KILLS]


def report(folder, *cases):
    path = folder / "report.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    return path


def test_what_passed_and_what_was_skipped_is_counted(tmp_path):
    found = evidence.counted(report(tmp_path, PASSED, PASSED, SKIPPED))
    assert found == {"passed": 2, "failed": 0, "skipped": 1, "skips": ["no ray"]}


@pytest.mark.parametrize("cases", [[PASSED, FAILED], [PASSED, BROKEN], [SKIPPED], []])
def test_a_failure_and_a_run_of_nothing_are_no_evidence(tmp_path, cases):
    with pytest.raises(UserError, match="failed"):
        evidence.counted(report(tmp_path, *cases))


@pytest.mark.parametrize(("code", "edited", "says"), [(1, False, "ended with 1"), (0, True, "code changed")])
def test_a_run_cut_short_or_over_changing_code_is_no_evidence(tmp_path, monkeypatch, code, edited, says):
    def pytest_run(argv, env, **_):
        assert "PYTEST_ADDOPTS" not in env
        (path,) = [word.partition("=")[2] for word in argv if word.startswith("--junitxml=")]
        with open(path, "w") as file:
            file.write(report(tmp_path, PASSED).read_text())
        return subprocess.CompletedProcess(argv, code)

    states = iter(["before", "after" if edited else "before"])
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k quick")
    monkeypatch.setattr(evidence, "code_of", lambda tests: dict.fromkeys(tests, next(states)))
    monkeypatch.setattr(evidence.subprocess, "run", pytest_run)
    with pytest.raises(UserError, match=says):
        evidence.run(BACKEND, 1)
