"""Levels of factors: each changes in the composed configuration what the spec says, and nothing else."""

import pytest

from mlintern.author.draft import planned
from mlintern.author.draft.vetting import levels_that_differ, model_of, one_of_each, settings_that_differ
from mlintern.author.forms import ModelInput
from mlintern.core.roots import PACKS
from mlintern.core.strict_yaml import parse, validate
from mlintern.plan.cell_plan import CellPlan
from mlintern.spec.paper_spec import Factor, Level, Reduction, load_spec, option_name, text_of
from tests import configs

SPEC = load_spec(PACKS / "arxiv_2011_14439" / "spec.yaml")
BASE = {"optimizer": {"lr": 0.1, "m": 1}, "model": {"width": 8}}


def spec(**levels):
    found = [Level(id=name, overrides=overrides) for name, overrides in levels.items()]
    factor = Factor(id="width", description="d", base="w8", levels=found)
    return SPEC.model_copy(update={"ablations": [factor]})


def problems(configs, **levels):
    def compose(overrides):
        return configs.get(overrides[0] if overrides else "", BASE), {"optimizer": "adam"}

    return list(levels_that_differ(compose, spec(**levels)))


def test_a_level_that_does_what_it_says_passes():
    wide = {**BASE, "model": {"width": 16}}
    levels = {"w8": {"model.width": 8}, "w16": {"model.width": 16}}
    assert problems({"ablation=width_w16": wide}, **levels) == []


def test_a_level_that_changes_more_is_named():
    wide = {"optimizer": {"lr": 0.2, "m": 1}, "model": {"width": 16}}
    [problem] = problems({"ablation=width_w16": wide}, w8={"model.width": 8}, w16={"model.width": 16})
    assert problem.startswith("ablation=width_w16: also changes optimizer.lr")


def test_a_level_that_changes_nothing_is_named():
    [problem] = problems({}, w8={"model.width": 8}, w16={"model.width": 16})
    assert "model.width becomes 16, the configuration has 8" in problem


def test_a_base_level_that_is_not_the_default_is_named():
    narrow = {**BASE, "model": {"width": 4}}
    [problem] = problems({"ablation=width_w8": narrow}, w8={"model.width": 4}, w16={})
    assert "this is the base level, but the default configuration has model.width: 8" in problem


@pytest.mark.parametrize(
    ("level", "option"), [("0.1", "dropout_0_1"), ("N=2", "dropout_n_2"), ("none", "dropout_none")]
)
def test_options_are_file_names(level, option):
    assert option_name("dropout", level) == option


def cell(variant="mlp", config=None, **levels):
    at = {"data": "mnist1d", "protocol": "clean", **levels}
    return CellPlan(
        variant, at, 0, config or configs.config(), (f"model={variant}", *(f"{k}={v}" for k, v in at.items()), "seed=0")
    )


def claims(*checks):
    one = SPEC.claims[0]
    return [one.model_copy(update={"id": f"c{i}", "check": check}) for i, check in enumerate(checks)]


def test_a_claim_needs_planned_runs_and_a_measured_metric():
    at = {"data": "mnist1d", "protocol": "clean"}
    found = {"kind": "greater", "metric": "accuracy", "where": at}
    checks = [
        {**found, "a": {"variant": "mlp", "width": "w16"}, "b": {"variant": "mlp"}},
        {**found, "a": {"variant": "mlp", "width": "w32"}, "b": {"variant": "cnn"}},
        {**found, "metric": "bleu", "a": {"variant": "mlp", "width": "w8"}, "b": {"variant": "mlp"}},
        {"kind": "monotone", "metric": "accuracy", "where": at, "a": {"variant": "mlp"}, "factor": "width"},
    ]
    study = spec(w8={}, w16={}, w32={}).model_copy(update={"claims": claims(*checks), "tables": []})
    cells = [cell(), cell(width="w16")]
    assert list(planned.without_runs(study, cells)) == [
        "claim c1: paper.grid has no run of data=mnist1d, protocol=clean, variant=mlp, width=w32; add it",
        "claim c1: paper.grid has no run of data=mnist1d, protocol=clean, variant=cnn; add it",
        "claim c2: the metric 'bleu' is not measured (there are: accuracy, loss); add it to conf/metrics",
        "claim c2: the metric 'bleu' is not measured (there are: accuracy, loss); add it to conf/metrics",
    ]
    assert "it needs more" in list(planned.without_runs(study, cells[:1]))[-1]


