"""Tables that are large beside audit.memory are streamed; what is found is what is found in memory."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mlintern.audit.inputs import read, stream
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.run import audit_subject
from mlintern.core.errors import UserError

ROLES = {"label": "y", "group": "who", "time": None, "id": None, "text": None, "image": None}
SMALL, LARGE = AuditOptions(memory="1MB", price="none"), AuditOptions(price="none")


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(3000, 6)), columns=list("abcdef"))
    made.insert(2, "site", rng.choice(["north", "south", "west"], 3000))
    made["count"] = pd.array(rng.integers(0, 50, 3000), dtype="Int64")
    made.loc[5:9, "count"] = pd.NA
    made["flag"] = made["a"] > 0
    made["y"] = (made["a"] + rng.normal(size=3000) > 0).astype(int)
    made["who"] = [f"p{i}" for i in range(3000)]
    test = made[2000:].copy()
    test.iloc[:30, :8] = made.iloc[:30, :8].to_numpy()
    return {"train": made[:2000], "test": test}


def written(frames, folder, suffix):
    paths = {}
    for part, frame in frames.items():
        paths[part] = folder / f"{part}.{suffix}"
        if suffix == "parquet":
            frame.to_parquet(paths[part], row_group_size=300)
        elif suffix == "feather":
            frame.reset_index(drop=True).to_feather(paths[part])
        else:
            frame.to_csv(paths[part], index=False, sep="\t" if suffix == "tsv" else ",")
    return paths


@pytest.mark.parametrize("suffix", ["parquet", "feather", "csv", "tsv"])
def test_streamed_tables_are_the_tables_in_memory(frames, tmp_path, suffix):
    paths = written(frames, tmp_path, suffix)
    streamed, whole = (read.subject_from_tables(paths, ROLES, options) for options in (SMALL, LARGE))
    assert isinstance(streamed.train.features, np.memmap)
    assert not isinstance(whole.train.features, np.memmap)
    assert streamed.columns == whole.columns
    for part in ("train", "test"):
        np.testing.assert_array_equal(streamed.parts()[part].features, whole.parts()[part].features)
    assert (streamed.positions is None) == (whole.positions is None)  # the index that pandas wrote is kept
    there = dataclasses.replace(streamed, options=LARGE)
    assert audit_subject(there).sha256() == audit_subject(whole).sha256()


def test_single_precision_stays_single(frames, tmp_path):
    plain = {part: frame[list("abcdef")].astype(np.float32).assign(y=frame["y"]) for part, frame in frames.items()}
    subject = read.subject_from_tables(written(plain, tmp_path, "parquet"), {"label": "y"}, SMALL)
    assert subject.train.features.dtype == np.float32


def test_shards_of_a_dataset_folder_are_streamed(frames, tmp_path):
    (tmp_path / "data").mkdir()
    for name, rows in (
        ("train-0", frames["train"][:900]),
        ("train-1", frames["train"][900:]),
        ("test-0", frames["test"]),
    ):
        rows.to_parquet(tmp_path / "data" / f"{name}.parquet", index=False)
    streamed, whole = (read.subject_from_path(tmp_path, ROLES, options) for options in (SMALL, LARGE))
    assert isinstance(streamed.train.features, np.memmap)
    np.testing.assert_array_equal(streamed.train.features, whole.train.features)


def test_checks_hold_little_more_than_a_block_at_a_time(frames, tmp_path):
    subject = read.subject_from_tables(written(frames, tmp_path, "parquet"), ROLES, SMALL)
    blocks = [block for _, block in subject.blocks("train")]
    assert max(block.nbytes for block in blocks) <= 10**6 // 32
    assert sum(map(len, blocks)) == 2000


def test_a_file_that_changes_its_types_is_one_line(tmp_path):
    paths = {part: tmp_path / f"{part}.csv" for part in ("train", "test")}
    for path in paths.values():
        path.write_text("a,y\n" + "1,0\n" * 500_000 + "many,1\n")
    with pytest.raises(UserError, match=r"train\.csv: not readable to its end \(.*many"):
        read.subject_from_tables(paths, {"label": "y"}, SMALL)


def test_a_disk_without_room_is_one_line(frames, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stream.os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"train\.parquet: streaming it needs .*No space left on device"):
        read.subject_from_tables(written(frames, tmp_path, "parquet"), ROLES, SMALL)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_table_with_a_column_for_the_split_is_streamed(frames, tmp_path, suffix):
    both = pd.concat([part.assign(split=name) for name, part in frames.items()], ignore_index=True)
    both = both.sample(frac=1, random_state=0).reset_index(drop=True)
    both.loc[both["split"] == "test", "split"] = np.where(
        np.arange((both["split"] == "test").sum()) % 2, "Test", "test"
    )
    path = written({"all": both}, tmp_path, suffix)["all"]
    streamed, whole = (read.subject_from_path(path, ROLES, options, "split") for options in (SMALL, LARGE))
    assert isinstance(streamed.train.features, np.memmap)
    assert streamed.columns == whole.columns
    assert "split" not in whole.columns
    for part in ("train", "test"):
        np.testing.assert_array_equal(streamed.parts()[part].features, whole.parts()[part].features)
        np.testing.assert_array_equal(streamed.positions[part], whole.positions[part])
    there = dataclasses.replace(streamed, options=LARGE)
    assert audit_subject(there).sha256() == audit_subject(whole).sha256()


def test_a_split_column_that_marks_no_test_row_is_one_line_when_streamed_too(frames, tmp_path):
    path = written({"all": frames["train"].assign(split="train")}, tmp_path, "parquet")["all"]
    with pytest.raises(UserError, match="column 'split' marks no row as test"):
        read.subject_from_path(path, ROLES, SMALL, "split")


def is_mapped(array):
    """Does the array look at a mapped file?"""
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_large_arrays_of_an_npz_are_mapped(tmp_path, save):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 4, 10)).astype(np.float32)
    arrays = {"x_train": x[:2000], "y_train": np.arange(2000) % 2, "x_test": np.asfortranarray(x[2000:]),
              "y_test": np.arange(1000) % 2}  # fmt: skip
    save(tmp_path / "data.npz", **arrays)
    mapped, whole = (read.subject_from_path(tmp_path / "data.npz", {}, options) for options in (SMALL, LARGE))
    assert is_mapped(mapped.train.features)
    assert not is_mapped(whole.train.features)
    for part in ("train", "test"):
        np.testing.assert_array_equal(mapped.parts()[part].features, whole.parts()[part].features)


def test_a_large_npz_that_is_cut_short_is_one_line(tmp_path):
    import io
    import zipfile

    held = io.BytesIO()
    np.lib.format.write_array(held, np.zeros((40_000, 10)))
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("x_train.npy", held.getvalue()[:-1000])
    with pytest.raises(UserError, match=r"data\.npz: not readable as npz \(x_train\.npy: cut short\)"):
        read.subject_from_path(tmp_path / "data.npz", {}, SMALL)
