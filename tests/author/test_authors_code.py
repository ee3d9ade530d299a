"""The authors' code beside the paper: what it states is `source: code`, with the file's own words as proof."""

import copy

import pytest

from mlintern.author.grounding.authors_code import AuthorsCode
from mlintern.author.grounding.ground import Ungrounded
from mlintern.author.provenance import load_provenance
from mlintern.core.errors import UserError
from mlintern.spec.paper_spec import load_spec
from mlintern.spec.sourced import CodeSetting
from tests.author.scripted import EXTRACTION, Scripted, setting
from tests.author.test_authoring import answers, authoring, changed
from tests.author.test_complaints import pair, said

TRAIN = """def train(model):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2,
                                 weight_decay=0)
    loader = DataLoader(data, batch_size=100, shuffle=False)
    gru = nn.GRU(1, 6, bidirectional=True)
    args = {'padding': [36,60], 'scale_coeff': .4}
    # 5,210 parameters
"""


def code(**files):
    return AuthorsCode("https://example.org/repo", files or {"train.py": TRAIN}, commit="abc")


@pytest.mark.parametrize(
    ("key", "value", "quote", "line"),
    [
        ("optimizer", "adam", "torch.optim.Adam(model.parameters()", 2),
        ("optimizer.lr", 0.01, "lr=1e-2", 2),
        ("optimizer.weight_decay", 0, "lr=1e-2, weight_decay=0", 2),  # over a line's end
        ("trainer.batch_size", 100, "batch_size=100", 4),
        ("model.bidirectional", True, "nn.GRU(1, 6, bidirectional=True)", 5),
        ("trainer.shuffle", False, "shuffle=False", 4),
        ("data.source.padding", [36, 60], "'padding': [36,60]", 6),
        ("data.source.scale_coeff", 0.4, "'scale_coeff': .4", 6),
        ("parameters", 5210, "5,210 parameters", 7),
    ],
)
def test_what_the_code_says_is_found_with_its_line(key, value, quote, line):
    place = code().place("train.py", quote, value, key)
    assert not isinstance(place, Ungrounded), place.reason
    assert (place.file, place.line, place.repository, place.commit) == (
        "train.py", line, "https://example.org/repo", "abc")  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "quote", "why"),
    [
        ("optimizer.lr", 0.1, "lr=1e-2", "does not hold the value 0.1"),
        ("optimizer.lr", 0.1, "lr=1e-1", "does not stand in train.py"),
        ("optimizer.lr", 100, "batch_size=100", "does not speak of lr"),
        ("trainer.shuffle", True, "shuffle=False", "has it False"),
        ("model.dropout", False, "shuffle=False", "does not name"),
        ("optimizer.lr", 0.01, "", "has 0 characters"),
    ],
)
def test_what_it_does_not_say_is_not(key, value, quote, why):
    place = code().place("train.py", quote, value, key)
    assert isinstance(place, Ungrounded)
    assert place.reason and why in place.reason
    assert "no file 'model.py'; it has train.py" in code().place("model.py", quote, value, key).reason


def test_files_and_folders_are_read_and_named(tmp_path):
    (tmp_path / "repo/src").mkdir(parents=True)
    (tmp_path / "repo/src/train.py").write_text(TRAIN)
    (tmp_path / "repo/weights.bin").write_bytes(b"\xff\xfe")
    (tmp_path / "repo/.git").mkdir()
    (tmp_path / "repo/.git/config.txt").write_text("x")
    given = {"files": [str(tmp_path / "repo")], "repository": "https://example.org/repo"}
    assert dict(AuthorsCode.from_mapping(given).files) == {"src/train.py": TRAIN}
    one = AuthorsCode.from_mapping({**given, "files": str(tmp_path / "repo/src/train.py"), "commit": 12})
    assert (list(one.files), one.commit) == (["train.py"], "12")
    assert AuthorsCode.from_mapping({}) is None


