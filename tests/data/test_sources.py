"""Sources: local tables, numpy archives and Hugging Face folders give the same examples."""

import numpy as np
import pandas as pd
import pytest

from mlintern.core.errors import UserError
from mlintern.data.prepare import prepare
from mlintern.data.sources import HuggingFace, Npz, Tables

X = np.arange(24, dtype=np.float64).reshape(8, 3)
Y = np.array([0, 1] * 4)


@pytest.fixture
def frames():
    def frame(rows):
        return pd.DataFrame(
            {"a": X[rows, 0], "b": X[rows, 1], "c": X[rows, 2], "y": Y[rows], "who": [f"p{i}" for i in rows]}
        )

    return {"train": frame(range(5)), "test": frame(range(5, 8))}


def check(parts):
    assert set(parts) == {"train", "test"}
    assert np.array_equal(parts["train"]["features"], X[:5])
    assert np.array_equal(parts["test"]["labels"], Y[5:])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables(frames, tmp_path, ending):
    for part, frame in frames.items():
        path = tmp_path / f"{part}.{ending}"
        frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    files = {part: str(tmp_path / f"{part}.{ending}") for part in frames}
    parts = Tables(files=files, label="y", groups="who")()
    check(parts)
    assert list(parts["test"]["groups"]) == ["p5", "p6", "p7"]


def test_npz(tmp_path):
    np.savez(tmp_path / "d.npz", x_train=X[:5], y_train=Y[:5], x_test=X[5:], y_test=Y[5:])
    check(Npz(path=str(tmp_path / "d.npz"))())


def test_a_hugging_face_folder(frames, tmp_path):
    import datasets

    datasets.DatasetDict({p: datasets.Dataset.from_pandas(f) for p, f in frames.items()}).save_to_disk(tmp_path / "hf")
    check(HuggingFace(path=str(tmp_path / "hf"), label="y", features=["a", "b", "c"])())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: Tables(files={"train": f"{p}/no.csv", "test": "x"}, label="y"), "no such file"),
        (lambda p: Npz(path=f"{p}/no.npz"), "no such file"),
        (lambda p: Npz(path=__file__), "not a plain numpy archive"),
        (lambda p: HuggingFace(path="owner/name", label="y"), "must be pinned to a commit"),
        (lambda p: HuggingFace(path="owner/name", revision="main", label="y"), "branches and tags move"),
    ],
)
def test_mistakes_are_named(make, says, tmp_path):
    with pytest.raises(UserError, match=says):
        make(tmp_path)()


def test_a_missing_or_textual_column_is_named(frames, tmp_path):
    frames["train"].to_csv(tmp_path / "t.csv", index=False)
    files = {"train": str(tmp_path / "t.csv"), "test": str(tmp_path / "t.csv")}
    with pytest.raises(UserError, match="no column 'z'"):
        Tables(files=files, label="z")()
    with pytest.raises(UserError, match="column 'who' is not numeric"):
        Tables(files=files, label="y")()


def test_an_object_archive_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", x_train=np.array([{}], dtype=object), y_train=Y[:1], x_test=X[:1], y_test=Y[:1])
    with pytest.raises(UserError, match="not a plain numpy archive"):
        prepare(Npz(path=str(tmp_path / "d.npz")), tmp_path / "out")
