"""Every form of input with planted copies and groups, read from disk by the command or handed over in Python."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlintern.audit.command import main


def audited(tmp_path, *argv):
    code = main([*map(str, argv), "--price", "none", "--out", str(tmp_path / "audit.json")])
    found = json.loads((tmp_path / "audit.json").read_text())["findings"]
    return code, {finding["kind"]: finding for finding in found}


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(600, 6)), columns=list("abcdef"))
    made["label"] = np.where(made.a + made.b + rng.normal(size=600) > 0, "ill", "well")
    made["patient"] = np.r_[np.arange(400) // 5, 79 + np.arange(200) // 5]  # the first ten test rows: patient 79, 80
    made.loc[410:419, list("abcdef")] = made.loc[10:19, list("abcdef")].to_numpy()
    return made


def check(code, found):
    assert code == 1
    assert found["exact_duplicate"]["evidence"]["rows"] == {"train": list(range(10, 20)), "test": list(range(10, 20))}
    assert found["group_overlap"]["evidence"]["groups"] == ["79"]
    assert found["group_overlap"]["evidence"]["rows"]["test"] == list(range(5))


@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather", "jsonl"])
def test_one_table_with_a_split_column(frame, tmp_path, suffix):
    frame["split"] = ["train"] * 400 + ["test"] * 200
    path = tmp_path / f"all.{suffix}"
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        getattr(frame, f"to_{suffix}")(path)
    check(*audited(tmp_path, path, "--split-column", "split", "--label", "label", "--group", "patient"))


def test_saved_dataset_folder(frame, tmp_path):
    import datasets

    parts = {"train": frame[:400], "test": frame[400:]}
    saved = {name: datasets.Dataset.from_pandas(part, preserve_index=False) for name, part in parts.items()}
    datasets.DatasetDict(saved).save_to_disk(str(tmp_path / "saved"))
    check(*audited(tmp_path, tmp_path / "saved", "--group", "patient"))


def test_dataset_folder_of_parquet_shards(frame, tmp_path):
    (tmp_path / "hub" / "data").mkdir(parents=True)
    for name, rows in (("train-00000-of-00002", frame[:200]), ("train-00001-of-00002", frame[200:400]),
                       ("test-00000-of-00001", frame[400:])):  # fmt: skip
        rows.to_parquet(tmp_path / "hub" / "data" / f"{name}.parquet", index=False)
    check(*audited(tmp_path, tmp_path / "hub", "--group", "patient"))


def encoded(pixels):
    store = io.BytesIO()
    Image.fromarray(pixels).save(store, "PNG")
    return {"bytes": store.getvalue(), "path": None}


def test_dataset_folder_of_pictures(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (120, 16, 16, 3), dtype=np.uint8)
    pixels[80:86] = pixels[:6]
    table = pd.DataFrame({"image": [encoded(p) for p in pixels], "label": np.arange(120) % 2})
    for name, rows in (("train", table[:80]), ("test", table[80:])):
        rows.to_parquet(tmp_path / f"{name}-0.parquet", index=False)
    code, found = audited(tmp_path, tmp_path)
    assert code == 1
    assert found["exact_duplicate"]["evidence"]["rows"] == {"train": list(range(6)), "test": list(range(6))}


def test_a_column_named_for_data_without_columns_is_refused(tmp_path, capsys):
    x, y = np.zeros((4, 2)), np.zeros(4, int)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    (tmp_path / "pictures").mkdir()
    for path in (tmp_path / "d.npz", tmp_path / "pictures"):
        assert main([str(path), "--group", "patient"]) == 2
        message = capsys.readouterr().err
        assert "--group patient cannot be used" in message
        assert len(message.strip().splitlines()) == 1
