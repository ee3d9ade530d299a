"""The ledger of test readings, and what the best of them is worth."""

import json

import numpy as np
import pytest

from mlintern.audit.command import main
from mlintern.audit.frames import subject_from_arrays
from mlintern.audit.ledger import Reading, note_reading, read_ledger
from mlintern.audit.options import AuditOptions
from mlintern.audit.report import Severity, Status
from mlintern.audit.reuse import best_of, reuse_of_test
from mlintern.errors import UserError


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
    note_reading(ledger, Reading(mine, "a", 0.8))
    note_reading(ledger, Reading(mine, "a", 0.8))
    note_reading(ledger, Reading("another part", "b", 0.9))
    assert reuse_of_test(subject).status is Status.PASS
    for run in range(20):
        note_reading(ledger, Reading(mine, f"run {run}", 0.8))
    (finding,) = reuse_of_test(subject).findings
    assert finding.evidence["readings"] == 21
    assert finding.severity is Severity.MEDIUM
    assert finding.price.points == pytest.approx(100 * best_of(21) * np.sqrt(0.16 / 200), abs=0.01)


def test_a_folder_of_run_records_is_a_ledger(table, tmp_path):
    subject = made(table, str(tmp_path))
    for run, score in (("a", 0.7), ("b", 0.75)):
        (tmp_path / run).mkdir()
        record = {
            "data": {"test": subject.test.fingerprint()},
            "metrics": {"test": {"accuracy": score}},
            "selection": {"metric": "accuracy"},
        }
        (tmp_path / run / "run.json").write_text(json.dumps(record))
    assert reuse_of_test(subject).findings[0].evidence["best"] == 0.75


def test_the_command_keeps_the_ledger(table, tmp_path, capsys):
    x, y = table
    np.savez(tmp_path / "d.npz", x_train=x[:400], y_train=y[:400], x_test=x[400:], y_test=y[400:])
    argv = [str(tmp_path / "d.npz"), "--price", "none", "--ledger", str(tmp_path / "l.jsonl")]
    for score in ("0.7", "0.8"):
        assert main([*argv, "--score", score]) == 0
    assert [reading.score for reading in read_ledger(tmp_path / "l.jsonl")] == [0.7, 0.8]
    main(argv)
    assert "read 2 times" in " ".join(capsys.readouterr().out.split())


def test_a_broken_ledger_is_one_line(table, tmp_path):
    (tmp_path / "l.jsonl").write_text('{"test": "x"}\n')
    with pytest.raises(UserError, match=r"l.jsonl: line 1 is no reading"):
        reuse_of_test(made(table, str(tmp_path / "l.jsonl")))
