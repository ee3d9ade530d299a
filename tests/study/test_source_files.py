"""Files that data are made from: in the project, or where the user allows; only the preparing job sees them."""

import numpy as np
import pytest

from mlintern.core.errors import UserError
from mlintern.packs import snapshot
from mlintern.sandbox import policy
from mlintern.study.folders.source_files import source_files
from tests import configs
from tests.sandbox.layers import capabilities
from tests.study import tiny


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "project", lambda: tmp_path / "project")
    for name in ("tables/a.csv", "papers/local_x/b.csv", "papers/local_y/c.csv", ".env", "runs/local_y/d.csv"):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "outside.csv").touch()
    (tmp_path / "project" / "tables" / "link.csv").symlink_to("../../outside.csv")
    return tmp_path / "project"


def of(project, path, allowed=()):
    source = {"_target_": "mlintern.data.sources.Tables", "files": {"train": path}, "label": "y"}
    return source_files(configs.config(data={"source": source}), project / "papers" / "local_x", allowed)


def test_files_of_the_project_are_read_and_the_packs_own_are_seen_anyway(project):
    assert of(project, "tables/a.csv") == [project / "tables" / "a.csv"]
    assert of(project, str(project / "tables" / "a.csv")) == [project / "tables" / "a.csv"]
    assert of(project, "papers/local_x/b.csv") == []
    assert of(project, "tables/missing.csv") == []  # the source says so


@pytest.mark.parametrize(
    "path", ["../outside.csv", "tables/link.csv", "papers/local_y/c.csv", ".env", "runs/local_y/d.csv", "."]
)
def test_other_files_are_refused_by_key(project, path):
    with pytest.raises(UserError, match=r"data\.source\.files\.train=.*inside the project alone"):
        of(project, path)


def test_the_users_settings_allow_a_folder(project, tmp_path, monkeypatch):
    settings = tmp_path / "settings" / "mlintern" / "config.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"sandbox:\n  reads: ['{tmp_path}']\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    allowed = policy.from_settings().reads
    assert of(project, "../outside.csv", allowed) == [tmp_path / "outside.csv"]
    settings.write_text("sandbox:\n  reads: data\n")
    with pytest.raises(UserError, match=r"sandbox\.reads: write a list"):
        policy.from_settings()


@pytest.mark.skipif(not capabilities(), reason="this host offers no sandbox")
def test_data_are_made_from_a_file_beside_the_project(tmp_path):
    folder = tiny.project(tmp_path, grid="    - {model: [plain], data: [blobs]}\n")
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, 300)
    x = (draw.normal(size=(300, 8)) + y[:, None]).astype(np.float32)
    (folder / "tables").mkdir()
    np.savez(folder / "tables" / "d.npz", x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    conf = folder / "papers" / tiny.SLUG / "conf" / "data" / "blobs.yaml"
    conf.write_text(
        "name: blobs\nsource: {_target_: mlintern.data.sources.Npz, path: tables/d.npz}\n"
        "preprocess: null\nview: null\nclasses: 2\n"
    )
    tiny.run(folder, tiny.PAPER, "model=plain", "data=blobs", "seed=0")
    (record,) = tiny.records(folder).values()
    assert record["sandbox"]["backend"] in ("bwrap", "unshare")
    assert record["status"] == "finished"
