"""The list of engine code whose bits are shown to be the same, and what rests on it."""

import pytest

from mlintern.engine import ENGINE_VERSION, source
from mlintern.engine.source import CERTIFIED_FILE, certified, is_equal, same_bits, source_hash, source_sha256

V = ENGINE_VERSION


def engine(files=None, version=V):
    return {"version": version, "files": files or source_sha256()}


OTHER = {**source_sha256(), "mlintern/engine/loop.py": "0" * 16}


@pytest.fixture
def listed(monkeypatch):
    """A function that makes the list hold these hashes."""
    return lambda *hashes: monkeypatch.setattr(source, "certified", lambda: {str(V): list(hashes)})


def test_the_present_code_is_certified():
    assert source_hash() in certified().get(str(V), []), (
        f"{CERTIFIED_FILE.name}: does not hold the engine's present code ({source_hash()[:12]}); run `make certify`, "
        "which adds it once the golden suite has passed, and commit the file: else every study trains its cells again"
    )


def test_the_same_code_has_the_same_bits(listed):
    listed()
    assert same_bits(engine(), V)
    assert not same_bits(engine(version=V + 1), V)


def test_other_code_has_them_where_both_are_certified_and_not_else(listed):
    for hashes in ([], [source_hash()], [source_hash(OTHER)]):
        listed(*hashes)
        assert not same_bits(engine(OTHER), V)
    listed(source_hash(), source_hash(OTHER))
    assert same_bits(engine(OTHER), V)
    assert not is_equal("0" * 64, V)


@pytest.mark.parametrize("given", [None, {}, {"version": V}, {"version": V, "files": {}}])
def test_a_record_that_names_no_code_shows_nothing(given):
    assert not same_bits(given, V)


def test_files_in_rooms_of_a_room_count(tmp_path, monkeypatch):
    for name in ("engine/a.py", "engine/loop/b.py", "engine/loop/deep/c.py", "data/d.py", "study/not.py"):
        (tmp_path / "mlintern" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mlintern" / name).write_text("")
    monkeypatch.setattr(source, "_PACKAGE", tmp_path / "mlintern")
    counted = [f"mlintern/{name}" for name in ("data/d.py", "engine/a.py", "engine/loop/b.py", "engine/loop/deep/c.py")]
    assert sorted(source_sha256.__wrapped__()) == counted


def test_every_file_that_computes_counts():
    names = set(source_sha256())
    assert {"mlintern/engine/__init__.py", "mlintern/engine/loop.py", "mlintern/data/prepare.py"} <= names
    assert not any(name.endswith("certified.json") for name in names)
