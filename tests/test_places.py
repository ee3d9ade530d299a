"""From a folder below the project, the project is found; in another project, one line says so."""

import pytest

from mlintern.core.errors import UserError
from mlintern.packs import places, snapshot


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("conf/model", "papers", "mlintern"):
        (tmp_path / "project" / name).mkdir(parents=True)
    monkeypatch.setattr(snapshot, "project", lambda: tmp_path / "project")
    return tmp_path / "project"


def test_below_the_project_all_goes_to_it_and_that_is_said(project, monkeypatch, capsys):
    monkeypatch.chdir(project / "conf" / "model")
    (project / "conf" / "model" / "paper.tex").write_text("x")
    assert places.place("runs") == project / "runs"
    argv = places.enter_project(["paper=paper.tex", "seed=0"])
    assert argv == [f"paper={project}/conf/model/paper.tex", "seed=0"]
    assert places.Path.cwd() == project
    assert f"going on in the project, {project}" in capsys.readouterr().err
    assert places.place("runs") == places.Path("runs")


def test_in_the_project_and_elsewhere_nothing_changes(project, tmp_path, monkeypatch, capsys):
    for folder in (project, tmp_path):
        monkeypatch.chdir(folder)
        assert places.enter_project(["paper=x"]) == ["paper=x"]
        assert places.Path.cwd() == folder
        assert places.place("data") == places.Path("data")
    assert capsys.readouterr().err == ""


def test_another_project_is_not_taken_for_this_one(project, tmp_path, monkeypatch):
    other = tmp_path / "other"
    for name in ("conf", "papers/x", "mlintern"):
        (other / name).mkdir(parents=True)
    monkeypatch.chdir(other / "papers" / "x")
    with pytest.raises(UserError, match=f"{other}: is a project of its own"):
        places.below_project()
