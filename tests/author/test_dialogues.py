"""Authorings of real papers, replayed as they were played: what they found, and that nothing was made up.

The papers' texts are no part of this repository; without them beside it (../shared/papers) these tests are skipped, and
only the dialogues' own form is checked.
"""

import re

import pytest

from mlintern.author.asking.rendering import paper_block
from mlintern.author.grounding.ground import Ungrounded, cell_place
from mlintern.author.grounding.supports import why_not
from mlintern.author.provenance import load_provenance
from mlintern.core.errors import NothingToTrain
from mlintern.paper.read import read
from mlintern.spec.paper_spec import load_spec
from tests.author.coverage_of import EXPECTED, beyond, expected, missed
from tests.author.dialogues import FOLDER, PAPERS, replay

KEPT = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())
AUTHORED = [paper for paper in KEPT if any((FOLDER / paper).glob("write-*.json"))]
CHECKED = sorted(path.stem for path in EXPECTED.glob("*.yaml"))
LONGEST_RUN = 12  # words, half of them longer than a symbol: more of a paper in one piece is a sentence of it

has_papers = pytest.mark.skipif(PAPERS is None, reason="the shared papers are not beside the repository")


@has_papers
@pytest.mark.parametrize("paper", KEPT)
def test_a_kept_dialogue_holds_no_sentence_of_its_paper(paper):
    source = re.findall(r"\w+", paper_block(read(PAPERS / paper / "main.tex")).text)
    known = {tuple(source[i : i + LONGEST_RUN]) for i in range(len(source) - LONGEST_RUN)}
    for path in (FOLDER / paper).iterdir():
        words = re.findall(r"\w+", path.read_text().replace("\\n", " "))
        runs = (tuple(words[i : i + LONGEST_RUN]) for i in range(len(words) - LONGEST_RUN))
        found = [run for run in runs if run in known and sum(len(word) > 2 for word in run) > LONGEST_RUN // 2]
        assert found == [], path.name


@has_papers
def test_a_paper_without_training_ends_with_a_clear_word_and_no_pack(tmp_path):
    one, provider = replay("2407.01082", tmp_path)
    with pytest.raises(NothingToTrain, match=r"2407\.01082v1: nothing to train: .*No model is trained") as caught:
        one.run()
    assert caught.value.exit_code == 3
    assert [request.stage for request in provider.asked] == ["outline"]
    assert not (tmp_path / "papers").exists()


@has_papers
@pytest.mark.parametrize("paper", AUTHORED)
def test_an_authoring_is_replayed_to_its_pack(paper, tmp_path):
    one, provider = replay(paper, tmp_path)
    done = one.run()
    assert provider.waiting == []  # every recorded answer was used, wrong turns included
    assert load_spec(done.pack / "spec.yaml") == done.spec
    made = load_provenance(done.pack / "provenance.yaml")
    assert made.made_by == "model"
    assert made.grounding.broken == 0
    assert made.model.requests == [request.sha256() for request in provider.asked]
    if paper in CHECKED:
        lacking, total = missed(done.spec, one.document, paper)
        assert len(lacking) <= 0.05 * total, lacking
        assert beyond(done.spec, paper) == expected(paper).get("also", [])  # read by hand, one by one
    assert done.spec.unsaid
    assert any(claim.testable for claim in done.spec.claims)


@has_papers
@pytest.mark.parametrize("paper", CHECKED)
def test_a_checked_list_holds_only_what_its_paper_has(paper):
    document, facts = read(PAPERS / paper / "main.tex"), expected(paper)
    assert [fact for fact in facts["settings"] if why_not(document.text, fact["value"])] == []
    places = [(name, *cell) for name, cells in facts["cells"].items() for cell in cells]
    assert [place for place in places if isinstance(cell_place(document, *place), Ungrounded)] == []
