"""The ledger of test readings, and what the best of them is worth."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mlintern.audit.checks.test_reuse import best_of, reuse_of_test
from mlintern.audit.command import main
from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.report.audit_report import Severity, Status
from mlintern.audit.report.ledger import SeenScore, note_reading, read_ledger
from mlintern.audit.report.options import AuditOptions
from mlintern.core.errors import UserError
from tests import records


def made(table, ledger):
    x, y = table
    return subject_from_arrays({"train": (x[:400], y[:400]), "test": (x[400:], y[400:])}, AuditOptions(ledger=ledger))


def test_best_of_k_is_the_expected_maximum():
    draws = np.random.default_rng(0).normal(size=(200_000, 10)).max(1).mean()
    assert best_of(10) == pytest.approx(draws, abs=0.01)
    assert best_of(1) == 0


def test_readings_of_these_rows_alone_count(table, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    subject = made(table, str(ledger))
    assert reuse_of_test(subject).status is Status.PASS
    mine = subject.test.fingerprint()
    note_reading(ledger, SeenScore(mine, "a", 0.8))
    note_reading(ledger, SeenScore(mine, "a", 0.8))
    note_reading(ledger, SeenScore("another part", "b", 0.9))
    assert reuse_of_test(subject).status is Status.PASS
    for run in range(20):
        note_reading(ledger, SeenScore(mine, f"run {run}", 0.8))
    (finding,) = reuse_of_test(subject).findings
    assert finding.evidence["readings"] == 21
    assert finding.severity is Severity.MEDIUM
    assert finding.price.points == pytest.approx(100 * best_of(21) * np.sqrt(0.16 / 200), abs=0.01)


def folder_of_runs(subject, folder, metric="accuracy", mode="max", scores=(0.7, 0.75)):
    for number, score in enumerate(scores):
        selection = {"split": "valid", "metric": metric, "mode": mode, "step": 4, "value": 0.5}
        test = {"data": {"test": subject.test.fingerprint()}, "metrics": {"test": {metric: score}}}
        records.write(folder / f"cell{number}", records.whole(f"cell{number}", selection=selection, **test))


def test_a_folder_of_run_records_is_a_ledger(table, tmp_path):
    subject = made(table, str(tmp_path))
    folder_of_runs(subject, tmp_path)
    assert reuse_of_test(subject).findings[0].evidence["best"] == 0.75


@pytest.mark.parametrize(
    ("metric", "scores", "priced"), [("loss", (0.7, 0.75), False), ("error_rate", (0.3, 0.25, 0.4), True)]
)
def test_the_best_of_what_is_better_lower_is_the_lowest(table, tmp_path, metric, scores, priced):
    subject = made(table, str(tmp_path))
    folder_of_runs(subject, tmp_path, metric, "min", scores)
    (finding,) = reuse_of_test(subject).findings
    assert finding.evidence["best"] == min(scores)
    assert (finding.price is not None) is priced
    if priced:
        assert finding.price.without_leak > finding.price.with_leak == 0.25


def test_scores_of_different_metrics_are_not_held_against_each_other(table, tmp_path):
    subject = made(table, str(tmp_path / "l.jsonl"))
    mine = subject.test.fingerprint()
    for run, score in (("a", 0.8), ("b", 0.9)):
        note_reading(tmp_path / "l.jsonl", SeenScore(mine, run, score, "accuracy"))
    note_reading(tmp_path / "l.jsonl", SeenScore(mine, "c", 17.0, "perplexity", higher_is_better=False))
    (finding,) = reuse_of_test(subject).findings
    assert (finding.evidence["readings"], finding.evidence["best"], finding.evidence["metric"]) == (3, 0.9, "accuracy")


@pytest.mark.parametrize("spoilt", ["torn", "edited", "empty", "bytes", "list", "folder"])
@pytest.mark.timeout(20)
def test_a_record_that_is_not_as_it_was_written_is_one_line(table, tmp_path, spoilt):
    subject = made(table, str(tmp_path))
    folder_of_runs(subject, tmp_path)
    path = tmp_path / "cell1" / "run.json"
    content = path.read_bytes()
    path.unlink()
    if spoilt == "folder":
        path.mkdir()
    else:
        edited = content.replace(b"0.75", b"0.55")
        shapes = {"torn": content[:200], "edited": edited, "empty": b"", "bytes": b"\xff", "list": b"[]"}
        path.write_bytes(shapes[spoilt])
    with pytest.raises(UserError, match=r"cell1/run\.json: "):
        reuse_of_test(subject)


def test_what_a_packs_code_wrote_beside_a_record_is_no_reading(table, tmp_path):
    subject = made(table, str(tmp_path))
    folder_of_runs(subject, tmp_path)
    folder_of_runs(subject, tmp_path / "cell1" / "work", scores=(0.99,))
    assert reuse_of_test(subject).findings[0].evidence["readings"] == 2


def test_the_command_keeps_the_ledger(table, tmp_path, capsys):
    x, y = table
    np.savez(tmp_path / "d.npz", x_train=x[:400], y_train=y[:400], x_test=x[400:], y_test=y[400:])
    argv = [str(tmp_path / "d.npz"), "--price", "none", "--ledger", str(tmp_path / "l.jsonl")]
    for score in ("0.7", "0.8"):
        assert main([*argv, "--score", score]) == 0
    assert [reading.score for reading in read_ledger(tmp_path / "l.jsonl")] == [0.7, 0.8]
    main(argv)
    assert "read 2 times" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "line",
    [
        b'{"test": "x"}',
        b"[]",
        b"5",
        b"null",
        b'{"test": "x", "run": "y", "score": NaN}',
        b'{"test": "x", "run": "y", "score": "high"}',
        b'{"test": "x", "run": "y", "score": [1]}',
        b'{"test": "x", "run": "y", "score": 1, "higher_is_better": "no"}',
        b"[" * 5000,
    ],
)
def test_a_broken_ledger_is_one_line(table, tmp_path, line):
    (tmp_path / "l.jsonl").write_bytes(line + b"\n")
    with pytest.raises(UserError, match=r"l.jsonl: line 1 is no reading"):
        reuse_of_test(made(table, str(tmp_path / "l.jsonl")))


@pytest.mark.timeout(20)
def test_a_ledger_that_is_no_text_or_no_file_is_one_line(table, tmp_path):
    (tmp_path / "l.jsonl").write_bytes(b"\xff\xfe\n")
    os.mkfifo(tmp_path / "pipe")
    for name, says in (("l.jsonl", "is not UTF-8 text"), ("pipe", "a pipe, not a file")):
        with pytest.raises(UserError, match=says):
            reuse_of_test(made(table, str(tmp_path / name)))


def test_readings_that_are_noted_at_once_are_all_kept(tmp_path):
    """Two processes, each of which would rewrite what the other had read."""
    note = (
        "import sys, pathlib; from mlintern.audit.report.ledger import SeenScore, note_reading\n"
        "for i in range(40): note_reading(pathlib.Path(sys.argv[1]), SeenScore('t', f'{sys.argv[2]} {i}', 0.5))"
    )
    ledger = tmp_path / "new" / "l.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", note, str(ledger), name]) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert {reading.run for reading in read_ledger(ledger)} == {f"{name} {i}" for name in "ab" for i in range(40)}
