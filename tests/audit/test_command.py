"""The command on every form of input, good and bad."""

import json

import numpy as np
import pandas as pd
import pytest

from mlintern.audit.command import horizon_of, main
from mlintern.core.errors import UserError


@pytest.fixture
def frame(table):
    x, y = table
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(8)])
    frame["y"] = np.where(y == 1, "ill", "well")
    frame["patient"] = [f"p{i // 5}" for i in range(600)]
    frame["day"] = pd.date_range("2024-01-01", periods=600)
    return frame


def run(capsys, *argv):
    code = main([*map(str, argv), "--price", "none"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_clean_parquet_exits_0(frame, tmp_path, capsys):
    frame.iloc[:400].to_parquet(tmp_path / "a.parquet")
    frame.iloc[400:].to_parquet(tmp_path / "b.parquet")
    code, out, _ = run(
        capsys, "--train", tmp_path / "a.parquet", "--test", tmp_path / "b.parquet", "--label", "y",
        "--group", "patient", "--time", "day", "--out", tmp_path / "audit.json",
    )  # fmt: skip
    assert code == 0, out
    report = json.loads((tmp_path / "audit.json").read_text())
    assert {c["name"]: c["status"] for c in report["checks"]}["group_overlap"] == "PASS"
    assert {c["name"]: c["status"] for c in report["checks"]}["temporal_overlap"] == "PASS"


def test_leaks_in_csv_exit_1_and_are_named(frame, tmp_path, capsys):
    pd.concat([frame.iloc[:400], frame.iloc[450:455]]).to_csv(tmp_path / "a.csv", index=False)
    frame.iloc[400:].to_csv(tmp_path / "b.csv", index=False)
    code, out, _ = run(
        capsys, "--train", tmp_path / "a.csv", "--test", tmp_path / "b.csv", "--label", "y",
        "--group", "patient", "--time", "day", "--horizon", "2d",
    )  # fmt: skip
    assert code == 1
    for kind in ("exact_duplicate", "group_overlap", "temporal_overlap"):
        assert kind in out
    assert "repair" in out


def test_one_table_with_a_split_column(frame, tmp_path, capsys):
    frame = frame.drop(columns=["patient", "day"])
    frame["part"] = ["Train"] * 300 + ["val"] * 100 + ["test"] * 200
    frame.loc[500, [f"f{i}" for i in range(8)]] = frame.loc[10, [f"f{i}" for i in range(8)]]
    frame.to_csv(tmp_path / "all.csv", index=False)
    code, out, _ = run(capsys, tmp_path / "all.csv", "--split-column", "part", "--label", "y", "--fail-on", "low")
    assert code == 1
    assert "train/10 = test/100" in out


def test_npz_of_any_shape(table, tmp_path, capsys):
    x, y = table
    x = x.reshape(600, 2, 4)
    np.savez(tmp_path / "d.npz", x_train=x[:400], y_train=y[:400], x_test=x[380:], y_test=y[380:])
    code, out, _ = run(capsys, tmp_path / "d.npz")
    assert code == 1
    assert "exact_duplicate" in out


def test_folder_of_images(tmp_path, capsys):
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, size in (("train", 30), ("test", 20)):
        for kind in ("cat", "dog"):
            (tmp_path / part / kind).mkdir(parents=True)
            for i in range(size):
                pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / kind / f"{i:03d}.png")
    for i in range(5):
        (tmp_path / "test" / "cat" / f"copy{i}.png").write_bytes(
            (tmp_path / "train" / "cat" / f"{i:03d}.png").read_bytes()
        )
    code, out, _ = run(capsys, tmp_path)
    assert code == 1
    assert "exact_duplicate" in out


def test_saved_hugging_face_dataset(frame, tmp_path, capsys):
    import datasets

    columns = [f"f{i}" for i in range(8)]
    parts = {"train": frame.iloc[:400], "test": frame.iloc[390:]}
    saved = datasets.DatasetDict(
        {
            name: datasets.Dataset.from_pandas(
                part[columns].assign(label=(part.y == "ill").astype(int)), preserve_index=False
            )
            for name, part in parts.items()
        }
    )
    saved.save_to_disk(str(tmp_path / "saved"))
    capsys.readouterr()
    code, out, _ = run(capsys, tmp_path / "saved")
    assert code == 1
    assert "exact_duplicate" in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["missing.npz"], "missing.npz: no such file"),
        ([], "nothing to audit"),
        (["--train", "a.csv"], "give --train and --test"),
        (["a.csv"], "Give --split-column"),
        (["a.csv", "--split-column", "part", "--label", "y"], "no column 'part' for --split-column"),
        (["a.csv", "--split-column", "s", "--label", "why"], "no column 'why' for --label"),
        (["a.csv", "--split-column", "s"], "which column is the label?"),
        (["a.csv", "--split-column", "y", "--label", "y"], "holds '0'; use train, valid and test"),
        (["empty.csv", "--split-column", "s", "--label", "y"], "empty.csv: the file is empty"),
        (["broken.npz"], "broken.npz: not readable as npz"),
        (["pickled.npz"], "pickled.npz: it holds pickled objects"),
        (["other.npz"], "no x_train and y_train"),
        (["uneven.npz"], "x_train has 4 rows and y_train has 3"),
        (["widths.npz"], "they must agree"),
        (["folder"], "no images in train/<class>/"),
        (["a.csv", "--horizon", "soon"], "--horizon soon: not a duration"),
        (["--train", "broken.parquet", "--test", "broken.parquet", "--label", "y"], "broken.parquet: not readable"),
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["a.csv", "--fail-on", "loud"], "invalid choice: 'loud'"),
    ],
)
def test_unusable_input_is_one_line_and_exit_2(argv, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"f": [0.5, 1.5], "y": [0, 1], "s": ["train", "test"]}).to_csv("a.csv", index=False)
    (tmp_path / "empty.csv").touch()
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not really")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "folder").mkdir()
    four = np.zeros((4, 2))
    np.savez("pickled.npz", x_train=np.array([{}], dtype=object), y_train=[0], x_test=four, y_test=[0] * 4)
    np.savez("other.npz", data=four)
    np.savez("uneven.npz", x_train=four, y_train=[0] * 3, x_test=four, y_test=[0] * 4)
    np.savez("widths.npz", x_train=four, y_train=[0] * 4, x_test=np.zeros((4, 3)), y_test=[0] * 4)
    code, out, err = run(capsys, *argv)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1, err
    assert not out


