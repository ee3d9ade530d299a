"""Sections of a paper as studies of their own: what they plan, what they are judged on, what the main study says."""

import json

import pytest

from mlintern.config import Composer
from mlintern.core.errors import UserError
from mlintern.core.roots import PACKS
from mlintern.plan.grid import sections_of, study_cells
from mlintern.spec.paper_spec import load_spec
from tests.end_to_end.runs import PAPER, SLUG, run


@pytest.fixture(scope="module")
def composer():
    with Composer(SLUG) as composer:
        yield composer


@pytest.fixture(scope="module")
def spec():
    return load_spec(PACKS / SLUG / "spec.yaml")


def test_the_main_study_has_no_cell_of_a_section(composer):
    cells = study_cells(composer, [])
    assert {cell.section for cell in cells} == {""}
    assert {cell.variant for cell in cells} == {"logistic", "mlp", "cnn", "gru"}


def test_a_section_runs_its_own_grid_with_its_own_seeds(composer):
    cells = study_cells(composer, ["study.sections=[double_descent]"])
    assert {cell.section for cell in cells} == {"double_descent"}
    assert len({cell.place for cell in cells}) == 7  # widths
    assert {cell.seed for cell in cells} == {0, 1, 2}
    narrow = next(cell for cell in cells if cell.levels.get("hidden") == "20")
    assert narrow.config.model == {**narrow.config.model, "hidden": 20, "hidden_layers": 1}
    assert {cell.seed for cell in study_cells(composer, ["study.sections=[double_descent]", "study.seeds=[7]"])} == {7}


def test_an_unknown_section_is_named_with_those_there_are(composer):
    with pytest.raises(UserError, match=r"study\.sections=lottery: .*double_descent"):
        study_cells(composer, ["study.sections=[lottery]"])


def test_the_packs_own_checks_hold_in_its_sections(composer, spec):
    from mlintern.author.draft.planned import without_runs
    from mlintern.author.draft.vetting import levels_that_differ, settings_that_differ

    cells = study_cells(composer, [])
    for section in sections_of(cells[0].config):
        cells += study_cells(composer, [f"study.sections=[{section}]"])
    assert list(without_runs(spec, cells)) == []
    assert list(levels_that_differ(composer.compose, spec)) == []
    assert list(settings_that_differ(composer.compose, spec, cells)) == []
    wrong = [s.model_copy(update={"value": 7}) if s.where.get("section") else s for s in spec.settings]
    found = list(settings_that_differ(composer.compose, spec.model_copy(update={"settings": wrong}), cells))
    assert any("trainer.max_steps" in line and "7" in line for line in found)


def test_the_main_study_says_how_a_sections_claims_are_tested(spec):
    main = {claim.id: claim for claim in spec.for_study([]).claims}
    assert not main["dd_peak"].testable
    assert "study.sections=[double_descent]" in main["dd_peak"].not_tested_reason
    assert main["cnn_above_mlp"].testable
    section = spec.for_study(["double_descent"])
    assert {claim.section for claim in section.claims} == {"double_descent"}
    assert list(section.testable_cells()) == []
    assert [s for s in section.settings if s.where.get("section")]
    assert not [s for s in spec.for_study([]).settings if s.where.get("section")]


@pytest.mark.slow
def test_a_section_ends_in_a_report_of_its_own(tmp_path):
    short = ["study.sections=[double_descent]", "study.seeds=[0,1]", "trainer.max_steps=12", "trainer.eval_every=6"]
    out = run(tmp_path, PAPER, *short)
    assert "Deep double descent" in out
    (folder,) = (tmp_path / "reports" / SLUG).glob("with-*")
    report = json.loads((folder / "report.json").read_text())
    assert list(report["paper"]["sections"]) == ["double_descent"]
    assert report["table"] == []
    assert len(report["claims"]) == 4
    assert "not tested" not in {claim["verdict"] for claim in report["claims"]}
    assert all(row["used"] for row in report["runs"])
    assert {row["data"] for row in report["audit"]} == {"mnist1d_noisy"}
    widths = {tuple(point["level"] for point in curve["points"]) for curve in report["level_curves"]}
    assert widths == {(20.0, 35.0, 50.0, 70.0, 100.0, 200.0, 400.0)}
    page = (folder / "report.html").read_text()
    assert "study.sections=[double_descent]" in page.replace("&#39;", "'")
    assert "The paper's table beside ours" not in page.replace("&#39;", "'")
    (folder / "report.json").unlink()
    run(tmp_path, "report", "2011.14439", *short)
    assert json.loads((folder / "report.json").read_text())["claims"] == report["claims"]
