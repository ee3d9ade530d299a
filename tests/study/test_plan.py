"""Cells of a pack with two ablation factors: blocks of the grid, levels, and what an ablation changes."""

import pytest

from mlintern.config import Composer
from mlintern.core import roots
from mlintern.core.errors import UserError
from mlintern.plan import cell_plan
from mlintern.plan.grid import factors_of, named_cell, study_cells
from mlintern.report.commands import reproduce
from mlintern.study.sweeps.sweep import combinations
from tests.study import tiny


@pytest.fixture
def cells_of(tmp_path, monkeypatch):
    """A function from a grid (and claims) of the tiny pack, and overrides, to the study's cells."""

    def make(grid=tiny.BASE_GRID, claims=None, overrides=()):
        folder = tmp_path / "project"
        tiny.write_pack(folder, grid, claims)
        monkeypatch.setattr(roots, "PACKS", folder / "papers")
        cell_plan.read_spec.cache_clear()
        factors_of.cache_clear()
        with Composer(tiny.SLUG) as composer:
            return study_cells(composer, list(overrides))

    yield make
    cell_plan.read_spec.cache_clear()
    factors_of.cache_clear()


def places(cells):
    return list(dict.fromkeys(cell.place for cell in cells))


def test_one_at_a_time_by_default_with_every_seed(cells_of):
    cells = cells_of()
    assert places(cells) == [
        "net · blobs · clean",
        "plain · blobs · clean",
        "net · blobs · clean · residual=none",
        "net · blobs · clean · norm=none",
    ]
    assert [cell.seed for cell in cells] == [0, 1] * 4
    by_place = {cell.place: cell.config.model for cell in cells}
    assert by_place["net · blobs · clean · residual=none"]["residual"] is False
    assert "norm" not in by_place["net · blobs · clean · residual=none"]
    assert by_place["net · blobs · clean · norm=none"]["norm"] is False


def test_a_full_grid_has_the_interaction_and_both_changes(cells_of):
    cells = cells_of("    - {model: [net], data: [blobs], factors: [residual, norm], design: full}")
    assert len(places(cells)) == 4
    both = next(cell for cell in cells if cell.levels.get("norm") == cell.levels.get("residual") == "none")
    assert (both.config.model["norm"], both.config.model["residual"]) == (False, False)
    assert "ablation=[residual_none,norm_none]" in both.overrides
    command = reproduce("local_tiny", both.variant, dict(both.levels), 0, both.overrides, [])
    assert "'ablation=[residual_none,norm_none]'" in command


def test_an_interaction_that_the_paper_claims_is_run(cells_of):
    claim = {
        "id": "both",
        "check": {"kind": "greater", "metric": "accuracy", "a": {}, "b": {"residual": "none", "norm": "none"}},
    }
    assert len(places(cells_of(claims=[claim]))) == 5


def test_factors_that_no_block_names_follow_study_design(cells_of):
    grid = "    - {model: [net], data: [blobs]}"
    assert len(places(cells_of(grid))) == 3
    assert len(places(cells_of(grid, overrides=["study.design=full"]))) == 4
    assert len(places(cells_of(grid, overrides=["study.design=none"]))) == 1


def test_a_level_changes_what_the_paper_sets(cells_of, tmp_path):
    cells_of()
    option = tmp_path / "project" / "papers" / tiny.SLUG / "conf" / "ablation" / "slow.yaml"
    option.write_text("# @package _global_\noptimizer:\n  lr: 0.5\n")
    with Composer(tiny.SLUG) as composer:
        cell = named_cell(composer, ["ablation=slow"])
    assert cell.config.optimizer["lr"] == 0.5  # and not the paper's 0.01
    assert cell.levels["ablation"] == "slow"


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        ("    - {model: [net], data: [blobs], factors: [depth]}", "'depth' is not a factor of"),
        ("    - {model: [net], data: [blobs], factors: [norm], ablation: [norm_none]}", "either factors"),
        ("    - {model: [net], data: [blobs], seeds: [1]}", "a block may name"),
        ("    - {model: [net]}", "must name model and data"),
    ],
)
def test_a_wrong_block_is_named(cells_of, grid, says):
    with pytest.raises(UserError, match=says):
        cells_of(grid)


def test_a_missing_option_names_its_file(cells_of, tmp_path, monkeypatch):
    cells_of()
    (tmp_path / "project" / "papers" / tiny.SLUG / "conf" / "ablation" / "norm_none.yaml").unlink()
    with Composer(tiny.SLUG) as composer, pytest.raises(UserError, match=r"conf/ablation/norm_none\.yaml: missing"):
        study_cells(composer, [])


def test_combinations_are_what_hydra_would_run():
    found = combinations(["paper=local_tiny", "ablation=residual_none,norm_none", "seed=range(3)", "+x=1"])
    assert len(found) == 6
    assert found[1] == ["ablation=residual_none", "seed=1", "+x=1"]
    assert combinations(["ablation=[a,b]"]) == [["ablation=[a,b]"]]
    with pytest.raises(UserError, match="hydra/sweeper=optuna"):
        combinations(["optimizer.lr=interval(1e-4,1e-1)"])


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        ("    7", "paper.grid=7: must be a list of blocks"),
        ("    [net]", "paper.grid=['net']: must be a list of blocks"),
        ("    - {model: net, data: [blobs]}", "paper.grid: model=net: must be a list of options, like [net]"),
        ("    - {model: [net], data: {blobs: 1}}", "paper.grid: data={'blobs': 1}: must be a list"),
    ],
)
def test_a_grid_of_another_shape_is_one_line(cells_of, grid, says):
    with pytest.raises(UserError) as refused:
        cells_of(grid)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("++paper.seeds=3", "paper.seeds=3: must be a list of whole numbers"),
        ("+paper.sections=[a]", "paper.sections: must be a mapping"),
        ("+data.preproces=null", "data.preproces: no such key; did you mean data.preprocess?"),
        ("+data.sources={}", "data.sources: no such key; did you mean data.source?"),
    ],
)
def test_seeds_sections_and_data_of_another_shape_are_one_line(cells_of, said, says):
    with pytest.raises(UserError) as refused:
        cells_of(overrides=[said])
    assert says in str(refused.value)


@pytest.mark.parametrize("chosen", ["model=[net,plain]", "data=[blobs]", "protocol=[clean,last]"])
def test_a_list_of_options_is_no_cell(chosen):
    """Hydra lays the second over the first, and the cell would be called after neither."""
    with pytest.raises(UserError, match=f"a cell has one option of {chosen.partition('=')[0]}; for several cells give"):
        named_cell(None, [chosen])
