"""Nothing wrong in silence: packs that go wrong each in its way, by the real command, in a project of their own."""

import json
import os
import subprocess

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
LITTER = '''

class Litter(Net):
    """Leaves files beside its checkpoint, without end, once it is trained."""

    def forward(self, x):
        import itertools
        import pathlib

        places = list(pathlib.Path(__file__).parents[4].glob("local_tiny/*/work"))
        for number in itertools.count() if places else ():
            for place in places:
                try:
                    (place / f"f{number}").write_text("x")
                except OSError:
                    pass
        return super().forward(x)
'''
ENDLESS = """

X = 10 ** 10 ** 10
"""
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


@pytest.mark.slow
def test_a_cell_that_leaves_files_without_end_fails_alone(tmp_path):
    project(tmp_path, LITTER, model__plain="_target_: papers.local_tiny.modules.Litter\n")
    said = " ".join(tiny.run(tmp_path, tiny.PAPER, "study.seeds=[0]", code=1).split())
    assert "failed: its code left more than 10,000 files in " in said
    assert [run["variant"] for run in tiny.records(tmp_path).values()] == ["net"] * 3
    assert not list(tmp_path.glob("runs/local_tiny/*/work/*"))


@pytest.mark.slow
def test_a_module_that_computes_for_ever_ends_the_command_in_a_line(tmp_path):
    said = tiny.run(project(tmp_path, ENDLESS), tiny.PAPER, "model=plain", "seed=0", code=2)
    last = " ".join(said.split())
    assert "papers/local_tiny/modules.py:" in last
    assert "is not imported after 60 s of computing" in last


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "room_kib", "code"),
    [
        pytest.param("run.data_dir", 100, 2, id="data"),
        pytest.param("run.report_dir", 60, 2, id="reports"),
        pytest.param("run.report_dir", 12, 2, id="audits of the report"),
        pytest.param("run.dir", 300, 2, id="snapshot"),
        pytest.param("run.dir", 16, 2, id="audits"),
        pytest.param("run.dir", 170, 1, id="cells, each of which says so"),
    ],
)
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, small_disk, key, room_kib, code):
    disk, folder = small_disk(24), project(tmp_path / "project", "")
    argv = (tiny.PAPER, "study.seeds=[0]", "data.source.n=1500", f"{key}={disk}/here")
    if key == "run.dir" and room_kib < 200:  # a snapshot stands there before the disk is full
        tiny.run(folder, tiny.PAPER, "model=plain", "seed=0", f"{key}={disk}/here")
    free = os.statvfs(disk)
    (disk / "filler").write_bytes(b"x" * (free.f_bavail * free.f_frsize - (room_kib << 10)))
    said = tiny.run(folder, *argv, code=code)
    assert "Traceback" not in said
    last = said.rpartition("mlintern: ")[2] if code == 2 else said
    assert "the disk is full; free some space" in " ".join(last.split()), said
    assert not list(disk.rglob("*.tmp"))
    for path in disk.rglob("*.json"):
        json.loads(path.read_text())
    before = tiny.bits(folder)
    (disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    tiny.run(folder, *argv)
    assert before.items() <= tiny.bits(folder).items()
    assert list((disk if key == "run.report_dir" else folder / "reports").rglob("report.json"))