@pytest.mark.parametrize(("text", "seconds"), [("7d", 604800), ("12h", 43200), ("90min", 5400), ("3", 3)])
def test_horizons(text, seconds):
    assert horizon_of(text) == seconds


def test_python_interface_takes_frames_arrays_and_datasets(frame, table):
    import datasets
    import torch

    from mlintern.audit import AuditOptions, audit

    x, y = table
    columns = [f"f{i}" for i in range(8)] + ["y"]
    quiet = AuditOptions(price="none")
    forms = [
        dict(train=frame[columns][:400], test=frame[columns][390:], label="y"),
        dict(train=(x[:400], y[:400]), test=(x[390:], y[390:])),
        dict(
            train=torch.utils.data.TensorDataset(torch.tensor(x[:400]), torch.tensor(y[:400])),
            test=torch.utils.data.TensorDataset(torch.tensor(x[390:]), torch.tensor(y[390:])),
        ),
        dict(
            train=datasets.Dataset.from_pandas(frame[columns][:400], preserve_index=False),
            test=datasets.Dataset.from_pandas(frame[columns][390:], preserve_index=False),
            label="y",
        ),
    ]
    for form in forms:
        report = audit(options=quiet, **form)
        found = [f for f in report.findings if f.kind == "exact_duplicate"]
        assert found[0].evidence["rows"] == {"train": list(range(390, 400)), "test": list(range(10))}
    with pytest.raises(UserError, match="no test part"):
        audit(train=frame, label="y")
