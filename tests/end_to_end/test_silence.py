"""Nothing wrong in silence: packs that go wrong each in its way, by the real command, in a project of their own."""

import json

import pytest

from tests.study import tiny

ONE = "    - {model: [plain], data: [blobs]}"
RARE = '''

class Rare(Blobs):
    """A third class, which test alone has."""

    def __call__(self):
        parts = super().__call__()
        parts["test"]["labels"][:7] = 2
        return parts


class Three(Net):
    def __init__(self, residual: bool = True, norm: bool = True):
        super().__init__(residual, norm)
        self.head = nn.Linear(16, 3)
'''
"""What is added to the pack's modules."""


def project(folder, code, **files):
    """The tiny project with more code, and files of conf/ with another text."""
    tiny.project(folder, grid=ONE, code=code)
    for name, text in files.items():
        (folder / "papers" / tiny.SLUG / "conf" / f"{name.replace('__', '/')}.yaml").write_text(text)
    return folder


def data(target):
    return f"name: blobs\nsource:\n  _target_: papers.local_tiny.modules.{target}\npreprocess: null\nview: null\n"


@pytest.mark.slow
def test_a_class_that_only_test_has_is_said_by_command_record_and_report(tmp_path):
    three = "_target_: papers.local_tiny.modules.Three\n"
    project(tmp_path, RARE, data__blobs=data("Rare") + "classes: 3\n", model__plain=three, model__net=three)
    said = tiny.run(tmp_path, tiny.PAPER, "study.seeds=[0]")
    line = "7 of 100 examples of test have labels that no training example has (2): nothing can have learnt them"
    assert " ".join(said.split()).count(line) == 1
    found = {"test": {"labels": [2], "rows": 7, "of": 100}}
    runs = tiny.records(tmp_path).values()  # net and plain are one computation here, and trained once
    assert [run["unseen_labels"] for run in runs] == [found] * 3
    (report,) = tmp_path.glob("reports/**/report.json")
    smells = [s for s in json.loads(report.read_text())["smells"] if s["kind"] == "never_trained_on"]
    assert [(s["where"], s["severity"]) for s in smells] == [("blobs · test", "medium")]


@pytest.mark.slow
def test_a_class_beyond_the_models_outputs_is_refused(tmp_path):
    project(tmp_path, RARE, data__blobs=data("Rare") + "classes: null\n")
    said = tiny.run(tmp_path, tiny.PAPER, "model=plain", "seed=0", code=2)
    assert "the model gives 2 outputs an example" in " ".join(said.split())
