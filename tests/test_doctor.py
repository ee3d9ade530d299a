"""`mlintern doctor`: what it shows, what it never shows, and its exit codes."""

import pytest

from mlintern.commands import doctor
from mlintern.core import environment


def rows(policy="warn"):
    return {row.name: row for row in doctor.examine(policy)}


@pytest.fixture
def drifted(monkeypatch):
    found = [environment.Drift(package="numpy", locked="9.9", installed="2.0")]
    monkeypatch.setattr(environment, "drift", lambda: found)


@pytest.fixture
def as_locked(monkeypatch):
    monkeypatch.setattr(environment, "drift", list)


def test_exit_0_when_all_is_as_locked(as_locked, capsys):
    assert doctor.main(["--drift", "refuse"]) == 0
    shown = capsys.readouterr().out
    for name in ("python", "lock", "torch", "processor", "pins", "git", "sandbox", "disk", "dvc"):
        assert name in shown


def test_drift_is_a_note_under_warn_and_exit_2_under_refuse(drifted, capsys):
    assert doctor.main([]) == 0
    assert rows()["drift"].state == "note"
    assert doctor.main(["--drift", "refuse"]) == 2
    assert "numpy 2.0 (locked: 9.9)" in rows("refuse")["drift"].text


def test_refuse_without_a_lock_is_exit_2(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "LOCKS", tmp_path)
    assert doctor.main([]) == 0
    assert doctor.main(["--drift", "refuse"]) == 2


def test_a_bad_option_is_exit_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        doctor.main(["--drift", "ignore"])
    assert stopped.value.code == 2


def test_of_a_key_only_whether_it_is_set(monkeypatch, capsys, as_locked):
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert rows()["ANTHROPIC_API_KEY"].text.startswith("not set")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret-value")
    assert rows()["ANTHROPIC_API_KEY"].text.startswith("set")
    doctor.main([])
    assert "secret-value" not in capsys.readouterr().out


def test_a_full_disk_is_noted(monkeypatch):
    full = doctor.shutil._ntuple_diskusage(10**12, 10**12 - 10**9, 10**9)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: full)
    assert rows()["disk"].state == "note"


def test_git_row_tells_a_clean_clone_from_a_changed_one(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    assert rows()["git"].state == "note"  # no repository

    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        doctor.subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "a").write_text("a")
    git("add", "a")
    git("commit", "-m", "a")
    assert rows()["git"].state == "ok"
    (tmp_path / "a").write_text("b")
    assert "1 uncommitted" in rows()["git"].text


def test_an_unsupported_python_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 14, 0))
    assert rows()["python"].state == "problem"


def test_the_sandboxs_layers_are_shown_by_name():
    row = rows()["sandbox"]
    if row.state == "ok":
        for layer in ("user namespace", "PID namespace", "Landlock", "seccomp"):
            assert layer in row.text


def test_a_missing_layer_is_named(monkeypatch):
    from mlintern.sandbox import process

    monkeypatch.setattr(process, "_try_out", lambda backend: ((), f"{backend}: the kernel has no Landlock"))
    row = rows()["sandbox"]
    assert row.state == "note" and "the kernel has no Landlock" in row.text and "came with this release" in row.text


def test_what_the_settings_give_up_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "mlintern").mkdir()
    (tmp_path / "mlintern" / "config.yaml").write_text("sandbox: none\n")
    row = rows()["sandbox"]
    assert row.state == "note" and "config.yaml says" in row.text
