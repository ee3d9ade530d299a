"""The packs of the release, by every file: kept true, and anything changed or added is no longer of the release."""

import json
import shutil

import pytest

from mlintern.core.roots import PACKS
from mlintern.packs.release import PACKS_FILE, SLUGS, is_of_the_release, kept

SLUG = SLUGS[0]


def test_the_kept_hashes_are_those_of_the_packs():
    assert json.loads(PACKS_FILE.read_text()) == {slug: kept(PACKS / slug) for slug in SLUGS}, (
        "the packs have changed: run `python -m mlintern.packs.release`"
    )


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / SLUG
    shutil.copytree(PACKS / SLUG, folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert is_of_the_release(folder)
    return folder


@pytest.mark.parametrize(
    "add",
    [
        "__init__.py",
        "__pycache__/modules.py",
        "modules.cpython-311-x86_64-linux-gnu.so",
        "conf/model/composed.yaml",
        ".hidden",
    ],
)
def test_a_file_more_is_not_of_the_release(pack, add):
    (pack / add).parent.mkdir(exist_ok=True)
    (pack / add).write_text("")
    assert not is_of_the_release(pack)


def test_bytecode_caches_do_not_count_for_they_are_not_read(pack):
    (pack / "__pycache__").mkdir()
    (pack / "__pycache__" / "modules.cpython-311.pyc").write_text("")
    assert is_of_the_release(pack)


def test_nor_is_a_changed_a_missing_or_a_linked_one(pack, tmp_path):
    modules = pack / "modules.py"
    text = modules.read_text()
    modules.write_text(text + "\n")
    assert not is_of_the_release(pack)
    modules.unlink()
    assert not is_of_the_release(pack)
    (tmp_path / "elsewhere.py").write_text(text)
    modules.symlink_to(tmp_path / "elsewhere.py")
    assert not is_of_the_release(pack)
