"""What a pack sets and no setting names is an assumption of the spec."""

import shutil

import pytest

from mlintern.author.grounding.ledger import values_near, with_unlisted
from mlintern.core.roots import PACKS
from mlintern.spec.paper_spec import load_spec

SLUG = "arxiv_2011_14439"


@pytest.fixture
def draft(tmp_path):
    pack = tmp_path / "papers" / SLUG
    shutil.copytree(PACKS / SLUG, pack, ignore=shutil.ignore_patterns("__pycache__"))
    return pack


def added(draft, spec=None):
    spec = spec or load_spec(draft / "spec.yaml")
    found = with_unlisted(draft, spec)
    assert found.settings[: len(spec.settings)] == spec.settings
    return {(s.key, *s.where.items()): (s.value, s.locator.probe_range) for s in found.settings[len(spec.settings) :]}


def test_the_bundled_ledger_is_whole(draft):
    assert added(draft) == {}
    spec = load_spec(draft / "spec.yaml")
    assert {s.key for s in spec.unsaid} >= {"data.label_noise.parts", "data.label_noise.seed"}


@pytest.mark.parametrize(
    ("file", "text", "key", "expected"),
    [
        ("conf/data/mnist1d.yaml", "\nholds: {back: 8}\n", ("data.holds.back", ("data", "mnist1d")), (8, [4, 16])),
        ("conf/model/cnn.yaml", "\ndropout: 0.5\n", ("model.dropout", ("variant", "cnn")), (0.5, [0.25, 1.0])),
        ("conf/model/cnn.yaml", "\nnorm: batch\n", ("model.norm", ("variant", "cnn")), ("batch", [])),
        (f"conf/paper/{SLUG}.yaml", "\nscheduler: {warmup_steps: 90}\n", ("scheduler.warmup_steps",), (90, [45, 180])),
        (f"conf/paper/{SLUG}.yaml", "\ndata: {seeds_seed: 0}\n", ("data.seeds_seed",), (0, [1])),
    ],
)
def test_a_value_that_nobody_named_is_added_where_it_holds(draft, file, text, key, expected):
    with (draft / file).open("a") as out:
        out.write(text)
    assert added(draft) == {key: expected}
    (draft / "conf/data/elsewhere.yaml").write_text("name: elsewhere\nholds: 3\n")  # no dataset of the spec
    assert added(draft) == {key: expected}


def test_what_is_named_in_any_way_is_not_added(draft):
    spec = load_spec(draft / "spec.yaml")
    fewer = spec.model_copy(update={"settings": [s for s in spec.settings if s.key != "model.hidden"]})
    assert ("model.hidden", ("variant", "gru")) not in added(draft, fewer)  # a factor's levels name it
    fewer = spec.model_copy(update={"settings": [s for s in spec.settings if s.key != "trainer.order"]})
    assert added(draft, fewer) == {("trainer.order",): ("fixed", [])}


@pytest.mark.parametrize(
    ("key", "value", "near"),
    [("a.b", True, [False]), ("a.seed", 0, [1]), ("a.b", 1, []), ("a.b", 8, [4, 16]), ("a.b", 0.0, []),
     ("a.b", 0.5, [0.25, 1.0]), ("a.b", "word", []), ("a.b", [1, 2], [])],
)  # fmt: skip
def test_values_near_a_value(key, value, near):
    assert values_near(key, value) == near