@pytest.mark.parametrize(
    ("given", "said_of_it"),
    [
        ({"file": ["x"]}, "code.file is not a setting; there are files, repository, commit"),
        ({"files": ["train.py"]}, "code.repository: say where"),
        ({"files": ["none.py"], "repository": "r"}, "no file or folder none.py"),
        ({"files": ["empty"], "repository": "r"}, "empty holds no text file"),
        ({"files": ["blob.py"], "repository": "r"}, "blob.py cannot be read as text"),
        ({"files": ["long.py"], "repository": "r"}, "more than 400,000"),
        ({"files": ["a/train.py", "b/train.py"], "repository": "r"}, "two files are called train.py"),
    ],
)
def test_what_cannot_be_given_is_said(given, said_of_it, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "a", "b"):
        (tmp_path / folder).mkdir()
    for name in ("train.py", "a/train.py", "b/train.py"):
        (tmp_path / name).write_text(TRAIN)
    (tmp_path / "blob.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "long.py").write_text("x" * 400_001)
    with pytest.raises(UserError) as caught:
        AuthorsCode.from_mapping(given)
    assert said_of_it in str(caught.value)


def extraction():
    found = copy.deepcopy(EXTRACTION)
    found["settings"] += [
        setting("trainer.order", "fixed", "shuffle=False", code_file="train.py"),  # no word of it: an assumption
        setting("trainer.eval_every", "100", "batch_size=100", code_file="train.py", where=[pair("data", "toy")]),
        setting("scheduler.warmup_steps", "36", "'padding': [36,60]", code_file="train.py"),  # speaks of no warm-up
    ]
    found["variants"][1] |= {
        "parameters": 5210,
        "parameters_quote": "5,210 parameters",
        "parameters_code_file": "train.py",
    }
    return found


def test_a_pack_keeps_what_is_the_codes_and_what_is_not(tmp_path):
    provider = Scripted(**answers(extract=extraction()))
    done = authoring(tmp_path, provider, code=code()).run()
    assert all("<authors_code>\n== train.py" in request.blocks[0].text for request in provider.asked)
    spec = load_spec(done.pack / "spec.yaml")
    found = {s.key: s for s in spec.settings}
    stated = found["trainer.eval_every"]
    assert isinstance(stated, CodeSetting) and (stated.locator.line, stated.note) == (4, "usual")
    assert found["trainer.order"].source == found["scheduler.warmup_steps"].source == "assumed"
    assert "stated by the authors' code" in found["scheduler.warmup_steps"].locator.reason
    assert spec.variants[1].parameters.source == "code"
    made = load_provenance(done.pack / "provenance.yaml")
    assert made.code.model_dump() == {
        "repository": "https://example.org/repo", "commit": "abc",
        "files": [{"name": "train.py", "sha256": code().hashes()["train.py"]}]}  # fmt: skip
    assert set(done.assumed) >= {"trainer.order", "scheduler.warmup_steps"}


def test_a_critique_may_rest_on_the_codes_words(tmp_path):
    point = {"component": "order", "code": "reshuffled", "verdict": "differs", "fix": "trainer.order: fixed"}
    fine = {"components": []}
    critiques = [{"components": [{**point, "quote": "shuffle=False"}]}, fine]
    one = authoring(tmp_path, Scripted(**answers(critique=critiques)), code=code())
    one.run()
    assert one.asker.provider.stages().count("repair") == 1
    alone = authoring(tmp_path / "alone", Scripted(**answers(critique=critiques)))
    alone.run()
    assert "repair" not in alone.asker.provider.stages()  # nobody's words: a doubt


def test_a_file_that_was_not_given_is_said():
    lacking = setting("optimizer.lr", "0.01", "lr=1e-2", code_file="train.py")
    assert "the authors' code has no file 'train.py'; it has not been given" in said(settings=[lacking])


def test_sections_and_factors_name_what_there_is():
    section = {"id": "curve", "title": "A curve"}
    claim = {**EXTRACTION["claims"][0], "section": "curve"}
    assert "section 'curve' is not one of none" in said(claims=[claim])
    own = setting("trainer.max_steps", "7", where=[pair("section", "curve")])
    settings = [*EXTRACTION["settings"], own]
    assert said(claims=[claim], sections=[section], settings=settings) == ""
    assert "names the coordinate 'section'" in said(settings=settings)
    levels = [
        {"id": i, "overrides": [pair("model.width", i)], "quote": None, "table": None, "row": None, "column": None}
        for i in "12"
    ]
    factor = {"id": "width", "description": "d", "base": "1", "levels": levels, "where": [pair("variant", "mlp")]}
    assert said(ablations=[factor]) == ""
    bad = {**factor, "where": [pair("variant", "vit")]}
    assert "factor width: where: variant 'vit' is no variant" in said(ablations=[bad])


def test_a_section_stands_in_the_spec(tmp_path):
    found = copy.deepcopy(EXTRACTION)
    found["sections"] = [{"id": "curve", "title": "A curve"}]
    found["claims"][0] |= {"section": "curve"}
    done = authoring(tmp_path, Scripted(**answers(extract=changed(found)))).run()
    spec = load_spec(done.pack / "spec.yaml")
    assert [(s.id, s.title) for s in spec.sections] == [("curve", "A curve")]
    assert spec.claims[0].section == "curve"
