"""The bundled pack's spec: agrees with its configuration, and rests on the paper where the paper is at hand."""

from pathlib import Path

import pytest

from mlintern.author.provenance import load_provenance
from mlintern.claims.forms import NotTestable
from mlintern.claims.parsing import parse_claims
from mlintern.spec.paper_spec import load_spec

ROOT = Path(__file__).resolve().parent.parent
PACK = ROOT / "papers" / "arxiv_2011_14439"
PAPER = ROOT.parent / "shared" / "papers" / "2011.14439" / "main.tex"


@pytest.fixture(scope="module")
def spec():
    return load_spec(PACK / "spec.yaml")


def test_the_eight_measurable_cells_are_table_1s(spec):
    printed = {(c.variant, c.data): (c.printed.mean, c.printed.std, c.printed.n) for _, c in spec.testable_cells()}
    assert printed == {
        ("logistic", "mnist1d"): (32, 1, 3),
        ("mlp", "mnist1d"): (68, 2, 3),
        ("cnn", "mnist1d"): (94, 2, 3),
        ("gru", "mnist1d"): (91, 2, 3),
        ("logistic", "mnist1d_shuffled"): (32, 1, 3),
        ("mlp", "mnist1d_shuffled"): (68, 2, 3),
        ("cnn", "mnist1d_shuffled"): (56, 2, 3),
        ("gru", "mnist1d_shuffled"): (57, 2, 3),
    }
    assert len(list(spec.tables[0].cells)) == 15


def test_claims_are_well_typed_and_name_known_coordinates(spec):
    claims = parse_claims(spec.claims)
    assert sum(not isinstance(claim, NotTestable) for claim in claims) >= 20
    known = {"variant": {v.id for v in spec.variants}, "data": {d.id for d in spec.datasets}}
    known["protocol"] = {"clean"}
    factors = {factor.id: {level.id for level in factor.levels} for factor in spec.ablations}
    for claim in spec.claims:
        if claim.testable:
            for part in ("a", "b", "where"):
                for coordinate, level in claim.check.get(part, {}).items():
                    assert str(level) in {**known, **factors}[coordinate], (claim.id, part)
            named = {**claim.check["a"], **claim.check["where"]}
            assert named.keys() >= {"variant", "data"}, claim.id
            assert claim.section is not None or named["protocol"] == "clean", claim.id


def test_every_setting_is_what_the_pack_composes(spec):
    from mlintern.author.draft.vetting import settings_that_differ
    from mlintern.config import Composer

    spec = spec.for_study([])  # tests/study/test_sections.py has the sections'
    with Composer("arxiv_2011_14439") as composer:
        assert list(settings_that_differ(composer.compose, spec)) == []
        lr = next(i for i, setting in enumerate(spec.settings) if setting.key == "optimizer.lr")
        changed = [s if i != lr else s.model_copy(update={"value": 0.5}) for i, s in enumerate(spec.settings)]
        [problem] = settings_that_differ(composer.compose, spec.model_copy(update={"settings": changed}))
    assert problem == "optimizer.lr (): the spec gives 0.5, the configuration 0.01"


def test_assumptions_say_why_and_what_else(spec):
    assert len(spec.unsaid) >= 10
    assert all(item.locator.probe_range or "Not probed: " in item.note for item in spec.unsaid if item.in_config)
    assert sum(not item.locator.probe_range for item in spec.unsaid if item.in_config) == 5


def test_it_was_authored_and_says_so(spec):
    made = load_provenance(PACK / "provenance.yaml")
    assert made.made_by == "model"
    assert (made.grounding.broken, made.grounding.locators) == (0, len(list(spec.locators())))
    assert len(made.model.requests) >= 4
    assert [file.name for file in made.code.files] == ["CODE_FACTS.md", "data.py", "transform.py"]
    assert sum(setting.source == "code" for setting in spec.settings) >= 20


@pytest.mark.skipif(not PAPER.exists(), reason="the paper's text is not part of the project")
def test_every_locator_holds_in_the_paper(spec):
    from mlintern.author.grounding.ground import reground
    from mlintern.paper.latex.read import read_latex

    document = read_latex(PAPER)
    assert reground(spec, document) == []


@pytest.mark.skipif(not PAPER.exists(), reason="the paper's text is not part of the project")
@pytest.mark.parametrize("name", ["spec.yaml", "provenance.yaml"])
def test_no_sentence_of_the_paper_stands_in_the_pack(name):
    """No run of eight words of the paper, its title and caption labels aside."""
    from mlintern.author.grounding.supports import words_of

    words = words_of(PAPER.read_text())
    runs = {" ".join(words[i : i + 8]) for i in range(len(words))}
    ours = words_of((PACK / name).read_text())
    assert [run for i in range(len(ours)) if (run := " ".join(ours[i : i + 8])) in runs] == []
