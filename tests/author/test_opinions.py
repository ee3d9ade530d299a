"""A model looks at the paper's own figures: what it is shown, what it says, and that this stays an opinion."""

import json

import pytest

from mlintern.author import opinions
from mlintern.author.command import read_with_figures
from mlintern.commands.opinions import main
from mlintern.core.errors import UserError
from mlintern.core.roots import PACKS, ROOT
from mlintern.paper.ids import PaperId
from mlintern.report.opinions import OPINIONS_FILE, with_opinions
from mlintern.spec.paper_spec import load_spec
from tests.author.messages_server import Reply, Server
from tests.report import fake_runs
from tests.study.test_analyse import study

SLUG = "local_lesion_attention"
PAPER = ROOT / "examples" / "lesion_attention.tex"
LOOK = {"claim": "attends_to_the_lesion", "seen": "Red on the lesion in six chosen images.", "verdict": "cannot tell"}


@pytest.fixture
def spec():
    return load_spec(PACKS / SLUG / "spec.yaml")


@pytest.fixture
def document(tmp_path):
    return read_with_figures(PaperId.parse(str(PAPER)), {}, tmp_path)


def look(tmp_path, monkeypatch, server):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key-for-tests")
    where = ["--runs", str(tmp_path / "runs"), "--reports", str(tmp_path / "reports"), "--source", str(PAPER)]
    return main([SLUG, *where, f"llm.base_url={server.url}", "llm.budget_usd=1"])


def test_the_model_sees_the_figure_and_its_word_is_kept_apart(tmp_path, monkeypatch, capsys):
    bad = Reply(json.dumps({"claims": [{**LOOK, "claim": "another"}]}))
    with Server([bad, Reply(json.dumps({"claims": [LOOK]}))]) as server:
        assert look(tmp_path, monkeypatch, server) == 0
        assert len(server.requests) == 2  # an answer about another claim is asked for again
        assert look(tmp_path, monkeypatch, server) == 0
        assert len(server.requests) == 2  # and one that was given is not paid for twice
    blocks = server.requests[0]["messages"][0]["content"]
    assert [block["type"] for block in blocks].count("image") == 1
    asked = " ".join(block.get("text", "") for block in blocks)
    assert "attends to the lesion" in asked and "Attention of the class token" in asked
    assert "97.0" not in asked  # the figure is looked at, not the results
    kept = json.loads((tmp_path / "runs" / SLUG / OPINIONS_FILE).read_text())
    assert kept["attends_to_the_lesion"]["verdict"] == "cannot tell"
    assert kept["attends_to_the_lesion"]["figure"] == "figure 1"
    assert "cannot tell (opinion of" in capsys.readouterr().out


def test_a_figure_is_found_by_name_or_by_the_words_around_the_claim(spec, document):
    [named] = opinions.figures_of(spec, document)
    assert [claim.id for claim in named.claims] == ["attends_to_the_lesion"]
    unnamed = spec.model_copy(update={"claims": [c.model_copy(update={"figure": None}) for c in spec.claims]})
    [found] = opinions.figures_of(unnamed, document)
    assert [claim.id for claim in found.claims] == ["attends_to_the_lesion"]  # the sentence before speaks of Figure 1
    other = spec.model_copy(update={"claims": [c.model_copy(update={"figure": "fig:other"}) for c in spec.claims]})
    assert opinions.figures_of(other, document) == []


def test_an_opinion_moves_no_verdict(tmp_path):
    report = study(fake_runs.runs())
    claim = report.claims[0]
    (tmp_path / OPINIONS_FILE).write_text(
        json.dumps(
            {
                claim.id: {
                    "verdict": "shows otherwise",
                    "seen": "s",
                    "figure": "figure 2",
                    "model": "m",
                    "prompt_sha256": "0",
                }
            }
        )
    )
    seen = with_opinions(report, tmp_path)
    assert seen.claims[0].opinion.verdict == "shows otherwise"
    assert seen.claims[0].verdict == claim.verdict
    assert seen.headline == report.headline
    assert with_opinions(report, tmp_path / "elsewhere") == report


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / OPINIONS_FILE).write_text('{"a": {"verdict": "surely"}}')
    with pytest.raises(UserError, match=r"opinions\.json: a\..*delete it"):
        with_opinions(study(fake_runs.runs()), tmp_path)