def test_a_setting_of_a_combination_is_looked_for_in_its_planned_cells():
    one = next(s for s in SPEC.settings if s.key == "optimizer.lr")
    wanted = one.model_copy(update={"where": {"variant": "mlp", "data": "b"}, "value": 0.5})
    study = SPEC.model_copy(update={"settings": [wanted]})
    cells = [cell(data="a"), cell(data="b")]
    seen = []

    def compose(overrides):
        seen.append(overrides)
        return {"optimizer": {"lr": 0.5 if "data=b" in overrides else 0.1}}, {}

    assert list(settings_that_differ(compose, study, cells)) == []
    assert len(seen) == 1
    wrong = study.model_copy(update={"settings": [wanted.model_copy(update={"value": 0.7})]})
    [problem] = settings_that_differ(compose, wrong, cells)
    assert problem.endswith("the spec gives 0.7, the configuration 0.5")


def test_of_two_settings_of_a_cell_the_closer_one_counts():
    one = next(s for s in SPEC.settings if s.key == "optimizer.lr")
    wide = one.model_copy(update={"where": {"variant": "mlp"}, "value": 0.1})
    close = one.model_copy(update={"where": {"variant": "mlp", "data": "b"}, "value": 0.5})
    cells = [cell(data="a"), cell(data="b")]

    def compose(overrides):
        return {"optimizer": {"lr": 0.5 if "data=b" in overrides else 0.1}}, {}

    def study(*settings):
        return SPEC.model_copy(update={"settings": list(settings)})

    assert list(settings_that_differ(compose, study(wide, close), cells)) == []
    [problem] = settings_that_differ(compose, study(wide), cells)
    assert "(model=mlp data=b protocol=clean): the spec gives 0.1, the configuration 0.5" in problem


def test_a_spec_is_read_back_as_it_was_written():
    free = SPEC.unsaid[0].model_copy(update={"value": None, "key": "trainer.clip_norm", "where": {"variant": "cnn"}})
    whole = spec(w8={"model.width": None}, w16={"model.width": 16})
    whole = whole.model_copy(update={"settings": [*whole.settings, free]})
    assert validate(type(SPEC), parse(text_of(whole, "head"), "spec.yaml"), "spec.yaml") == whole


def test_the_published_model_is_that_of_the_variant_not_of_a_level():
    width = {"key": "model.width", "reduced": 8, "reason": "r"}
    reductions = [
        Reduction(**width, published=64, where={"variant": "mlp"}),
        Reduction(**width, published=512, where={"width": "w16"}),
        Reduction(**width, published=128, where={"variant": "cnn"}),
        # a size of the data that the model takes too, and one whose value the model has by chance or not at all
        Reduction(key="data.source.vocabulary", published=37000, reduced=64, reason="r"),
        Reduction(key="data.source.length", published=50, reduced=12, reason="r"),
    ]
    study = SPEC.model_copy(update={"scale": SPEC.scale.model_copy(update={"reductions": reductions})})
    config = configs.config(model={"_target_": "x.Net", "width": 8, "vocabulary": 64, "length": 5})
    variant = next(v for v in SPEC.variants if v.id == "mlp")
    given = ModelInput(variant="mlp", shape=[4], dtype="float32", high=2)
    assert model_of(variant, config, given, study).published == {"width": 64, "vocabulary": 37000}


def test_levels_of_the_same_name_are_different_combinations():
    cells = [CellPlan("cnn", {factor: "none"}, seed, {}, ()) for factor in ("dropout", "smoothing") for seed in (0, 1)]
    assert one_of_each(cells) == [cells[0], cells[2]]
