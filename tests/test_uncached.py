"""Packs are imported from their sources: no planted cache or compiled file is believed, and none is written."""

import importlib
import py_compile
import sys

import pytest

from mlintern.core import uncached


@pytest.fixture
def pack(tmp_path, monkeypatch):
    """papers/local_cached/ on the path, with a module that says where it came from."""
    folder = tmp_path / "papers" / "local_cached"
    folder.mkdir(parents=True)
    (folder / "modules.py").write_text("SAID = 'the source'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "path_hooks", list(sys.path_hooks))
    known = set(sys.modules)
    if "papers" in sys.modules:
        monkeypatch.delitem(sys.modules, "papers")
    uncached.install()
    yield folder
    for name in set(sys.modules) - known:
        if name.split(".")[0] == "papers":
            del sys.modules[name]
    sys.path_importer_cache.clear()


def said():
    return importlib.import_module("papers.local_cached.modules").SAID


def plant(folder, text):
    """A cache that says it needs no check."""
    other = folder / "other.py"
    other.write_text(text)
    cache = importlib.util.cache_from_source(str(folder / "modules.py"))
    py_compile.compile(str(other), cache, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    other.unlink()


def test_a_planted_cache_is_not_read(pack):
    plant(pack, "SAID = 'the cache'\n")
    assert said() == "the source"


def test_none_is_written(pack):
    said()
    assert sorted(path.name for path in pack.rglob("*")) == ["modules.py"]


def test_a_file_without_a_source_is_no_module(pack):
    plant(pack, "SAID = 'the cache'\n")
    (cache,) = (pack / "__pycache__").iterdir()
    cache.rename(pack / "modules.pyc")
    (pack / "modules.py").unlink()
    with pytest.raises(ModuleNotFoundError):
        said()


def test_without_the_finder_the_cache_would_be_believed(pack, monkeypatch):
    monkeypatch.setattr(sys, "path_hooks", [hook for hook in sys.path_hooks if hook is not uncached._finder])
    sys.path_importer_cache.clear()
    plant(pack, "SAID = 'the cache'\n")
    assert said() == "the cache"
