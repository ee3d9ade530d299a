"""Alternatives that cannot be composed or trained leave the spec, with the reason in its note."""

import shutil

import pytest

from mlintern.author.draft.alternatives import without_dead
from mlintern.author.provenance import load_provenance
from mlintern.core.roots import PACKS
from mlintern.spec.paper_spec import load_spec, text_of
from tests.author.scripted import Scripted
from tests.author.test_authoring import answers, authoring

SLUG = "arxiv_2011_14439"
CLEAN = {"protocol": "clean"}


def test_what_does_not_train_is_taken_out(tmp_path):
    pack = tmp_path / "project" / "papers" / SLUG
    shutil.copytree(PACKS / SLUG, pack, ignore=shutil.ignore_patterns("__pycache__", "composed.yaml"))
    spec = load_spec(pack / "spec.yaml")
    wanted = {
        "optimizer.eps": [1e-7],  # trains
        "loss": ["mse", "nix"],  # does not fit class indices; is no option
        "trainer.clip_norm": [-1.0, 1.0],  # out of range; trains
        "protocol.fit_on": [["train", "test"], ["train", "valid"]],  # leaks, and would be refused; trains
    }

    def asked(setting):
        locator = setting.locator.model_copy(update={"probe_range": wanted[setting.key]})
        return setting.model_copy(update={"locator": locator, "note": None})

    spec = spec.model_copy(
        update={
            "settings": [
                asked(s) for s in spec.settings if s.key in wanted and s.source == "assumed" and s.where in ({}, CLEAN)
            ]
        }
    )
    pruned, lines = without_dead(pack, spec)
    left = {setting.key: setting.locator.probe_range for setting in pruned.settings}
    assert left == {
        "optimizer.eps": [1e-7], "loss": [], "trainer.clip_norm": [1.0], "protocol.fit_on": [["train", "valid"]]
    }  # fmt: skip
    assert [line.split(" does not train here")[0] for line in lines] == [
        "loss=mse", "loss=nix", "trainer.clip_norm=-1.0", "protocol.fit_on=['train', 'test']"
    ]  # fmt: skip
    assert "training would be refused: preprocessing_scope" in lines[-1]
    [loss] = [setting for setting in pruned.settings if setting.key == "loss"]
    assert loss.note.startswith("Not tried: loss=mse does not train here: ")
    (tmp_path / "spec.yaml").write_text(text_of(pruned, "read back"))
    assert load_spec(tmp_path / "spec.yaml") == pruned


def test_a_leak_is_laid_at_its_own_value_when_no_other_cell_was_audited_before(tmp_path):
    pack = tmp_path / "project" / "papers" / SLUG
    shutil.copytree(PACKS / SLUG, pack, ignore=shutil.ignore_patterns("__pycache__", "composed.yaml"))
    spec = load_spec(pack / "spec.yaml")
    [one] = [s for s in spec.unsaid if s.key == "protocol.fit_on" and s.where == CLEAN]
    locator = one.locator.model_copy(update={"probe_range": [["train", "test"]]})
    alone = spec.model_copy(update={"settings": [one.model_copy(update={"locator": locator, "note": None})]})
    pruned, lines = without_dead(pack, alone)
    assert pruned.settings[0].locator.probe_range == []
    assert len(lines) == 1


def test_an_authoring_says_what_it_took_out(tmp_path):
    def prune(draft, spec):
        return spec, ["loss=mse does not train here: no"]

    done = authoring(tmp_path, Scripted(**answers()), prune=prune).run()
    notes = load_provenance(done.pack / "provenance.yaml").notes
    assert "Alternative, taken out: loss=mse does not train here: no" in notes


@pytest.mark.parametrize("note", [None, ""])
def test_an_assumption_without_alternatives_needs_a_reason(note):
    spec = load_spec(PACKS / SLUG / "spec.yaml")
    one = next(setting for setting in spec.unsaid if setting.in_config)
    value = {**one.model_dump(), "locator": {"reason": "r", "probe_range": []}, "note": note}
    with pytest.raises(ValueError, match=r"probe_range is empty|at least 1 character"):
        type(one).model_validate(value)
