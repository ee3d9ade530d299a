"""What a pack's hashes hold, and which of its code something depends on."""

import os

import pytest

from mlintern.core.errors import UserError
from mlintern.core.roots import PACKS
from mlintern.packs.pack import Pack

TARGET = {"_target_": "papers.local_x.modules.data.Blobs"}


@pytest.fixture
def folder(tmp_path):
    """A pack whose data and whose net are modules of their own; the data use a helper."""
    folder = tmp_path / "papers" / "local_x"
    texts = {
        "spec.yaml": "a: 1\n",
        "conf/paper/local_x.yaml": "a: 1\n",
        "modules/__init__.py": "",
        "modules/data.py": "from papers.local_x.modules.draws import draw\n",
        "modules/draws.py": "import numpy as np\n",
        "modules/net.py": "from torch import nn\nfrom . import layers\n",
        "modules/layers.py": "from torch import nn\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def pack(folder):
    return Pack(folder.name, folder.parent)


def change(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a") as file:
        file.write("# changed\n")


@pytest.mark.parametrize("name", ["modules/data.py", "modules/draws.py", "modules/__init__.py", "__init__.py"])
def test_data_depend_on_what_their_module_imports(folder, name):
    before = pack(folder).code_for(TARGET)
    change(folder, name)
    assert pack(folder).code_for(TARGET) != before


@pytest.mark.parametrize("name", ["modules/net.py", "modules/layers.py", "spec.yaml", "conf/paper/local_x.yaml"])
def test_and_on_nothing_else(folder, name):
    before = pack(folder).code_for(TARGET)
    change(folder, name)
    assert before
    assert pack(folder).code_for(TARGET) == before


def test_a_relative_import_is_followed(folder):
    net = {"model": {"_target_": "papers.local_x.modules.net.Net"}}
    before = pack(folder).code_for(net)
    change(folder, "modules/draws.py")
    assert pack(folder).code_for(net) == before
    change(folder, "modules/layers.py")
    assert pack(folder).code_for(net) != before


@pytest.mark.parametrize(
    "code",
    [
        "import importlib\n",
        "x = __import__('papers.local_x.modules.net')\n",
        "from sys import modules\n",
        "x = open('modules/net.py').read()\n",
        "import papers.local_x\n",
        "from papers import local_x\n",
        "def (:\n",
    ],
)
def test_where_imports_cannot_be_read_off_everything_counts(folder, code):
    (folder / "modules/draws.py").write_text(code)
    before = pack(folder).code_for(TARGET)
    change(folder, "modules/layers.py")
    assert pack(folder).code_for(TARGET) != before


def test_a_target_that_no_file_has_depends_on_everything(folder):
    target = {"_target_": "papers.local_x.modules.gone.Blobs"}
    (folder / "modules/__init__.py").unlink()
    before = pack(folder).code_for(target)
    change(folder, "modules/layers.py")
    assert pack(folder).code_for(target) != before


def test_a_target_of_the_tool_depends_on_no_code_of_the_pack(folder):
    assert pack(folder).code_for({"_target_": "mlintern.data.sources.Table"}, None, 3) == ""


@pytest.mark.parametrize(
    "name", ["__init__.py", "helpers/deep.py", "modules/fast.so", "modules/table.csv", "modules.pyc", "modules/x/y.npy"]
)
def test_every_file_that_code_may_use_moves_ids_and_data(folder, name):
    before = pack(folder)
    code, data, whole = before.code_sha256(), before.code_for(TARGET), before.sha256()
    change(folder, name)
    after = pack(folder)
    assert after.code_sha256() != code
    assert after.sha256() != whole
    if not name.startswith("helpers"):  # which nothing imports
        assert after.code_for(TARGET) != data


def test_what_no_study_sees_moves_nothing(folder):
    before = pack(folder).code_sha256(), pack(folder).sha256()
    for name in ("__pycache__/modules.cpython-311.pyc", "modules/.net.py.swp", "modules/net.py~", ".git/config"):
        change(folder, name)
    assert (pack(folder).code_sha256(), pack(folder).sha256()) == before


def test_a_binary_file_is_hashed_as_it_is(folder):
    (folder / "modules/fast.so").write_bytes(b"a\r\nb")
    before = pack(folder).code_sha256()
    (folder / "modules/fast.so").write_bytes(b"a\nb")
    assert pack(folder).code_sha256() != before
    text = (folder / "modules/net.py").read_bytes()
    before = pack(folder).code_sha256()
    (folder / "modules/net.py").write_bytes(text.replace(b"\n", b"\r\n"))
    assert pack(folder).code_sha256() == before


def test_what_is_no_plain_file_is_refused_by_name(folder, tmp_path):
    (folder / "modules/other.py").symlink_to(tmp_path / "else.py")
    with pytest.raises(UserError, match="modules/other.py: is a link"):
        pack(folder).hashes()
    (folder / "modules/other.py").unlink()
    os.mkfifo(folder / "modules/pipe")
    with pytest.raises(UserError, match="modules/pipe: is no plain file"):
        pack(folder).hashes()


def test_a_sparse_giant_is_refused_unread(folder):
    with (folder / "giant.bin").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="giant.bin is one too many"):
        pack(folder).code_sha256()


@pytest.mark.parametrize(
    ("slug", "code"),
    [
        ("arxiv_2011_14439", "cb95d8499041f045"),
        ("local_lesion_attention", "5b548832fd8ff297"),
    ],
)
def test_the_code_hashes_of_committed_packs_stand(slug, code):
    """They are in the ids of cells that people have."""
    assert Pack(slug, PACKS).code_sha256()[:16] == code
