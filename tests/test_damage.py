"""Every file that a cell leaves, in every way of being damaged, through the readers that read it: one line, exit 2."""

import dataclasses
import io
import json
import os
import shutil
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlintern.audit.report.audit_report import AuditReport, Check, Status
from mlintern.cli import main
from mlintern.core.errors import Damaged, UserError
from mlintern.core.records import packed, record, sealed
from mlintern.data import prepare
from mlintern.engine import ENGINE_VERSION
from mlintern.engine.source import source_sha256
from mlintern.study.account.analyse import read_outcomes, read_steps
from mlintern.study.account.figures import read_maps
from mlintern.study.folders import failures, shapes, standing
from mlintern.study.run import budget, memory_fallback
from mlintern.study.verify.first_difference import passed
from tests import records

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@dataclasses.dataclass
class Place:
    """A study's folder with one finished cell, and another whose files may take the place of its own."""

    slug: object
    cell: object
    other: object
    data: object


def lesson(folder, value):
    (folder / record.MAPS_FILE).write_bytes(b"")
    with open(folder / record.MAPS_FILE, "wb") as handle:
        np.savez(handle, inputs=np.full((1, 2, 2), value))
    columns = {name: ["x"] for name in ("name", "kind")} | {"stage": ["loss"], "dtype": ["float32"], "sha": ["0"]}
    row = {
        "step": [0],
        **columns,
        "shape": pa.array([[1]], pa.list_(pa.int64())),
        "values": [np.float32([value]).tobytes()],
    }
    pq.write_table(pa.table(row), folder / record.INSIDE_FILE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Made once; every test takes a copy."""
    folder = tmp_path_factory.mktemp("whole")
    slug = folder / "runs" / "local_x"
    for number, name in enumerate(("00aa00aa00aa00aa", "11bb11bb11bb11bb")):
        cell = slug / name
        cell.mkdir(parents=True)
        lesson(cell, number)
        (cell / record.WEIGHTS_FILE).write_bytes(b"weights %d" % number)
        pq.write_table(
            pa.table({"step": [0], "loss": pa.array([float(number)], pa.float32())}), cell / record.STEPS_FILE
        )
        outcome = {"id": ["a"], "target": [0], "prediction": [0], "accuracy": [float(number)]}
        pq.write_table(pa.table(outcome), cell / record.PREDICTIONS_FILE)
        engine = {"version": ENGINE_VERSION, "files": source_sha256()}
        run = records.whole(
            name, engine=engine, seed=number, config={"seed": number}, metrics={"test": {"accuracy": float(number)}}
        )
        records.write(cell, run)
    rows = [{"cell_id": "00aa00aa00aa00aa", "variant": "net", "levels": {"data": "d", "protocol": "clean"}, "seed": 0}]
    budget.write_plan(slug / "study.plan.json", rows, [], {}, None, 1, "asked")
    failures.note(slug / "22cc", "no")
    pieces = {"instead": {"shards": 2, "eval_batch_size": 4}, "before": {"shards": 1, "eval_batch_size": 8}}
    sealed.write(slug / "22cc" / memory_fallback.NOTE_FILE, {"cell_id": "33dd", "message": "", **pieces})
    audit = AuditReport((Check("exact", Status.PASS, "none", 3, 0.1),), (), {"test": records.SHA})
    audit.write(slug / "audits" / "k" / "audit.json")
    draw = np.random.default_rng(0)
    parts = {n: {"features": draw.normal(size=(6, 2)), "labels": np.arange(6) % 2} for n in ("train", "test")}
    prepare.prepare(lambda: parts, folder / "data")
    return folder


@pytest.fixture
def place(whole, tmp_path):
    folder = tmp_path / "p"
    shutil.copytree(whole, folder)
    slug = folder / "runs" / "local_x"
    return Place(slug, slug / "00aa00aa00aa00aa", slug / "11bb11bb11bb11bb", folder / "data")


READERS = {
    "run.json": lambda p: record.read_own_run(p.cell),
    "steps.parquet": lambda p: read_steps(p.slug)(p.cell.name),
    "predictions.parquet": lambda p: read_outcomes(p.slug)(p.cell.name),
    "maps.npz": lambda p: read_maps(p.slug)(p.cell.name),
    "inside.parquet": lambda p: passed(p.cell),
    "weights.safetensors": lambda p: _stands(p.cell),
    "study.plan.json": lambda p: budget.read_plan(p.slug / "study.plan.json"),
    "failed.json": lambda p: failures.noted(p.slug / "22cc"),
    "out_of_memory.json": lambda p: memory_fallback.noted(p.slug / "22cc"),
    "audit.json": lambda p: AuditReport.read(p.slug / "audits" / "k" / "audit.json"),
    "dataset.json": lambda p: prepare.load_parts(p.data),
    "test.npz": lambda p: prepare.load_parts(p.data),
    "train.npz": lambda p: prepare.load_parts(p.data),
}
BESIDE = ("steps.parquet", "predictions.parquet", "maps.npz", "inside.parquet", "weights.safetensors")


def _stands(cell):
    if wrong := standing.damage(cell):
        raise Damaged(wrong)


def path_of(place, name):
    if name in (*BESIDE, "run.json"):
        return place.cell / name
    if name.startswith("study"):
        return place.slug / name
    if name in ("failed.json", "out_of_memory.json"):
        return place.slug / "22cc" / name
    return place.slug / "audits" / "k" / name if name == "audit.json" else place.data / name


def edited(content, name):
    if not name.endswith(".json"):
        middle = content.index(b"NUMPY") + 140 if name.endswith(".npz") else len(content) - 1
        return bytes([*content[:middle], content[middle] ^ 1, *content[middle + 1 :]])
    value = json.loads(content)
    key = {"run.json": "wall_s", "dataset.json": "rows", "audit.json": "data"}.get(name, "message")
    value[key if key in value else "jobs"] = {"test": "1" * 64} if key in ("data", "rows") else 7
    return json.dumps(value).encode()


def spoil(path, how, place):
    content = path.read_bytes()
    if how == "torn":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "edited":
        path.write_bytes(edited(content, path.name))
    elif how == "grown":
        path.write_bytes(content + b"x")
    elif how in SHAPES:
        path.write_bytes(SHAPES[how])
    else:
        path.unlink()
        if how == "folder":
            path.mkdir()
        elif how == "link":
            path.symlink_to(place.other / "run.json")
        elif how == "dangling link":
            path.symlink_to(place.slug / "nothing")
        elif how == "pipe":
            os.mkfifo(path)


SHAPES = {
    "list": b"[]",
    "number": b"5",
    "null": b"null",
    "text": b'"run"',
    "mapping": b"{}",
    "deep": b"[" * 5000,
    "deeper": b'{"a":' * 90 + b"1" + b"}" * 90,
    "huge number": b'{"seed": 1e999, "wall_s": ' + b"9" * 4000 + b"}",
    "nan": b'{"wall_s": NaN}',
    "no text": b"\xff\xfe",
}
DAMAGES = ("torn", "empty", "edited", "grown", *SHAPES, "folder", "link", "dangling link", "pipe")


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", READERS)
def test_every_damage_of_every_file_is_one_line(place, name, how):
    if how == "grown" and name in ("test.npz", "train.npz"):
        pytest.skip("what is in them is hashed, and not what comes after")
    READERS[name](place)  # whole, it is read
    spoil(path_of(place, name), how, place)
    with pytest.raises(UserError) as told:
        READERS[name](place)
    assert name in str(told.value)
    assert told.value.exit_code == 2


@pytest.mark.parametrize("name", BESIDE)
def test_another_cells_file_in_its_place_is_told(place, name):
    shutil.copy(place.other / name, place.cell / name)
    with pytest.raises(UserError, match="is not what its record names"):
        READERS[name](place)


@pytest.mark.parametrize("name", [*BESIDE, "run.json"])
def test_whatever_is_damaged_the_cell_is_not_finished_and_is_set_aside(place, name):
    assert standing.is_finished(place.cell)
    (place.cell / name).unlink()
    assert not standing.is_finished(place.cell)
    if name != "run.json":
        assert name in standing.set_aside_if_wrong(place.cell)
        assert (place.cell / "run.json.damaged").is_file()
    assert standing.damage(place.cell) is None


@pytest.mark.parametrize("how", [how for how in DAMAGES if how != "grown"])
def test_a_damaged_record_is_set_aside_so_that_the_cell_can_be_trained(place, how):
    spoil(place.cell / "run.json", how, place)
    assert "run.json" in standing.set_aside_if_wrong(place.cell)
    assert not os.path.lexists(place.cell / "run.json")
    records.write(place.cell, {**json.loads((place.other / "run.json").read_text()), "cell_id": place.cell.name})
    assert standing.is_finished(place.cell)


def test_a_folder_where_a_file_belongs_goes_too(place):
    spoil(place.cell / "weights.safetensors", "folder", place)
    standing.set_aside_if_wrong(place.cell)
    assert not os.path.lexists(place.cell / "weights.safetensors")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sandbox", [[]]),
        ("sandbox", {"backend": 1}),
        ("out_of_memory", {"asked": "x"}),
        ("evaluations", [{"step": 1, "split": "valid", "loss": "x"}]),
    ],
)
def test_a_sealed_record_whose_parts_are_no_such_parts_is_one_line(tmp_path, key, value):
    records.write(tmp_path / "00aa", records.whole("00aa", **{key: value}))
    with pytest.raises(Damaged, match=rf"run\.json: {key}\b"):
        record.read_own_run(tmp_path / "00aa")


def test_another_cells_record_is_no_record(place):
    for path in place.other.iterdir():
        shutil.copy(path, place.cell / path.name)
    with pytest.raises(Damaged, match="is the record of another cell, 11bb"):
        record.read_own_run(place.cell)
    assert not standing.is_finished(place.cell)


def test_a_record_of_an_earlier_version_is_read_and_stands_for_nothing(place):
    run = json.loads((place.cell / "run.json").read_text())
    del run["record_sha256"], run["files"]
    (place.cell / "run.json").write_text(json.dumps(run))
    assert not record.is_sealed(record.read_own_run(place.cell))
    assert "before records were sealed" in standing.damage(place.cell)


def test_parts_that_changed_places_are_told(place):
    (place.data / "test.npz").rename(place.data / "t")
    (place.data / "train.npz").rename(place.data / "test.npz")
    (place.data / "t").rename(place.data / "train.npz")
    with pytest.raises(UserError, match="does not match its fingerprint"):
        prepare.load_parts(place.data)


@pytest.mark.parametrize("how", ["torn", "empty", "edited", "list", "number", "link", "pipe", "folder"])
@pytest.mark.parametrize("name", ["run.json", "steps.parquet", "predictions.parquet"])
@pytest.mark.parametrize("command", ["diff", "compare"])
def test_commands_say_it_in_one_line(place, capsys, command, name, how):
    if (command, name) in (("diff", "predictions.parquet"), ("compare", "steps.parquet")):
        pytest.skip("not read by it")
    spoil(place.cell / name, how, place)
    where = ["--runs", str(place.slug.parent)]
    assert main([command, place.cell.name, place.other.name, *where]) == 2
    said = capsys.readouterr().err
    assert name in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("how", ["torn", "edited", "list", "number", "folder", "pipe"])
def test_status_lists_it_and_verify_refuses(place, capsys, monkeypatch, how):
    monkeypatch.setenv("COLUMNS", "200")
    spoil(place.cell / "run.json", how, place)
    assert main(["status", "local_x", "--runs", str(place.slug.parent)]) == 1
    assert "1 cells planned: 1 damaged" in capsys.readouterr().out
    assert main(["verify", str(place.cell)]) == 2
    assert "run.json" in capsys.readouterr().err


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_shape_of_a_record_is_a_traceback(whole, data):
    """A value anywhere in an unsealed record is another: diff, compare and status end in a number or in one line."""
    run = json.loads((whole / "runs" / "local_x" / "00aa00aa00aa00aa" / "run.json").read_text())
    del run["record_sha256"]
    at, key = run, data.draw(st.sampled_from(sorted(run)))
    while isinstance(at[key], dict) and at[key] and data.draw(st.booleans()):
        at = at[key]
        key = data.draw(st.sampled_from(sorted(at)))
    if data.draw(st.booleans()):
        at[key] = data.draw(JSON)
    else:
        del at[key]
    folder = whole.parent / "fuzzed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole / "runs", folder)
    slug = folder / "local_x"
    (slug / "00aa00aa00aa00aa" / "run.json").write_text(json.dumps(run))
    for command in ("diff", "compare"):
        assert main([command, "00aa", "11bb", "--runs", str(folder)]) in (0, 1, 2)
    assert main(["status", "local_x", "--runs", str(folder)]) in (0, 1, 2)


@given(JSON)
def test_no_json_is_a_traceback_for_a_studys_files(value):
    for shape in (shapes.PlanFile, shapes.IndexFile, shapes.CostFile, shapes.Failure, shapes.SmallerFile):
        try:
            shape.model_validate(value)
        except ValueError:
            continue


def bomb():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\0" * (64 << 20))
    return out.getvalue()


def npy(header, values=b""):
    text = header.encode() + b"\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + values)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        bomb(),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"c__builtin__\nprint\n."),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}", b"x" * 8),
        npy("__import__('os').system('true')"),
        npy("[" * 5000),
        b"PK",
    ],
)
def test_hostile_arrays(tmp_path, content):
    with pytest.raises(Damaged, match="not readable as arrays"):
        packed.arrays(io.BytesIO(content), tmp_path / "a.npz", "mend")


def test_arrays_come_back_as_they_were(tmp_path):
    given_ = {"a": np.arange(6).reshape(2, 3), "b": np.asfortranarray(np.ones((2, 3))), "c": np.array(["x", "yy"]),
              "d": np.empty((0, 4)), "e": np.array(3.0)}  # fmt: skip
    out = io.BytesIO()
    np.savez(out, **given_)
    for name, values in packed.arrays(out, tmp_path, "").items():
        assert values.dtype == given_[name].dtype
        np.testing.assert_array_equal(values, given_[name])


def tensor_file(header, size=8):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"\0" * size


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        tensor_file(b"[]"),
        tensor_file(b"[" * 9999),
        tensor_file({"a": {"dtype": "F32", "shape": [1 << 60], "data_offsets": [0, 8]}}),
        tensor_file({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 1 << 50]}}),
        tensor_file({"a": {"dtype": "O", "shape": [2], "data_offsets": [0, 8]}}),
        tensor_file({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, -8]}}),
        tensor_file({n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in "ab"}),
        tensor_file({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, 9),
        tensor_file({"a": {"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]}}),
    ],
)
def test_hostile_tensors(tmp_path, content):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(Damaged, match="not readable as tensors"):
        packed.tensors(tmp_path / "w", 1 << 30, "mend")


def test_tensors_are_listed_without_torch(tmp_path):
    entries = {"a": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}, "__metadata__": {"note": "x"}}
    (tmp_path / "w").write_bytes(tensor_file(entries))
    assert packed.tensors(tmp_path / "w", 1 << 30, "") == {"a": ("F32", (1, 2))}
